package staging

import (
	"errors"
	"os"
	"path"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/transfer/scan"
)

// Root is the directory that nothing lands outside of, and Dir where below it
// the items go.
func (a *Area) Root() *confine.Root { return a.root }

// Dir is described at Root.
func (a *Area) Dir() string { return a.dir }

// Basis says what there is to compare items with, and what counts. Salt and
// Dirs are the caller's.
func (a *Area) Basis() mft.Basis {
	return mft.Basis{Present: a.present, Owners: a.owners.Privileged(), SetID: a.setid}
}

// errEnough stops a listing that has told what it was asked.
var errEnough = errors.New("enough")

// hasContent reports whether there is anything where the items go.
func (a *Area) hasContent() (bool, error) {
	d, err := a.root.Dir(a.dir)
	if err != nil {
		return false, err
	}
	err = d.Names(func(name string) error {
		if scan.IsStaging(name) {
			return nil
		}
		return errEnough
	})
	if errors.Is(err, errEnough) {
		return true, nil
	}
	return false, err
}

// A Resident is what stands at the final name of an item.
type Resident struct {
	// Item describes it as if it were announced. Its owner is that of the
	// item, if the item's owner has it on this host.
	Item mft.Item
	id   confine.Identity
}

// There returns what stands at the final name of an item, nil when that is
// nothing, or nothing that an item can be.
func (a *Area) There(final string, it *mft.Item) (*Resident, error) {
	if !a.present || a.Aside(final) || a.fresh[dirOf(final)] {
		return nil, nil
	}
	dir, err := a.root.Dir(dirOf(final))
	if err != nil {
		return nil, ignoreMissing(err)
	}
	name := path.Base(final)
	id, err := dir.Identity(name)
	if err != nil {
		return nil, ignoreMissing(err)
	}
	r := &Resident{id: id, Item: mft.Item{
		Path: it.Path, Mode: id.Perm(), MTime: id.MTime, UID: it.UID, GID: it.GID, Owner: it.Owner, Group: it.Group,
	}}
	uid, gid := a.owners.Of(it)
	if uid >= 0 && uint32(uid) != id.UID {
		r.Item.Owner, r.Item.UID = "", ^it.UID
	}
	if gid >= 0 && uint32(gid) != id.GID {
		r.Item.Group, r.Item.GID = "", ^it.GID
	}
	switch {
	case id.IsRegular():
		r.Item.Type, r.Item.Size = mft.ItemFile, id.Size
	case id.IsDir():
		r.Item.Type = mft.ItemDir
	case id.IsSymlink():
		r.Item.Type = mft.ItemSymlink
		if r.Item.Target, err = dir.Readlink(name); err != nil {
			return nil, ignoreMissing(err)
		}
	default:
		return nil, nil
	}
	return r, nil
}

func ignoreMissing(err error) error {
	if notThere(err) {
		return nil
	}
	return err
}

// MayAdjust reports whether a file can be given other attributes where it is:
// it has no other name, whose attributes would change too, and belongs to the
// user of this process.
func (a *Area) MayAdjust(r *Resident) bool {
	return r.id.IsRegular() && r.id.Nlink == 1 && (a.owners.Privileged() || int64(r.id.UID) == int64(os.Geteuid()))
}

// Open opens the file that r is for reading. It fails with CodeChanged when it
// is another one, or another version of it, by now.
func (a *Area) Open(final string, r *Resident) (*os.File, error) {
	f, fi, err := a.root.OpenFile(final)
	if err != nil {
		return nil, err
	}
	if confine.Stamp(fi) != r.id {
		f.Close()
		return nil, mft.Fail(mft.CodeChanged, "open", final, nil)
	}
	return f, nil
}

// Adjust gives the file that r is, which has the content of an item, the
// attributes of the item. The batch that the result is added to makes that
// durable. It fails as Open does.
//
// Mode and owner come before the time of modification: if a crash comes in
// between, the file is still not taken for the item.
func (a *Area) Adjust(index uint64, final string, it *mft.Item, r *Resident) (Item, error) {
	f, err := a.Open(final, r)
	if err != nil {
		return Item{}, err
	}
	if err := confine.SetAttributes(f, a.attributes(it, &target{gid: -1})); err != nil {
		f.Close()
		return Item{}, err
	}
	e := journal.Entry{Final: final, Type: it.Type}
	return Item{Index: index, File: f, Adjusted: true, home: r.id.Dev == a.device, Entry: e}, nil
}

// SetDirectory gives a directory that was there before the attributes of its
// item, when everything is inside.
func (a *Area) SetDirectory(final string, it *mft.Item) { a.remember(final, it) }
