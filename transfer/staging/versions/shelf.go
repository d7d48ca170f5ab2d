package versions

import (
	"errors"
	"fmt"
	"path"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
)

// A Shelf sets aside what the files of one batch replace. It lists each directory once.
// It is not safe for concurrent use.
type Shelf struct {
	root   *confine.Root
	places map[string]*place // by directory
}

// A place is a directory, and the versions in it of the files of the batch.
type place struct {
	names map[string]*row
	dir   *confine.Dir
	read  bool // it has been listed, or cannot be
	whole bool // it has been listed
}

// A row is the versions of one file.
type row struct {
	list  []Version
	added bool // one of this batch is among them
}

// NewShelf returns a shelf for files, by their paths below root.
func NewShelf(root *confine.Root, finals ...string) *Shelf {
	s := &Shelf{root, make(map[string]*place)}
	for _, final := range finals {
		dir, name := split2(final)
		if s.places[dir] == nil {
			s.places[dir] = &place{names: make(map[string]*row)}
		}
		s.places[dir].names[name] = &row{}
	}
	return s
}

func split2(p string) (dir, name string) {
	dir, name = path.Split(p)
	return path.Clean("/" + dir)[1:], name
}

// SetAside renames what is at final, one of the paths of NewShelf, to its next version.
// That there is nothing is no error. Where the directory cannot be listed the version is one
// without a bound.
func (s *Shelf) SetAside(final string) error {
	dir, name := split2(final)
	p := s.places[dir]
	if p == nil || p.names[name] == nil {
		return mft.Fail(mft.CodeInternal, "keep the version of", final, errors.New("it is not of this batch"))
	}
	if err := p.open(s.root, dir); err != nil {
		if mft.CodeOf(err) == mft.CodeNotFound {
			return nil
		}
		return err
	}
	if !p.whole {
		return Unbounded(s.root, final)
	}
	return p.setAside(name, final)
}

func (p *place) open(root *confine.Root, dir string) (err error) {
	if p.dir == nil {
		if p.dir, err = root.Dir(dir); err != nil {
			return err
		}
	}
	if p.read {
		return nil
	}
	p.read = true
	err = p.dir.List(func(name []byte, id *confine.Identity, _ []byte) error {
		if v, ok := Read(string(name), *id); ok && p.names[v.Of] != nil {
			p.names[v.Of].list = append(p.names[v.Of].list, v)
		}
		return nil
	})
	p.whole = err == nil
	return nil
}

// tries bounds how often a name is found taken, which only somebody else can do.
const tries = 100

func (p *place) setAside(name, final string) error {
	row := p.names[name]
	last := int64(0)
	for _, v := range row.list {
		last = max(last, v.N)
	}
	for n := last + 1; n <= min(last+tries, maxNumber); n++ {
		id, err := p.dir.Identity(name)
		if mft.CodeOf(err) == mft.CodeNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		v := Version{Name(name, n, id), name, n, id}
		err = p.dir.Rename(name, p.dir, v.Name, confine.RenameNoReplace)
		switch mft.CodeOf(err) {
		case mft.CodeOK:
			row.list, row.added = append(row.list, v), true
			return nil
		case mft.CodeNotFound:
			return nil
		case mft.CodeExists:
		default:
			return err
		}
	}
	return mft.Fail(mft.CodeExists, "keep the version of", final, errors.New("its next versions are there"))
}

// Clear removes what the bound does not keep of the files of which SetAside made a
// version. It is for when the files that replace them are durable. Each file is looked at once
// more before it goes, in the directory in which it was set aside, wherever that is by now. What
// cannot be removed stays until the next version of the same file is made: an error is only
// to tell.
func (s *Shelf) Clear(bound mft.VersionBound, now time.Time) (err error) {
	for _, p := range s.places {
		if !p.whole {
			continue
		}
		for _, row := range p.names {
			if !row.added {
				continue
			}
			for _, v := range Surplus(row.list, bound, now) {
				err = errors.Join(err, p.remove(v))
			}
		}
	}
	return err
}

func (p *place) remove(v Version) error {
	id, err := p.dir.Identity(v.Name)
	if mft.CodeOf(err) == mft.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if now, ok := Read(v.Name, id); !ok || now.ID.Dev != v.ID.Dev || now.ID.Inode != v.ID.Inode {
		return nil
	}
	return p.dir.Remove(v.Name)
}

// maxUnbounded bounds the search for a free name.
const maxUnbounded = 100_000

// Unbounded renames what is at final to the first free NAME.~N~.
func Unbounded(root *confine.Root, final string) error {
	for n := 1; n <= maxUnbounded; n++ {
		err := root.Rename(final, fmt.Sprintf("%s.~%d~", final, n), confine.RenameNoReplace)
		switch {
		case err == nil, mft.CodeOf(err) == mft.CodeNotFound:
			return nil
		case mft.CodeOf(err) != mft.CodeExists:
			return err
		}
	}
	return mft.Fail(mft.CodeExists, "keep the version of", final, fmt.Errorf("%d versions are there", maxUnbounded))
}
