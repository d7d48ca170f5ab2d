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
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/staging/publish"
)

// madeDir is a directory whose attributes are due when everything is inside.
type madeDir struct {
	path     string // where it is now
	final    string
	mode     uint32
	mtime    int64
	uid, gid int
	extended string
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
	if o != mft.OverwriteNever || a.Aside(final) {
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

// MakeDir makes a directory, or accepts one that is there; made tells whether
// there is one at its final name that was not there before. What it makes gets
// its attributes for good from the last Commit.
func (a *Area) MakeDir(final string, it *mft.Item) (made bool, err error) {
	if d := a.asides.Holder(final); d != nil {
		return false, a.makeInside(d.Place(final), final, it)
	}
	name := path.Base(final)
	dir, err := a.root.Dir(publish.DirOf(final))
	if err == nil && a.mayAside(publish.DirOf(final)) {
		if _, err := dir.Identity(name); notThere(err) {
			a.remember(final, it)
			return false, a.beginAside(final, it)
		}
	}
	if err == nil {
		err = dir.Mkdir(name, 0o700)
	}
	if notThere(err) {
		if _, err = a.root.MkdirAll(publish.DirOf(final), 0o755); err != nil {
			return false, err
		}
		if dir, err = a.root.Dir(publish.DirOf(final)); err != nil {
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
	m := a.remember(final, it)
	// What is inside may be wanted by others before everything is here.
	m.mode |= 0o700
	return true, a.setDir(m, false)
}

// makeInside makes the directory final at its place in what is built aside.
func (a *Area) makeInside(place, final string, it *mft.Item) error {
	dir, err := a.root.Dir(publish.DirOf(place))
	if err == nil {
		err = dir.Mkdir(path.Base(place), 0o700)
	}
	if err == nil {
		a.remember(final, it)
	}
	if mft.CodeOf(err) == mft.CodeExists {
		return nil // announced twice
	}
	return err
}

// Had notes a directory that is there already, as one that gets its attributes at the end, which
// set is told.
func (a *Area) Had(final string, it *mft.Item, set func(dir string)) {
	if it.Type == mft.ItemDir {
		a.remember(final, it)
		set(final)
	}
}

func (a *Area) remember(final string, it *mft.Item) madeDir {
	uid, gid := a.owners.Of(it)
	m := madeDir{path: final, final: final, mode: a.owners.Mode(it), mtime: it.MTime, uid: uid, gid: gid, extended: it.Extended}
	a.made = append(a.made, m)
	return m
}

// setDirs gives the directories of this transfer their attributes, children
// first, now that nothing more will be put into them.
func (a *Area) setDirs() error {
	for i := len(a.made) - 1; i >= 0; i-- {
		m := a.made[i]
		if d := a.asides.Holder(m.path); d != nil && d.Final != m.path && m.mode&usable == usable && !a.relinked[m.path] {
			continue // it came with its attributes
		}
		if err := a.setDir(m, true); err != nil && !publish.ItemLevel(err) {
			return err
		}
	}
	return nil
}

// usable is the mode without which the service user could neither publish nor
// remove a directory.
const usable = 0o700

// setAsides is setDirs for what is not published yet. It stays usable.
func (a *Area) setAsides() error {
	for i := len(a.made) - 1; i >= 0; i-- {
		m := a.made[i]
		d := a.asides.Holder(m.path)
		if d == nil {
			continue
		}
		m.path = d.Place(m.path)
		m.mode |= usable
		if err := a.setDir(m, true); err != nil {
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
	attributes := confine.Attributes{Mode: m.mode | now.Mode&0o3000, MTime: now.MTime, UID: m.uid, GID: m.gid}
	if withTime {
		attributes.MTime = m.mtime
		if err := a.extendDir(d, &m); err != nil {
			return err
		}
	}
	return d.SetAttributes(attributes)
}

// attributes of a file or link that goes into t.
func (a *Area) attributes(it *mft.Item, t *target) confine.Attributes {
	out := confine.Attributes{Mode: a.owners.Mode(it), MTime: it.MTime}
	out.UID, out.GID = a.owners.Of(it)
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
	s, t, err := a.stagingFor(ctx, publish.DirOf(final))
	if err != nil {
		return nil, err
	}
	return a.create(s, hex.EncodeToString(key[:]), t)
}

func (a *Area) create(s *confine.Dir, name string, t *target) (*File, error) {
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

func (a *Area) reopen(temp string) (*os.File, error) {
	d, err := a.root.Dir(publish.DirOf(temp))
	if err != nil {
		return nil, err
	}
	return d.OpenExisting(path.Base(temp))
}

// Finish gives a file that has all its content the attributes of its item.
func (a *Area) Finish(f *File, it *mft.Item) error {
	return a.finish(f.File, it, a.attributes(it, f.goal))
}

// SavePartial makes the first n bytes of a file durable, and then the record
// from which an attempt may resume there. An error that is not the journal's
// means that the content must not be trusted any more.
func (a *Area) SavePartial(ctx context.Context, f *File, key protocol.Key, n int64) error {
	if err := confine.Flush(f.File); err != nil {
		return err
	}
	if err := publish.SyncDirs(a.root, map[string]bool{publish.DirOf(f.Temp): true}); err != nil {
		return err
	}
	part := journal.Partial{Key: key, Temp: f.Temp, Offset: n}
	return a.ledger.Apply(ctx, ledger.Change{Partial: &part})
}

// Drop throws a temporary file away. If it may have been saved as a partial
// one, the record goes first: it must never name bytes that are gone.
func (a *Area) Drop(ctx context.Context, temp string, key protocol.Key, saved bool) {
	if _, ok := a.parts[key]; ok || saved {
		err := a.ledger.Apply(ctx, ledger.Change{Dropped: (*[16]byte)(&key)})
		if err != nil {
			return // both stay, and fit each other
		}
		delete(a.parts, key)
	}
	a.remove(temp)
}

// remove removes a temporary file. What stays is cleared with its directory.
func (a *Area) remove(temp string) {
	if d, err := a.root.Dir(publish.DirOf(temp)); err == nil {
		_ = d.Remove(path.Base(temp))
	}
}

// Link makes a symlink under a temporary name and returns that; of one that is
// built aside it is the name for good.
func (a *Area) Link(ctx context.Context, final string, it *mft.Item) (string, error) {
	s, name, t, err := a.slot(ctx, final, it)
	if err != nil {
		return "", err
	}
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

// slot returns where something is made that needs one call or two: under a
// temporary name, or, if it is built aside, at its place.
func (a *Area) slot(ctx context.Context, final string, it *mft.Item) (*confine.Dir, string, *target, error) {
	if d := a.asides.Holder(final); d != nil {
		t, name, err := a.inside(d, final)
		if err != nil {
			return nil, "", nil, err
		}
		return t.dir, name, t, nil
	}
	s, t, err := a.stagingFor(ctx, publish.DirOf(final))
	key := protocol.KeyOf(it)
	return s, hex.EncodeToString(key[:]), t, err
}

// Small makes a whole small file with its attributes. One that is built aside
// is at its place then, and closed.
func (a *Area) Small(ctx context.Context, final string, it *mft.Item, content []byte) (*File, error) {
	s, name, t, err := a.slot(ctx, final, it)
	if err != nil {
		return nil, err
	}
	if a.Aside(final) {
		return nil, a.writeAside(t, name, content, it)
	}
	f, err := a.create(s, name, t)
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(content); err != nil {
		err = mft.Fail(confine.CodeFor(err), "write", final, err)
	} else {
		err = a.Finish(f, it)
	}
	if err != nil {
		f.Close()
		a.Drop(ctx, f.Temp, protocol.KeyOf(it), false)
		return nil, err
	}
	return f, nil
}
