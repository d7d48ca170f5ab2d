package staging

import (
	"context"
	"encoding/hex"
	"errors"
	"os"
	"path"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
)

// madeDir is a directory whose attributes are due when everything is inside.
type madeDir struct {
	path     string
	mode     uint32
	mtime    int64
	uid, gid int
}

// ItemLevel reports whether an error concerns one item and not the transfer:
// another name could still be delivered.
func ItemLevel(err error) bool {
	switch mft.CodeOf(err) {
	case mft.CodeBadPath, mft.CodePermission, mft.CodeNameTooLong, mft.CodeTooLarge, mft.CodeExists, mft.CodeNotFound,
		mft.CodeNotRegular, mft.CodeWrongType, mft.CodeSymlink:
		return true
	}
	return false
}

// Final returns where an item goes.
func (a *Area) Final(index uint64, it *mft.Item) (string, error) {
	if a.name == "" {
		return path.Join(a.dir, it.Path), nil
	}
	if it.Type != mft.ItemFile {
		return "", transfer.Nonsense("an offer of a single file announced item %d of type %d", index, it.Type)
	}
	return path.Join(a.dir, a.name), nil
}

// MayTake refuses a final name that is taken when the policy is never to
// overwrite.
func (a *Area) MayTake(final string, o mft.Overwrite) error {
	if o != mft.OverwriteNever {
		return nil
	}
	_, err := a.root.Lstat(final)
	switch {
	case err == nil:
		return mft.Fail(mft.CodeExists, "receive", final, nil)
	case notThere(err):
		return nil
	}
	return err
}

// MakeDir makes a directory, or accepts one that is there; made tells which.
// What it makes gets its attributes for good from the last Commit.
func (a *Area) MakeDir(final string, it *mft.Item) (made bool, err error) {
	name := path.Base(final)
	dir, err := a.root.Dir(dirOf(final))
	if err == nil {
		err = dir.Mkdir(name, 0o700)
	}
	if notThere(err) {
		if _, err = a.root.MkdirAll(dirOf(final), 0o755); err != nil {
			return false, err
		}
		if dir, err = a.root.Dir(dirOf(final)); err != nil {
			return false, err
		}
		err = dir.Mkdir(name, 0o700)
	}
	if mft.CodeOf(err) == mft.CodeExists {
		fi, err := dir.Lstat(name)
		if err != nil {
			return false, err
		}
		if !fi.IsDir() {
			return false, mft.Fail(mft.CodeWrongType, "make directory", final, errors.New("something else is there"))
		}
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if len(a.fresh) >= maxTargets {
		clear(a.fresh)
	}
	a.fresh[final] = true
	m := a.remember(final, it)
	// What is inside may be wanted by others before everything is here.
	m.mode |= 0o700
	return true, a.setDir(m, false)
}

// Had notes a directory that an earlier attempt made.
func (a *Area) Had(final string, it *mft.Item) {
	if it.Type == mft.ItemDir {
		a.remember(final, it)
	}
}

func (a *Area) remember(final string, it *mft.Item) madeDir {
	uid, gid := a.owners.of(it)
	m := madeDir{path: final, mode: a.mode(it), mtime: it.MTime, uid: uid, gid: gid}
	a.made = append(a.made, m)
	return m
}

// setDirs gives the directories of this transfer their attributes, children
// first, now that nothing more will be put into them.
func (a *Area) setDirs() error {
	for i := len(a.made) - 1; i >= 0; i-- {
		if err := a.setDir(a.made[i], true); err != nil && !ItemLevel(err) {
			return err
		}
	}
	return nil
}

func (a *Area) setDir(m madeDir, withTime bool) error {
	d, err := a.root.Dir(m.path)
	if err != nil {
		return err
	}
	fi, err := d.Stat()
	if err != nil {
		return err
	}
	now := confine.Stamp(fi)
	attributes := confine.Attributes{Mode: m.mode | now.Mode&0o2000, MTime: now.MTime, UID: m.uid, GID: m.gid}
	if withTime {
		attributes.MTime = m.mtime
	}
	return d.SetAttributes(attributes)
}

func (a *Area) mode(it *mft.Item) uint32 {
	if a.setid {
		return it.Mode & 0o7777
	}
	return it.Mode & 0o777
}

// attributes of a file or link that goes into t.
func (a *Area) attributes(it *mft.Item, t *target) confine.Attributes {
	out := confine.Attributes{Mode: a.mode(it), MTime: it.MTime}
	out.UID, out.GID = a.owners.of(it)
	if out.GID < 0 {
		out.GID = t.gid
	}
	return out
}

// A File is a temporary file, open for writing.
type File struct {
	*os.File
	// Temp is its name, for a journal.Entry or journal.Partial.
	Temp string
	goal *target
}

// File makes the temporary file of an item, empty.
func (a *Area) File(ctx context.Context, final string, key protocol.Key) (*File, error) {
	s, t, err := a.stagingFor(ctx, dirOf(final))
	if err != nil {
		return nil, err
	}
	name := hex.EncodeToString(key[:])
	f, err := s.Create(name)
	if mft.CodeOf(err) == mft.CodeExists { // of an earlier attempt, or the same item twice
		if err = s.Remove(name); err == nil {
			f, err = s.Create(name)
		}
	}
	if err != nil {
		return nil, err
	}
	return &File{f, path.Join(s.Rel(), name), t}, nil
}

// Partial returns what the journal knows of an item that an earlier attempt
// left half done.
func (a *Area) Partial(key protocol.Key) (journal.Partial, bool) {
	part, ok := a.parts[key]
	return part, ok
}

// Resume opens the temporary file of a partial item to go on with it.
func (a *Area) Resume(ctx context.Context, final string, part journal.Partial) (*File, error) {
	_, t, err := a.stagingFor(ctx, dirOf(final))
	if err != nil {
		return nil, err
	}
	f, err := a.reopen(part.Temp)
	if err != nil {
		return nil, err
	}
	return &File{f, part.Temp, t}, nil
}

// reopenItem opens again what release has closed.
func (a *Area) reopenItem(it *Item) (*os.File, error) {
	if it.Adjusted {
		f, _, err := a.root.OpenFile(it.Entry.Final)
		return f, err
	}
	return a.reopen(it.Entry.Temp)
}

func (a *Area) reopen(temp string) (*os.File, error) {
	d, err := a.root.Dir(dirOf(temp))
	if err != nil {
		return nil, err
	}
	return d.OpenExisting(path.Base(temp))
}

// Finish gives a file that has all its content the attributes of its item.
func (a *Area) Finish(f *File, it *mft.Item) error {
	return confine.SetAttributes(f.File, a.attributes(it, f.goal))
}

// SavePartial makes the first n bytes of a file durable, and then the record
// from which an attempt may resume there. An error that is not the journal's
// means that the content must not be trusted any more.
func (a *Area) SavePartial(ctx context.Context, f *File, key protocol.Key, n int64) error {
	if err := confine.Flush(f.File); err != nil {
		return err
	}
	if err := syncDirs(a.root, map[string]bool{dirOf(f.Temp): true}); err != nil {
		return err
	}
	part := journal.Partial{Key: key, Temp: f.Temp, Offset: n}
	return a.journal.Update(ctx, func(tx *journal.Tx) error { return tx.SavePartial(a.id, part) })
}

// Drop throws a temporary file away. If it may have been saved as a partial
// one, the record goes first: it must never name bytes that are gone.
func (a *Area) Drop(ctx context.Context, temp string, key protocol.Key, saved bool) {
	if _, ok := a.parts[key]; ok || saved {
		err := a.journal.Update(ctx, func(tx *journal.Tx) error { return tx.DropPartial(a.id, key) })
		if err != nil {
			return // both stay, and fit each other
		}
		delete(a.parts, key)
	}
	a.remove(temp)
}

// remove removes a temporary file. What stays is cleared with its directory.
func (a *Area) remove(temp string) {
	if d, err := a.root.Dir(dirOf(temp)); err == nil {
		_ = d.Remove(path.Base(temp))
	}
}

// Link makes a symlink under a temporary name and returns that.
func (a *Area) Link(ctx context.Context, final string, key protocol.Key, it *mft.Item) (string, error) {
	s, t, err := a.stagingFor(ctx, dirOf(final))
	if err != nil {
		return "", err
	}
	name := hex.EncodeToString(key[:])
	err = s.Symlink(it.Target, name)
	if mft.CodeOf(err) == mft.CodeExists {
		if err = s.Remove(name); err == nil {
			err = s.Symlink(it.Target, name)
		}
	}
	if err != nil {
		return "", err
	}
	if err := s.SetLinkAttributes(name, a.attributes(it, t)); err != nil {
		return "", err
	}
	return path.Join(s.Rel(), name), nil
}
