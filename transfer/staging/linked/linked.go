// Package linked makes names of one file of what was delivered under several.
//
// Each name is a whole file before, and one that is shared afterwards; it never is missing. So
// nothing has to be on record: what a crash leaves undone the next attempt does.
//
// The file that is shared is always one that the transfer itself made, which is told by when it
// was made: after the staging directory. A sender that says of somebody else's file, of which it knows
// size and time, that it is one with another, must not get a second name for what is written
// there. So where all the names were there before, they stay as they are.
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
	// Keeps says that what was there before stays as it is, and is not made one with others.
	Keeps bool
}

// Hear takes note of a protocol.FrameLinked and returns what it says. The error has
// CodeProtocol or CodeBadPath.
func (s *Set) Hear(payload []byte) (listing.Linked, error) {
	l, err := listing.ParseLinked(payload)
	if err != nil {
		return listing.Linked{}, err
	}
	if s.size += len(payload); s.size > most {
		return listing.Linked{}, transfer.Nonsense("more than %d bytes of names of linked files", most)
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
// is where it is no file like the one that is shared, because it was not delivered or somebody took it
// away. An error concerns more than one name.
func (s *Set) Make(p Place) (map[string]bool, error) {
	changed := map[string]bool{}
	for i := range s.files {
		l := &s.files[i]
		first, dir, id := p.first(l)
		if dir == nil {
			continue
		}
		for _, other := range l.Names() {
			final := p.Final(other)
			done, err := p.link(dir, path.Base(first), &id, final, s.Keeps)
			switch {
			case publish.ItemLevel(err) || mft.CodeOf(err) == mft.CodeOther:
				p.Failed(final, mft.Fail(mft.CodeUnpreserved, "make", final, err))
			case err != nil:
				return changed, err
			case done:
				changed[publish.DirOf(final)] = true
			}
		}
	}
	return changed, nil
}

// first returns the first of the names that is a file which the transfer made.
func (p *Place) first(l *listing.Linked) (final string, dir *confine.Dir, id confine.Identity) {
	for _, name := range l.Names() {
		final = p.Final(name)
		dir, err := p.Root.Dir(publish.DirOf(final))
		if err != nil {
			continue
		}
		if id, err := dir.Identity(path.Base(final)); err == nil && id.IsRegular() && p.made(dir, path.Base(final), id.Dev) {
			return final, dir, id
		}
	}
	return "", nil, id
}

// made reports whether the transfer made what has a name. Where a system does not tell when
// files were made, it made nothing.
func (p *Place) made(dir *confine.Dir, name string, device uint64) bool {
	stage := p.Stages[device]
	if stage == nil {
		return false
	}
	begun, err := stage.Born("")
	if err != nil || begun == 0 {
		return false
	}
	at, err := dir.Born(name)
	return err == nil && at >= begun
}

// temp is what a name is called before it takes the place of another; nothing else in a
// staging directory is called so.
const temp = "linked"

// link makes final one more name of the file, which has a name in dir, unless what is there has
// to stay.
func (p *Place) link(dir *confine.Dir, name string, id *confine.Identity, final string, keeps bool) (done bool, err error) {
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
	if err != nil || keeps && !p.made(in, path.Base(final), id.Dev) {
		return false, err
	}
	stage := p.Stages[id.Dev]
	if err := stage.Remove(temp); err != nil && mft.CodeOf(err) != mft.CodeNotFound {
		return false, err
	}
	if err := dir.Link(name, stage, temp); err != nil {
		return false, err
	}
	if now, err := stage.Identity(temp); err != nil || now.Inode != id.Inode || now.Dev != id.Dev {
		return false, err // somebody has put another file there
	}
	if err := stage.Rename(temp, in, path.Base(final), confine.RenameReplace); err != nil {
		return false, err
	}
	return true, nil
}

// like reports whether what is there is another file that is as the first is.
func like(there, id *confine.Identity) bool {
	return there.IsRegular() && there.Dev == id.Dev && there.Inode != id.Inode && there.Size == id.Size && there.MTime == id.MTime &&
		there.Perm() == id.Perm() && there.UID == id.UID && there.GID == id.GID
}
