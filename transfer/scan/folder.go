package scan

import (
	"context"
	"errors"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/transfer/look"
	"mft.dev/mft/trigger/selection"
)

// A Folder is one directory of a source that is read by itself, see
// [Source.In].
type Folder struct{ at place }

// Top returns the directory that the source is, and whether it is one: a file
// or a pattern has none.
func (s *Source) Top() (Folder, bool) {
	return Folder{newPlace(s.base, s.Prefix)}, s.file == "" && s.pattern == nil
}

// Path is that of the folder as an item; empty for a source that is the
// contents of a directory.
func (f Folder) Path() string { return f.at.path() }

// Below returns the folder of a name in f.
func (f Folder) Below(name string) Folder { return Folder{f.at.child(name)} }

// Stat returns the folder itself as an entry.
func (s *Source) Stat(f Folder) (Entry, error) {
	dir, err := s.Root.Dir(f.at.rel())
	if err != nil {
		return Entry{}, err
	}
	fi, err := dir.Stat()
	if err != nil {
		return Entry{}, err
	}
	id := confine.Stamp(fi)
	return Entry{Item: s.item(f.at, id, mft.ItemDir, ""), Identity: id, Rel: f.at.rel()}, nil
}

// Had reports whether what is under a name in a [Folder] need not be told of.
type Had func(name []byte, id *confine.Identity, target []byte) bool

// In calls visit for everything that is directly in f, as Items does for what
// is below a source: with an error for what cannot be sent. It stops at the
// first error of visit and returns it. What seen has of the folder is not looked
// at again, unless a name has come or gone since; otherwise it is filled anew.
// had, unless it is nil, is asked first about what travels: what it says yes to is
// passed over. It is not asked in a folder that is too large for a look.
//
// settled tells that the directory is the same afterwards as it was before, so
// that no name was missed because somebody renamed files meanwhile. Other
// errors say why the directory could not be read to its end: CodeNotFound,
// CodeSymlink and so on.
func (s *Source) In(ctx context.Context, f Folder, seen *look.Look, had Had, visit func(Entry, error) error) (settled bool, err error) {
	dir, err := s.Root.Dir(f.at.rel())
	if err != nil {
		return false, err
	}
	told := func(e Entry, err error) error {
		if ctx.Err() != nil {
			return mft.Fail(mft.CodeCancelled, "scan", s.Path, context.Cause(ctx))
		}
		return visit(e, err)
	}
	if !seen.Whole() || !seen.Current(dir) {
		seen.Reset()
		// What is too large, or has something in it that cannot be looked at, is gone
		// through name by name.
		if seen.Through(dir, seen.Add) != nil {
			return s.oneByOne(dir, f.at, told)
		}
	}
	if had != nil {
		seen = s.without(seen, f, had)
	}
	err = seen.All(func(name []byte, id *confine.Identity, target []byte) error {
		if name[0] == '.' && IsStaging(string(name)) {
			return nil
		}
		at := f.at.child(string(name))
		switch c := s.choice(at, id); c {
		case selection.Out:
			return nil
		case selection.Kept, selection.Refused:
			return told(left(at, c))
		}
		return told(s.entry(at, *id, string(target)))
	})
	if err != nil {
		return false, err
	}
	fi, err := dir.Stat()
	if err != nil {
		return false, err
	}
	return confine.Stamp(fi) == seen.Folder, nil
}

// without returns a look that lacks what had says yes to.
func (s *Source) without(seen *look.Look, f Folder, had Had) *look.Look {
	room, depth := maxPath-after(f.Path()), depthOf(f.at.sub())
	var left []int
	for i := range seen.Len() {
		name, id, target := seen.At(i)
		if s.Choose != nil && s.choice(f.at.child(string(name)), id) != selection.Taken {
			left = append(left, i) // for In to pass over
		} else if IsStaging(string(name)) || !fits(kindOf(id), name, target, room, depth) || !had(name, id, target) {
			left = append(left, i)
		}
	}
	return seen.Only(left)
}

// oneByOne is In for a directory of any size, which it never holds in memory.
func (s *Source) oneByOne(dir *confine.Dir, at place, visit func(Entry, error) error) (settled bool, err error) {
	before, err := dir.Stat()
	if err != nil {
		return false, err
	}
	err = dir.Names(func(name string) error {
		if IsStaging(name) {
			return nil
		}
		e, err := s.describe(dir, name, at.child(name))
		if mft.CodeOf(err) == mft.CodeNotFound || errors.Is(err, selection.ErrOut) {
			return nil
		}
		return visit(e, err)
	})
	if err != nil {
		return false, err
	}
	after, err := dir.Stat()
	if err != nil {
		return false, err
	}
	return confine.Stamp(before) == confine.Stamp(after), nil
}

// left is the entry of what is Kept or Refused.
func left(at place, c selection.Choice) (Entry, error) {
	e := Entry{Item: mft.Item{Path: at.path()}, Rel: at.rel()}
	if c == selection.Refused {
		return e, mft.Fail(mft.CodeLinkRefused, "scan", at.path(), nil)
	}
	return e, selection.ErrKept
}

// describe describes one thing in dir.
func (s *Source) describe(dir *confine.Dir, name string, at place) (Entry, error) {
	bad := Entry{Item: mft.Item{Path: at.path()}, Rel: at.rel()}
	id, err := dir.Identity(name)
	if err != nil {
		return bad, err
	}
	switch c := s.choice(at, &id); c {
	case selection.Out:
		return bad, selection.ErrOut
	case selection.Kept, selection.Refused:
		return left(at, c)
	}
	target := ""
	if id.IsSymlink() {
		if target, err = dir.Readlink(name); err != nil {
			return bad, err
		}
	}
	return s.entry(at, id, target)
}

// travels returns why something cannot be sent, nil if it can.
func travels(at place, kind mft.ItemType, target string) error {
	switch {
	case len(at.path()) > maxPath:
		return mft.Fail(mft.CodeNameTooLong, "scan", at.path(), fmt.Errorf("the path is longer than %d bytes", maxPath))
	case kind == mft.ItemSymlink && !SafeLink(at.sub(), target):
		return mft.Fail(mft.CodeSymlink, "scan", at.path(), fmt.Errorf("the link leads out of the tree, to %q", target))
	case kind == 0:
		return mft.Fail(mft.CodeNotRegular, "scan", at.path(), errors.New("it is a socket, device or named pipe"))
	}
	return nil
}

// entry makes an entry of what was found at a place, or says why it does not
// travel.
func (s *Source) entry(at place, id confine.Identity, target string) (Entry, error) {
	kind := kindOf(&id)
	if err := travels(at, kind, target); err != nil {
		return Entry{Item: mft.Item{Path: at.path()}, Rel: at.rel()}, err
	}
	return s.extend(Entry{Item: s.item(at, id, kind, target), Identity: id, Rel: at.rel()})
}
