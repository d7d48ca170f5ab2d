package staging

import (
	"encoding/hex"
	"errors"
	"os"
	"path"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
)

// Directories that do not exist at the destination are built aside: inside
// the staging directory, with everything below them under its own name, and
// published by one rename each in the last commit. Nobody sees half of one,
// and the journal needs one entry instead of one for each file.
//
// An attempt that is interrupted leaves what it had built. The next one puts
// it away under a name that ends in spare, builds anew, and takes back each
// file that the sender confirms to be the same by its digest. What the source
// no longer has stays behind and is removed with the staging directory.

// maxAside bounds how many directories are built aside: their entries share
// the last batch.
const maxAside = 1024

// spare is the suffix of what an earlier attempt had built.
const spare = ".old"

// Whole is the digest that the journal has with the key of a directory that
// was built aside: all below it was delivered with it.
var Whole = mft.Digest{0: 'w', 1: 'h', 2: 'o', 3: 'l', 4: 'e'}

// An aside is one directory that is built aside.
type aside struct {
	final string // of the directory
	temp  string // where it is built
	old   string // where an earlier attempt built it; "" if none did
	key   protocol.Key
}

// where returns the place of final, which is the directory or below it.
func (x *aside) where(final string) string { return x.temp + final[len(x.final):] }

// asideOf returns what is built aside that holds final, or nil.
func (a *Area) asideOf(final string) *aside {
	if len(a.asides) == 0 {
		return nil
	}
	if last := a.asides[len(a.asides)-1]; holds(last.final, final) {
		return last // items come directory by directory
	}
	for dir := final; dir != ""; dir = dirOf(dir) {
		if x := a.aside[dir]; x != nil {
			return x
		}
	}
	return nil
}

// holds reports whether final is dir or below it.
func holds(dir, final string) bool {
	return strings.HasPrefix(final, dir) && (len(final) == len(dir) || final[len(dir)] == '/')
}

// place returns where the final name lies for now: at final itself unless it
// is built aside.
func (a *Area) place(final string) string {
	if x := a.asideOf(final); x != nil {
		return x.where(final)
	}
	return final
}

// Aside reports whether final is published with a directory that is built
// aside. Its item then has no temporary name of its own.
func (a *Area) Aside(final string) bool { return a.asideOf(final) != nil }

// mayAside reports whether the missing directory final, inside dir, can be
// built aside: on the file system of the staging directory, and where the
// kernel would give it no other group.
func (a *Area) mayAside(dir string) bool {
	if len(a.asides) >= maxAside || a.name != "" || !a.land.FlushesWhole() {
		return false
	}
	t, err := a.target(dir)
	if err != nil {
		return false
	}
	home, err := a.target(a.dir)
	return err == nil && t.device == a.device && t.gid == home.gid
}

// beginAside begins to build the missing directory final.
func (a *Area) beginAside(final string, it *mft.Item) error {
	key := protocol.KeyOf(it)
	name := hex.EncodeToString(key[:])
	err := a.home.Mkdir(name, 0o700)
	if err != nil {
		return err
	}
	x := &aside{final: final, temp: path.Join(a.home.Rel(), name), key: key}
	if _, err := a.home.Dir(name + spare); err == nil {
		x.old = x.temp + spare
	}
	a.asides = append(a.asides, x)
	a.aside[final] = x
	return nil
}

// Kept opens what an earlier attempt left of a whole file below a directory
// that is built aside, or returns nil. Its content is to be verified before
// Reuse.
func (a *Area) Kept(final string, it *mft.Item) *os.File {
	x := a.asideOf(final)
	if x == nil || x.old == "" || it.Size == 0 {
		return nil
	}
	f, fi, err := a.root.OpenFile(x.old + final[len(x.final):])
	if err != nil {
		return nil
	}
	if fi.Size() != it.Size {
		f.Close()
		return nil
	}
	return f
}

// Reuse takes the file that Kept returned into what is built now and opens it
// for Finish.
func (a *Area) Reuse(final string) (*File, error) {
	x := a.asideOf(final)
	if x == nil || x.old == "" {
		return nil, mft.Fail(mft.CodeInternal, "reuse", final, errors.New("nothing was kept of it"))
	}
	t, err := a.target(x.where(dirOf(final)))
	if err != nil {
		return nil, err
	}
	to := x.where(final)
	if err := a.root.Rename(x.old+final[len(x.final):], to, confine.RenameReplace); err != nil {
		return nil, err
	}
	f, _, err := a.root.OpenFile(to)
	if err != nil {
		return nil, err
	}
	return &File{f, to, t}, nil
}

// Settle moves a finished temporary file to its place, if it belongs below a
// directory that is built aside; else it waits for Commit.
func (a *Area) Settle(f *File, final string) error {
	x := a.asideOf(final)
	if x == nil || f.Temp == x.where(final) {
		return nil
	}
	if err := a.root.Rename(f.Temp, x.where(final), confine.RenameReplace); err != nil {
		return err
	}
	f.Temp = x.where(final)
	return nil
}

// asideEntries are what the last batch publishes besides its items.
func (a *Area) asideEntries() []journal.Entry {
	entries := make([]journal.Entry, 0, len(a.asides))
	for _, x := range a.asides {
		entries = append(entries, journal.Entry{
			Key: x.key, Temp: x.temp, Final: x.final, Digest: Whole, Type: mft.ItemDir, Overwrite: mft.OverwriteNever,
		})
	}
	return entries
}

// WasDelivered reports whether final was delivered with a directory that an
// earlier attempt had built aside and published. Published tells of those.
func (a *Area) WasDelivered(final string) bool {
	for dir := final; dir != "" && len(a.published) > 0; dir = dirOf(dir) {
		if a.published[dir] {
			return true
		}
	}
	return false
}

// Published notes that an earlier attempt published the directory final with
// everything below it.
func (a *Area) Published(final string) { a.published[final] = true }

// putAway gives what an earlier attempt built aside its spare name. What two
// earlier attempts left is put together; if the two do not fit, the newer one
// counts.
func (a *Area) putAway(name string) error {
	err := a.home.Rename(name, a.home, name+spare, confine.RenameNoReplace)
	if mft.CodeOf(err) != mft.CodeExists {
		return err
	}
	from, to := path.Join(a.home.Rel(), name), path.Join(a.home.Rel(), name+spare)
	if a.merge(from, to) == nil {
		return nil
	}
	if err := a.root.RemoveAll(to); err != nil {
		return err
	}
	return a.home.Rename(name, a.home, name+spare, confine.RenameNoReplace)
}

// merge moves what is in directory from, which is newer, into directory to,
// and removes from.
func (a *Area) merge(from, to string) error {
	dir, err := a.root.Dir(from)
	if err != nil {
		return err
	}
	into, err := a.root.Dir(to)
	if err != nil {
		return err
	}
	err = dir.Names(func(name string) error {
		id, err := dir.Identity(name)
		if err != nil {
			return err
		}
		mode := confine.RenameReplace
		if id.IsDir() {
			mode = confine.RenameNoReplace
		}
		err = dir.Rename(name, into, name, mode)
		switch mft.CodeOf(err) {
		case mft.CodeOK:
			return nil
		case mft.CodeExists:
			return a.merge(path.Join(from, name), path.Join(to, name))
		}
		return err
	})
	if err != nil {
		return err
	}
	return a.root.RemoveAll(from)
}

// publishAside gives a directory that was built aside its final name. When
// another one has been made there meanwhile, the attempt has failed, and the
// next one delivers into that.
func publishAside(root *confine.Root, e *journal.Entry) error {
	err := root.Rename(e.Temp, e.Final, confine.RenameNoReplace)
	if err != nil && !stillThere(root, e.Temp) {
		return nil
	}
	if mft.CodeOf(err) == mft.CodeExists {
		err = mft.Fail(mft.CodeRaced, "publish", e.Final, err)
	}
	return err
}
