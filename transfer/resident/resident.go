// Package resident knows what the destination of a transfer has already, and
// so what of the source need not be sent.
//
//	place, err := resident.Open(root, dir, terms)
//	answers, err := place.AnswerAll(ctx, payload, hold, told)  // of whole directories
//	found, err := place.Find(ctx, final, &item)                // of one item
//	...
//	err = place.Flush()                          // before the receipt
//
// [Decide] is the rule, and pure. The package sends nothing and makes nothing:
// it reads the destination, and gives a file that has the content of an item
// the attributes of the item, where it is. It never touches a file that has
// another name besides, nor one that belongs to somebody else.
package resident

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/preserve"
	"mft.dev/mft/transfer/scan"
)

// Terms say how to compare.
type Terms struct {
	Compare   mft.Compare
	Overwrite mft.Overwrite
	// Mirror says that directories get the attributes of their items.
	Mirror bool
	// SetID says that setuid, setgid and sticky bits are kept.
	SetID bool
	// Preserve is what is compared besides, and Owners finds who is meant by it.
	Preserve mft.Preserve
	Owners   preserve.Owners
	// Resumed says that an earlier attempt of the transfer delivered
	// something. A listing does not tell that from what is unchanged, so none
	// is answered.
	Resumed bool
	// Attributes returns those that an item would get; an owner of -1 is left
	// as it is.
	Attributes func(*mft.Item) confine.Attributes
	// Building reports whether a final name is inside of what is being built:
	// there is nothing yet.
	Building func(final string) bool
}

// A Place is the destination of one transfer. It is not safe for concurrent
// use.
type Place struct {
	terms  Terms
	root   *confine.Root
	land   *confine.Root // the directory that items go to
	source *scan.Source  // the same, to be listed
	lister *scan.Lister
	basis  mft.Basis
	device uint64
	looks  looks
	due    []string // adjusted and not flushed

	first uint64  // number of asked[0]
	asked []asked // listings, from the first that has no answer on

	printed     []printed      // directories that were told in prints, in order
	prints      int            // how many those are
	printedSize int            // of what was seen of them, in bytes
	text        listing.Prints // the last ones
	rest        *printed       // what of the last that was matched the sender does not have
}

// Open looks whether there is anything below root in dir, which exists.
func Open(root *confine.Root, dir string, t Terms) (*Place, error) {
	p := &Place{terms: t, root: root, looks: newLooks(root, dir)}
	var err error
	if p.source, err = scan.OpenUnder(root, path.Join(".", dir)+"/"); err != nil {
		return nil, err
	}
	in, err := root.Dir(dir)
	if err != nil {
		return nil, err
	}
	fi, err := in.Stat()
	if err != nil {
		return nil, err
	}
	p.device = confine.Stamp(fi).Dev
	if p.basis.Present, err = filled(in); err != nil {
		return nil, err
	}
	p.basis.Listings = p.basis.Present && t.Compare == mft.CompareQuick && !t.Resumed && t.Preserve == 0
	p.basis.Owners = os.Geteuid() == 0
	p.basis.SetID, p.basis.Dirs = t.SetID, t.Mirror
	_, _ = rand.Read(p.basis.Salt[:]) // it never fails
	p.lister = scan.ListerFor(p.basis)
	if p.land, err = root.Sub(dir); err != nil {
		return nil, err
	}
	return p, nil
}

// Close closes what Open opened.
func (p *Place) Close() error { return p.land.Close() }

// Basis is for the decision on the offer.
func (p *Place) Basis() mft.Basis { return p.basis }

// errEnough stops a listing that has told what it was asked.
var errEnough = errors.New("enough")

// filled reports whether there is anything in a directory but staging.
func filled(d *confine.Dir) (bool, error) {
	err := d.Names(func(name string) error {
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

// Answer compares listing n with the directory of that path. What cannot be
// read is not the same; each of its items will say why. What it returns is valid until
// the next call. An error ends the attempt: CodeProtocol when no listing is answered.
func (p *Place) Answer(ctx context.Context, n uint64, l *listing.Listing) (listing.Answers, error) {
	a := listing.Answers{First: n, Count: 1}
	if !p.basis.Listings {
		return a, transfer.Nonsense("a listing came, and there is nothing to compare with")
	}
	seen := p.looks.take()
	here, err := p.source.ListInto(ctx, p.lister, l.Path, seen, false)
	switch {
	case ctx.Err() != nil:
		return a, context.Cause(ctx)
	case mft.CodeOf(err) == mft.CodeNotFound:
		a.Answer = listing.New
	case err != nil:
		a.Answer = listing.List
	case here.Unfit == 0 && here.Items == l.Entries && here.Bytes == l.Bytes && here.Digest == l.Digest:
		a.Answer = listing.Same
	case p.tells(l, &here, seen):
		a.Answer, a.Prints = listing.Differ, p.tellPrints(n, l.Path, &here, seen)
	default:
		a.Answer = listing.List
		p.looks.keep(l.Path, seen)
	}
	return a, nil
}

// A Found is what Find found.
type Found struct {
	Finding Finding
	// Digest is that of the content, for Content.
	Digest mft.Digest
	// Item describes what is there as if it were announced. Its owner and its extended
	// attributes are those of the item asked about, if they are that on this host.
	Item mft.Item
	id   confine.Identity
}

// Find looks what stands at the final name of an item. For Adjusted it has
// been given the attributes of the item. By the quick check an item may be Same
// as what was seen when its directory was listed; nothing else is found that
// way.
func (p *Place) Find(ctx context.Context, final string, it *mft.Item) (Found, error) {
	sends := p.terms.Compare == mft.CompareNone && !(p.terms.Mirror && it.Type == mft.ItemDir)
	if sends || !p.basis.Present || p.terms.Building(final) {
		return Found{}, nil
	}
	if p.terms.Compare == mft.CompareQuick && p.terms.Preserve == 0 && !p.isPrinted(above(final)) {
		if f, ok := p.recall(final, it); ok {
			return f, nil
		}
	}
	f, err := p.look(final, it)
	if err != nil || f.Item.Type == 0 {
		return Found{}, err
	}
	f.Finding = Decide(it, &f.Item, p.terms.rule(p.mayAdjust(&f)), p.basis)
	switch f.Finding {
	case Adjusted:
		if p.Adjust(final, it, &f) != nil {
			f.Finding = Nothing // it is sent
		}
	case Content:
		if f.Digest, err = p.digest(ctx, final, &f); err != nil {
			f.Finding = Nothing
		}
	}
	if ctx.Err() != nil {
		return Found{}, context.Cause(ctx)
	}
	return f, nil
}

// Alike reports whether the file at a final name is like an item, by what
// counts.
func (p *Place) Alike(final string, it *mft.Item) bool {
	f, err := p.look(final, it)
	return err == nil && listing.Alike(&f.Item, it, p.basis)
}

// look describes what stands at a final name; its type is 0 for nothing, or
// nothing that an item can be.
func (p *Place) look(final string, it *mft.Item) (Found, error) {
	dir, err := p.root.Dir(above(final))
	if err != nil {
		return Found{}, unlessMissing(err)
	}
	id, err := dir.Identity(path.Base(final))
	if err != nil {
		return Found{}, unlessMissing(err)
	}
	target := ""
	if id.IsSymlink() {
		if target, err = dir.Readlink(path.Base(final)); err != nil {
			return Found{}, unlessMissing(err)
		}
	}
	f := p.describe(it, id, target)
	if p.terms.Preserve&mft.PreserveExtended != 0 && f.Item.Type == it.Type && !p.extendedAlike(final, it) {
		f.Item.Extended += "others"
	}
	return f, nil
}

// extendedAlike reports whether what is there has the extended attributes of an item. What
// cannot be read is not alike.
func (p *Place) extendedAlike(final string, it *mft.Item) bool {
	var f *os.File
	var err error
	switch it.Type {
	case mft.ItemSymlink:
		return true
	case mft.ItemDir:
		var dir *confine.Dir
		if dir, err = p.root.Dir(final); err == nil {
			f, err = dir.Open()
		}
	default:
		f, _, err = p.root.OpenFile(final)
	}
	if err != nil {
		return false
	}
	defer f.Close()
	alike, err := preserve.Is(f, it.Extended, p.terms.Preserve, p.terms.Owners)
	return alike && err == nil
}

// recall finds an item to be the same as what was seen of its directory.
func (p *Place) recall(final string, it *mft.Item) (Found, bool) {
	id, target, ok := p.looks.at(above(final), path.Base(final))
	if !ok {
		return Found{}, false
	}
	f := p.describe(it, id, target)
	f.Finding = Decide(it, &f.Item, p.terms.rule(false), p.basis)
	return f, f.Finding == Same
}

// describe describes what was found as if it were announced as the item is.
func (p *Place) describe(it *mft.Item, id confine.Identity, target string) Found {
	f := Found{id: id, Item: mft.Item{
		Path: it.Path, Mode: id.Perm(), MTime: id.MTime, UID: it.UID, GID: it.GID, Owner: it.Owner, Group: it.Group, Extended: it.Extended,
	}}
	want := p.terms.Attributes(it)
	if want.UID >= 0 && uint32(want.UID) != id.UID {
		f.Item.Owner, f.Item.UID = "", ^it.UID
	}
	if want.GID >= 0 && uint32(want.GID) != id.GID {
		f.Item.Group, f.Item.GID = "", ^it.GID
	}
	switch {
	case id.IsRegular():
		f.Item.Type, f.Item.Size = mft.ItemFile, id.Size
	case id.IsDir():
		f.Item.Type = mft.ItemDir
	case id.IsSymlink():
		f.Item.Type, f.Item.Target = mft.ItemSymlink, target
	}
	return f
}

func unlessMissing(err error) error {
	if mft.CodeOf(err) == mft.CodeNotFound {
		return nil
	}
	return err
}

// above is the directory that holds a final name, "" for the root.
func above(final string) string {
	if d := path.Dir(final); d != "." {
		return d
	}
	return ""
}
