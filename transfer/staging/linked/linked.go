// Package linked makes names of one file of what was delivered under several.
//
// Each name is a whole file before, and one that is shared afterwards; it never is missing. So
// nothing has to be on record: what a crash leaves undone the next attempt does.
package linked

import (
	"path"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/staging/publish"
)

// most is how many bytes of paths a sender may tell of.
const most = 64 << 20

// A Set is what a sender told of. The zero value is empty. It is for one goroutine.
type Set struct {
	files []listing.Linked
	size  int
}

// Hear takes note of a protocol.FrameLinked and returns what it says. The error has
// CodeProtocol or CodeBadPath.
func (s *Set) Hear(payload []byte) (listing.Linked, error) {
	l, err := listing.ParseLinked(payload)
	if err != nil {
		return l, err
	}
	if s.size += len(payload); s.size > most {
		return l, transfer.Nonsense("more than %d bytes of names of linked files", most)
	}
	s.files = append(s.files, l)
	return l, nil
}

// A Place is where the names are.
type Place struct {
	Root *confine.Root
	// Final returns where an item is below Root.
	Final func(itemPath string) string
	// Stages are the directories for what is not finished, by file system.
	Stages map[uint64]*confine.Dir
	// Failed is told of a name that could not be made one of the file.
	Failed func(final string, cause error)
}

// Make makes the names, and returns the directories in which it did. A name is left as it
// is where it is no file like the first, because it was not delivered or somebody took it away. An
// error concerns more than one name.
func (s *Set) Make(p Place) (map[string]bool, error) {
	changed := map[string]bool{}
	for i := range s.files {
		l := &s.files[i]
		first, dir, id := p.first(l)
		if dir == nil {
			continue
		}
		for _, other := range append([]string{l.First}, l.Others...) {
			final := p.Final(other)
			done, err := p.link(dir, path.Base(first), &id, final)
			switch {
			case done:
				changed[publish.DirOf(final)] = true
			case publish.ItemLevel(err) || mft.CodeOf(err) == mft.CodeOther:
				p.Failed(final, mft.Fail(mft.CodeUnpreserved, "make", final, err))
			case err != nil:
				return changed, err
			}
		}
	}
	return changed, nil
}

// first returns the first of the names that is a file.
func (p *Place) first(l *listing.Linked) (final string, dir *confine.Dir, id confine.Identity) {
	for _, name := range append([]string{l.First}, l.Others...) {
		final = p.Final(name)
		dir, err := p.Root.Dir(publish.DirOf(final))
		if err != nil {
			continue
		}
		if id, err := dir.Identity(path.Base(final)); err == nil && id.IsRegular() {
			return final, dir, id
		}
	}
	return "", nil, id
}

// temp is what a name is called before it takes the place of another; nothing else in a
// staging directory is called so.
const temp = "linked"

// link makes final one more name of the file, which has a name in dir.
func (p *Place) link(dir *confine.Dir, name string, id *confine.Identity, final string) (done bool, err error) {
	in, err := p.Root.Dir(publish.DirOf(final))
	if mft.CodeOf(err) == mft.CodeNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	there, err := in.Identity(path.Base(final))
	if mft.CodeOf(err) == mft.CodeNotFound || err == nil && !like(&there, id) {
		return false, nil
	}
	stage := p.Stages[id.Dev]
	if err != nil || stage == nil {
		return false, err
	}
	if err := stage.Remove(temp); err != nil && mft.CodeOf(err) != mft.CodeNotFound {
		return false, err
	}
	if err := dir.Link(name, stage, temp); err != nil {
		return false, err
	}
	if now, err := stage.Identity(temp); err != nil || now.Inode != id.Inode || now.Dev != id.Dev {
		return false, err // somebody has put another file there
	}
	return true, stage.Rename(temp, in, path.Base(final), confine.RenameReplace)
}

// like reports whether what is there is another file that is as the first is.
func like(there, id *confine.Identity) bool {
	return there.IsRegular() && there.Dev == id.Dev && there.Inode != id.Inode && there.Size == id.Size && there.MTime == id.MTime &&
		there.Perm() == id.Perm() && there.UID == id.UID && there.GID == id.GID
}
