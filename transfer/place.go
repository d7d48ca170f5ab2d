package transfer

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"sync/atomic"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
)

// A place is where a transfer lands: the landing's root, the directory below
// it that receives the items, and one staging directory for each file system
// that is met there. All paths are relative to the landing's root.
//
// The goroutine that lands items owns it until everything has landed; the one
// that commits meanwhile uses only root, land, home and crossed.
type place struct {
	id      mft.TransferID
	journal *journal.Journal
	root    *confine.Root
	land    *confine.Root // the directory dir, held open so that its file system can be flushed
	dir     string        // where items go
	name    string        // final name of the only item, or empty
	setid   bool

	device  uint64                  // of dir
	home    *confine.Dir            // staging directory in dir
	abroad  map[uint64]*confine.Dir // those on other devices
	crossed atomic.Bool             // abroad is not empty
	targets map[string]*target
	owners  owners
	made    []madeDir // directories of this transfer, parents first
}

// A target is a directory that items are renamed into.
type target struct {
	device uint64
	gid    int // group that its entries inherit, or -1
}

// madeDir is a directory whose attributes are due when everything is inside.
type madeDir struct {
	path  string
	mode  uint32
	mtime int64
	uid   int
	gid   int
}

// openPlace opens the landing of an admitted offer and makes the directory
// that the items go to.
func openPlace(in Incoming) (*place, error) {
	root, err := confine.Open(in.Landing.Root)
	if err != nil {
		return nil, err
	}
	p := &place{
		id: in.Offer.Transfer, journal: in.Journal, root: root,
		dir: in.Landing.Dir, name: in.Landing.Name, setid: in.Landing.AllowSetID,
		abroad: make(map[uint64]*confine.Dir), targets: make(map[string]*target),
		owners: newOwners(),
	}
	if err := p.resolve(in.Offer.Single); err != nil {
		root.Close()
		return nil, err
	}
	return p, nil
}

// resolve settles what only the file system knows: whether the name given is
// a directory that the items go into.
func (p *place) resolve(single bool) error {
	if p.name != "" {
		named := path.Join(p.dir, p.name)
		fi, err := p.root.Lstat(named)
		if err != nil && !notThere(err) {
			return err
		}
		if !single || (err == nil && fi.IsDir()) {
			p.dir, p.name = named, ""
		}
	}
	if p.dir != "" {
		if _, err := p.root.MkdirAll(p.dir, 0o755); err != nil {
			return err
		}
	}
	land, err := p.root.Sub(p.dir)
	if err != nil {
		return err
	}
	p.land = land
	t, err := p.target(p.dir)
	if err != nil {
		land.Close()
		return err
	}
	p.device = t.device
	return nil
}

func (p *place) close() {
	p.land.Close()
	p.root.Close()
}

// prepare checks for space, makes the staging directory and clears it of
// everything that is not a partial file to go on with.
func (p *place) prepare(announced mft.Count, keep map[protocol.Key]journal.Partial) error {
	need := announced.Bytes
	kept := make(map[string]bool, len(keep))
	for _, part := range keep {
		kept[path.Base(part.Temp)] = true
		need -= part.Offset
	}
	space, err := p.root.Free(p.dir)
	if err != nil {
		return err
	}
	if space.Bytes >= 0 && need > space.Bytes {
		return mft.Fail(mft.CodeNoSpace, "receive into", path.Join(p.root.Path(), p.dir),
			fmt.Errorf("%d bytes are needed, %d are free", need, space.Bytes))
	}
	dir, err := p.makeStaging(p.dir)
	if err != nil {
		return err
	}
	p.home = dir
	var stale []string
	err = dir.Names(func(name string) error {
		if !kept[name] {
			stale = append(stale, name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range stale {
		if err := dir.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// StagingName is the name of the directory that holds what has not been
// delivered yet of a transfer. It ends in .part and starts with a dot so that
// people and programs know to leave it alone.
func StagingName(id mft.TransferID) string { return ".mft-" + hex.EncodeToString(id[:]) + ".part" }

// makeStaging makes the transfer's staging directory inside dir, and makes it
// durable: a file in it that is gone later has been renamed, not lost.
func (p *place) makeStaging(dir string) (*confine.Dir, error) {
	in, err := p.root.Dir(dir)
	if err != nil {
		return nil, err
	}
	name := StagingName(p.id)
	if err := in.Mkdir(name, 0o700); err != nil && mft.CodeOf(err) != mft.CodeExists {
		return nil, err
	}
	if err := in.Sync(); err != nil {
		return nil, err
	}
	return in.Dir(name)
}

// stagingFor returns the staging directory on the file system of dir.
func (p *place) stagingFor(ctx context.Context, dir string) (*confine.Dir, *target, error) {
	t, err := p.target(dir)
	if notThere(err) {
		if _, err = p.root.MkdirAll(dir, 0o755); err == nil {
			t, err = p.target(dir)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	if t.device == p.device {
		return p.home, t, nil
	}
	if s := p.abroad[t.device]; s != nil {
		return s, t, nil
	}
	// A mount point below the landing: the journal learns of the extra
	// directory first, so that a crash cannot leave it behind.
	err = p.journal.Update(ctx, func(tx *journal.Tx) error {
		return tx.AddStaging(p.id, path.Join(dir, StagingName(p.id)))
	})
	if err != nil {
		return nil, nil, err
	}
	s, err := p.makeStaging(dir)
	if err != nil {
		return nil, nil, err
	}
	p.abroad[t.device] = s
	p.crossed.Store(true)
	return s, t, nil
}

// maxTargets bounds what is remembered of directories.
const maxTargets = 4096

func (p *place) target(dir string) (*target, error) {
	if t := p.targets[dir]; t != nil {
		return t, nil
	}
	d, err := p.root.Dir(dir)
	if err != nil {
		return nil, err
	}
	fi, err := d.Stat()
	if err != nil {
		return nil, err
	}
	id := confine.Stamp(fi)
	t := &target{device: id.Dev, gid: -1}
	if fi.Mode()&os.ModeSetgid != 0 {
		t.gid = int(id.GID)
	}
	if len(p.targets) >= maxTargets {
		clear(p.targets)
	}
	p.targets[dir] = t
	return t, nil
}

// final returns where an item goes.
func (p *place) final(index uint64, it *mft.Item) (string, error) {
	if p.name == "" {
		return path.Join(p.dir, it.Path), nil
	}
	if index > 0 && it.Type != mft.ItemFile {
		return "", protocolError("an offer of a single file announced item %d", index)
	}
	return path.Join(p.dir, p.name), nil
}

// exists refuses a file that is there when the policy is never to overwrite.
func (p *place) exists(final string, o mft.Overwrite) error {
	if o != mft.OverwriteNever {
		return nil
	}
	_, err := p.root.Lstat(final)
	switch {
	case err == nil:
		return mft.Fail(mft.CodeExists, "receive", final, nil)
	case notThere(err):
		return nil
	}
	return err
}

// makeDir makes a directory, or accepts one that is there. made tells which.
func (p *place) makeDir(final string, it *mft.Item) (made bool, err error) {
	parent, name := path.Split(final)
	dir, err := p.root.Dir(strings.TrimSuffix(parent, "/"))
	if err == nil {
		err = dir.Mkdir(name, 0o700)
	}
	if notThere(err) {
		if _, err = p.root.MkdirAll(path.Dir(final), 0o755); err != nil {
			return false, err
		}
		if dir, err = p.root.Dir(path.Dir(final)); err != nil {
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
	m := p.remember(final, it)
	// What is inside may be wanted by others before everything is here.
	m.mode |= 0o700
	return true, p.setDir(m, false)
}

// remember notes a directory whose attributes are due at the end.
func (p *place) remember(final string, it *mft.Item) madeDir {
	uid, gid := p.owners.of(it)
	m := madeDir{path: final, mode: p.mode(it), mtime: it.MTime, uid: uid, gid: gid}
	p.made = append(p.made, m)
	return m
}

// setDirs gives the directories of this transfer their attributes, children
// first, now that nothing more will be put into them.
func (p *place) setDirs() error {
	for i := len(p.made) - 1; i >= 0; i-- {
		if err := p.setDir(p.made[i], true); err != nil && !notThere(err) && !itemLevel(err) {
			return err
		}
	}
	return nil
}

func (p *place) setDir(m madeDir, withTime bool) error {
	d, err := p.root.Dir(m.path)
	if err != nil {
		return err
	}
	fi, err := d.Stat()
	if err != nil {
		return err
	}
	now := confine.Stamp(fi)
	a := confine.Attributes{Mode: m.mode | now.Mode&0o2000, MTime: now.MTime, UID: m.uid, GID: m.gid}
	if withTime {
		a.MTime = m.mtime
	}
	return d.SetAttributes(a)
}

func (p *place) mode(it *mft.Item) uint32 {
	if p.setid {
		return it.Mode & 0o7777
	}
	return it.Mode & 0o777
}

// attributes of a file or link that goes into t.
func (p *place) attributes(it *mft.Item, t *target) confine.Attributes {
	a := confine.Attributes{Mode: p.mode(it), MTime: it.MTime}
	a.UID, a.GID = p.owners.of(it)
	if a.GID < 0 {
		a.GID = t.gid
	}
	return a
}

// stageFile makes the temporary file of an item, empty.
func (p *place) stageFile(ctx context.Context, final string, key protocol.Key) (f *os.File, temp string, t *target, err error) {
	s, t, err := p.stagingFor(ctx, path.Dir(final))
	if err != nil {
		return nil, "", nil, err
	}
	name := hex.EncodeToString(key[:])
	f, err = s.Create(name)
	if mft.CodeOf(err) == mft.CodeExists { // of an earlier attempt, or the same item twice
		if err = s.Remove(name); err == nil {
			f, err = s.Create(name)
		}
	}
	if err != nil {
		return nil, "", nil, err
	}
	return f, path.Join(s.Rel(), name), t, nil
}

// stageLink makes a symlink under a temporary name.
func (p *place) stageLink(ctx context.Context, final string, key protocol.Key, it *mft.Item) (string, error) {
	s, t, err := p.stagingFor(ctx, path.Dir(final))
	if err != nil {
		return "", err
	}
	name := hex.EncodeToString(key[:])
	if err := s.Symlink(it.Target, name); err != nil {
		return "", err
	}
	if err := s.SetLinkAttributes(name, p.attributes(it, t)); err != nil {
		return "", err
	}
	return path.Join(s.Rel(), name), nil
}

// reopen opens a temporary file of an earlier attempt.
func (p *place) reopen(temp string) (*os.File, error) {
	d, err := p.root.Dir(path.Dir(temp))
	if err != nil {
		return nil, err
	}
	return d.OpenExisting(path.Base(temp))
}

// remove throws a temporary file away.
func (p *place) remove(temp string) {
	if d, err := p.root.Dir(path.Dir(temp)); err == nil {
		_ = d.Remove(path.Base(temp)) // what stays is cleared with the staging directory
	}
}

// clear removes the staging directories. Nothing in them is needed any more.
func (p *place) clear() error {
	for _, s := range p.abroad {
		if err := p.root.RemoveAll(s.Rel()); err != nil {
			return err
		}
	}
	return p.root.RemoveAll(p.home.Rel())
}
