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
	"mft.dev/mft/transfer/staging/aside"
	"mft.dev/mft/transfer/staging/publish"
)

// Directories that do not exist at the destination are built aside; see
// package aside.
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

// Aside reports whether final is published with a directory that is built
// aside. Its item then has no temporary name of its own.
func (a *Area) Aside(final string) bool { return a.asides.Holder(final) != nil }

// place returns where the final name lies for now: at final itself unless it
// is built aside.
func (a *Area) place(final string) string {
	if d := a.asides.Holder(final); d != nil {
		return d.Place(final)
	}
	return final
}

// inside returns the directory of what is built aside that final goes into, and
// its name there. Items come directory by directory.
func (a *Area) inside(d *aside.Dir, final string) (*target, string, error) {
	slash := strings.LastIndexByte(final, '/')
	if a.recent.target != nil && slash >= len(d.Final) && final[:slash] == a.recent.final {
		return a.recent.target, final[slash+1:], nil
	}
	place := d.Place(final)
	t, err := a.target(publish.DirOf(place))
	if err == nil && slash >= len(d.Final) {
		a.recent = recent{final[:slash], t}
	}
	return t, path.Base(place), err
}

// mayAside reports whether the missing directory final, inside dir, can be
// built aside: on the file system of the staging directory, and where the
// kernel would give it no other group.
func (a *Area) mayAside(dir string) bool {
	if a.listed || len(a.asides.All()) >= maxAside || a.name != "" || !a.land.FlushesWhole() {
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
	d := aside.Dir{Key: key, Final: final, Temp: path.Join(a.home.Rel(), name)}
	if _, err := a.home.Dir(name + spare); err == nil {
		d.Old = d.Temp + spare
	}
	a.asides.Add(d)
	return nil
}

// Kept opens what an earlier attempt left of a whole file below a directory
// that is built aside, or returns nil. Its content is to be verified before
// Reuse.
func (a *Area) Kept(final string, it *mft.Item) *os.File {
	d := a.asides.Holder(final)
	if d == nil || d.Old == "" || it.Size == 0 {
		return nil
	}
	f, fi, err := a.root.OpenFile(d.Earlier(final))
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
	d := a.asides.Holder(final)
	if d == nil || d.Old == "" {
		return nil, mft.Fail(mft.CodeInternal, "reuse", final, errors.New("nothing was kept of it"))
	}
	to := d.Place(final)
	t, err := a.target(publish.DirOf(to))
	if err != nil {
		return nil, err
	}
	if err := a.root.Rename(d.Earlier(final), to, confine.RenameReplace); err != nil {
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
	d := a.asides.Holder(final)
	if d == nil || f.Temp == d.Place(final) {
		return nil
	}
	if err := a.root.Rename(f.Temp, d.Place(final), confine.RenameReplace); err != nil {
		return err
	}
	f.Temp = d.Place(final)
	return nil
}

// asideEntries are what the last batch publishes besides its items.
func (a *Area) asideEntries() []journal.Entry {
	entries := make([]journal.Entry, 0, len(a.asides.All()))
	for _, d := range a.asides.All() {
		entries = append(entries, journal.Entry{
			Key: d.Key, Temp: d.Temp, Final: d.Final, Digest: aside.Mark(), Type: mft.ItemDir, Overwrite: mft.OverwriteNever,
		})
	}
	return entries
}

// WasDelivered reports whether an item was delivered by an earlier attempt,
// with the directory above it: one that was built aside, and whose own key the
// journal has with the digest aside.Mark.
func (a *Area) WasDelivered(final string, it *mft.Item, known mft.Digest) bool {
	if _, moved := publish.Moved(known); it.Type == mft.ItemDir && (moved || known == aside.Mark()) {
		a.asides.SetPublished(final)
	}
	return a.asides.Delivered(final)
}

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
