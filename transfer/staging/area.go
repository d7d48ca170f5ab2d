package staging

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"sync/atomic"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/staging/aside"
	"mft.dev/mft/transfer/staging/linked"
	"mft.dev/mft/transfer/staging/owner"
	"mft.dev/mft/transfer/staging/publish"
	"mft.dev/mft/transfer/staging/recovery"
)

// Options say what an Area is for.
type Options struct {
	Transfer mft.TransferID
	Ledger   transfer.Ledger
	Landing  journal.Landing
	// Single is set when the transfer is one file, which Landing.Name names
	// unless there is a directory of that name.
	Single bool
	// Preserve is that of the offer.
	Preserve mft.Preserve
	// Announced is what will come, as far as the sender knows.
	Announced mft.Count
}

// An Area is where a transfer lands: the landing's root, the directory below
// it that receives the items, and one staging directory for each file system
// that is met there.
//
// The goroutine that stages items owns it; while it does, another may call
// Commit for batches that were handed over. The last Commit, with an Ending,
// comes after everything has been staged.
type Area struct {
	id     mft.TransferID
	ledger transfer.Ledger
	root   *confine.Root
	land   *confine.Root // the directory dir, held open so that its file system can be flushed
	dir    string        // where items go
	name   string        // final name of the only item, or empty
	listed bool          // the journal wants each name: nothing is built aside
	bound  mft.VersionBound
	step   Stepper

	device  uint64                  // of dir
	home    *confine.Dir            // staging directory in dir
	abroad  map[uint64]*confine.Dir // those on other devices
	crossed atomic.Bool             // abroad is not empty
	targets map[string]*target
	recent  recent
	owners  *owner.Map
	keeps   mft.Preserve
	bare    []Refusal // what is there without what is preserved
	linked  linked.Set
	// relinked are directories in which names were made those of one file.
	relinked map[string]bool
	made     []madeDir // directories of this transfer, parents first
	asides   *aside.Set
	parts    map[protocol.Key]journal.Partial
}

// A target is a directory that items are renamed into.
type target struct {
	dir    *confine.Dir
	device uint64
	gid    int // group that its entries inherit, or -1
}

// recent is the directory of what is built aside into which the last item went.
type recent struct {
	final  string // the name that it will have
	target *target
}

// Open finishes what an earlier attempt had PREPARED, makes the directory that
// items go to and the staging directory, and clears that of everything that
// cannot be resumed. It fails with CodeNoSpace when what was announced does
// not fit, and with the codes of confine.Open.
func Open(ctx context.Context, o Options) (*Area, error) {
	state, err := recovery.Settle(ctx, o.Ledger, o.Transfer)
	if err != nil {
		return nil, err
	}
	root, err := confine.Open(o.Landing.Root)
	if err != nil {
		return nil, err
	}
	a := &Area{
		id: o.Transfer, ledger: o.Ledger, root: root, listed: state.Listed,
		dir: o.Landing.Dir, name: o.Landing.Name, bound: o.Landing.Versions,
		abroad: make(map[uint64]*confine.Dir), targets: make(map[string]*target),
		asides: aside.New(), owners: owner.New(o.Landing), keeps: o.Preserve, parts: make(map[protocol.Key]journal.Partial, len(state.Partials)),
	}
	need := o.Announced.Bytes
	for _, part := range state.Partials {
		a.parts[part.Key] = part
		need -= part.Offset
	}
	if err := a.settle(o.Single, need); err != nil {
		_ = a.Close()
		return nil, err
	}
	return a, nil
}

// settle does what Open does to the file system.
func (a *Area) settle(single bool, need int64) error {
	if err := a.resolve(single); err != nil {
		return err
	}
	space, err := a.root.Free(a.dir)
	if err != nil {
		return err
	}
	if space.Bytes >= 0 && need > space.Bytes {
		return mft.Fail(mft.CodeNoSpace, "receive into", path.Join(a.root.Path(), a.dir),
			fmt.Errorf("%d bytes are needed, %d are free", need, space.Bytes))
	}
	home, err := a.makeStaging(a.dir)
	if err != nil {
		return err
	}
	a.home = home.Private()
	return a.clearStale()
}

// resolve settles what only the file system knows: whether the name given is
// a directory that the items go into.
func (a *Area) resolve(single bool) error {
	if a.name != "" {
		named := path.Join(a.dir, a.name)
		fi, err := a.root.Lstat(named)
		if err != nil && !notThere(err) {
			return err
		}
		if err == nil && fi.IsDir() && a.Canary() {
			return mft.Fail(mft.CodeExists, "receive", named, nil)
		}
		if !single || (err == nil && fi.IsDir()) {
			a.dir, a.name = named, ""
		}
	}
	if a.dir != "" {
		if _, err := a.root.MkdirAll(a.dir, 0o755); err != nil {
			return err
		}
	}
	var err error
	if a.land, err = a.root.Sub(a.dir); err != nil {
		return err
	}
	t, err := a.target(a.dir)
	if err != nil {
		return err
	}
	a.device = t.device
	return nil
}

// Root is the directory that nothing lands outside of.
func (a *Area) Root() *confine.Root { return a.root }

// Dir is where below Root the items go.
func (a *Area) Dir() string { return a.dir }

// Attributes returns those that an item gets here; an owner of -1 is left as
// it is.
func (a *Area) Attributes(it *mft.Item) confine.Attributes {
	return a.attributes(it, &target{gid: -1})
}

// Close closes what Open opened. What is staged stays.
func (a *Area) Close() error {
	var err error
	if a.land != nil {
		err = a.land.Close()
	}
	return errors.Join(err, a.root.Close())
}

// clearStale removes from the staging directory what cannot be resumed, and
// puts away what was built aside.
func (a *Area) clearStale() error {
	kept := make(map[string]bool, len(a.parts))
	for _, part := range a.parts {
		kept[path.Base(part.Temp)] = true
	}
	var stale, built []string
	err := a.home.Names(func(name string) error {
		id, err := a.home.Identity(name)
		switch {
		case err != nil:
			return err
		case id.IsDir() && !strings.HasSuffix(name, spare):
			built = append(built, name)
		case !id.IsDir() && !kept[name]:
			stale = append(stale, name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range stale {
		if err := a.home.Remove(name); err != nil {
			return err
		}
	}
	for _, name := range built {
		if err := a.putAway(name); err != nil {
			return err
		}
	}
	return nil
}

// makeStaging makes the transfer's staging directory inside dir, and makes it
// durable: a file in it that is gone later has been renamed, not lost.
func (a *Area) makeStaging(dir string) (*confine.Dir, error) {
	in, err := a.root.Dir(dir)
	if err != nil {
		return nil, err
	}
	name := publish.Staging(a.id)
	if err := in.Mkdir(name, 0o700); err != nil && mft.CodeOf(err) != mft.CodeExists {
		return nil, err
	}
	if err := in.Sync(); err != nil {
		return nil, err
	}
	return in.Dir(name)
}

// stagingFor returns the staging directory on the file system of dir, which
// is made if it is missing.
func (a *Area) stagingFor(ctx context.Context, dir string) (*confine.Dir, *target, error) {
	dir = a.place(dir)
	t, err := a.target(dir)
	if notThere(err) {
		if _, err = a.root.MkdirAll(dir, 0o755); err == nil {
			t, err = a.target(dir)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	if t.device == a.device {
		return a.home, t, nil
	}
	if s := a.abroad[t.device]; s != nil {
		return s, t, nil
	}
	// A mount point below the landing: the journal learns of the extra
	// directory first, so that a crash cannot leave it behind.
	err = a.ledger.Apply(ctx, ledger.Change{Staging: path.Join(dir, publish.Staging(a.id))})
	if err != nil {
		return nil, nil, err
	}
	s, err := a.makeStaging(dir)
	if err != nil {
		return nil, nil, err
	}
	a.abroad[t.device] = s
	a.crossed.Store(true)
	return s, t, nil
}

// maxTargets bounds what is remembered of directories.
const maxTargets = 4096

func (a *Area) target(dir string) (*target, error) {
	if t := a.targets[dir]; t != nil {
		return t, nil
	}
	d, err := a.root.Dir(dir)
	if err != nil {
		return nil, err
	}
	if a.home != nil && strings.HasPrefix(dir, a.home.Rel()+"/") {
		d = d.Private()
	}
	fi, err := d.Stat()
	if err != nil {
		return nil, err
	}
	id := confine.Stamp(fi)
	t := &target{dir: d, device: id.Dev, gid: -1}
	if fi.Mode()&os.ModeSetgid != 0 {
		t.gid = int(id.GID)
	}
	if len(a.targets) >= maxTargets {
		clear(a.targets)
	}
	a.targets[dir] = t
	return t, nil
}

// clear removes the staging directories. Nothing in them is needed any more.
func (a *Area) clear() error {
	for _, s := range a.abroad {
		if err := a.root.RemoveAll(s.Rel()); err != nil {
			return err
		}
	}
	return a.root.RemoveAll(a.home.Rel())
}

func notThere(err error) bool {
	return err != nil && mft.CodeOf(err) == mft.CodeNotFound
}
