package mirror

import (
	"context"
	"path"
	"slices"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/transfer/staging/publish"
)

// What is missing at the destination may be there under a name that is about
// to be removed: then it is renamed. Which names are to be removed is known
// only when the whole source has been listed, so until then the verdict on a
// large file, and the answer to the listing of a directory, that are missing
// are held back.
//
// Nothing waits for ever: the sender says when no listing follows, and never
// waits for a verdict or an answer before it does, unless a window is full. So
// what is held is let go when a window runs short.

// Bounds of what is worth a search, and of what is held back.
const (
	leastMoved   = 1 << 20 // bytes of a file
	mostListings = protocol.ListingWindow / 8
)

// A HeldItem is an item whose verdict is held back.
type HeldItem struct {
	Index uint64
	Final string
	Item  mft.Item
	// Moved is set by Resolve: what is at the final name now is the item.
	Moved bool

	from *journal.Removal
}

// A heldListing is one whose answer is held back.
type heldListing struct {
	number uint64
	listing.Listing
	moved bool
}

// holding is what a Mirror holds back.
type holding struct {
	items    []HeldItem
	listings []*heldListing // in the order of their numbers
	byPath   map[string]*heldListing
	open     map[string]bool // directories that differ and have not been closed by a LISTED
	walked   bool
}

// HoldListing reports whether the answer to listing n is held back; a is what
// it would be. building says that the directory is being made.
func (m *Mirror) HoldListing(n uint64, l *listing.Listing, a listing.Answer, building bool) bool {
	if a == listing.List || a == listing.Differ {
		m.held.open[l.Path] = true
	}
	above := m.held.byPath[path.Dir(l.Path)]
	if m.leave != nil { // what has to stay in a directory would move with it
		return false
	}
	if a != listing.New || building || m.held.walked || above == nil && l.Entries == 0 {
		return false
	}
	h := &heldListing{number: n, Listing: *l}
	m.held.listings = append(m.held.listings, h)
	m.held.byPath[l.Path] = h
	return true
}

// HoldItem reports whether the verdict on an item, which is missing, is held
// back.
func (m *Mirror) HoldItem(index uint64, final string, it *mft.Item) bool {
	switch {
	case m.resolved:
		return false
	case it.Type == mft.ItemDir && m.held.byPath[it.Path] != nil:
	case it.Type == mft.ItemFile && it.Size >= leastMoved:
	default:
		return false
	}
	m.held.items = append(m.held.items, HeldItem{Index: index, Final: final, Item: *it})
	return true
}

// Walked notes that no listing follows.
func (m *Mirror) Walked() { m.held.walked = true }

// Due reports whether what is held back should be resolved: everything is
// known, or it has become too much. room is what is left of the window of
// items.
func (m *Mirror) Due(room uint64) bool {
	if len(m.held.items)+len(m.held.listings) == 0 {
		return false
	}
	return m.held.walked && len(m.held.open) == 0 || room < protocol.Window/4 || len(m.held.listings) >= mostListings
}

// Looks are how Resolve looks at the destination. Paths are relative to where
// the items go.
type Looks struct {
	// List lists a directory as the sender listed its own.
	List func(ctx context.Context, dir string) (listing.Listing, error)
	// Alike reports whether the file at a final name is like an item.
	Alike func(final string, it *mft.Item) bool
}

// Resolve renames what can be, durably and on record like a delivery, and lets
// go what was held back: the items, and the answers to the listings.
func (m *Mirror) Resolve(ctx context.Context, t Terms, look Looks) ([]HeldItem, []listing.Answers, error) {
	held := m.held
	m.held = newHolding()
	m.held.open, m.held.walked = held.open, held.walked
	m.resolved = held.walked && len(held.open) == 0
	for i := range held.items {
		it := &held.items[i]
		if it.Item.Type == mft.ItemFile {
			it.from = m.file(it, look)
		} else {
			it.from = m.directory(ctx, &held, it, look)
		}
		if it.from != nil {
			m.take(it.from)
		}
	}
	if err := m.move(ctx, t, held.items); err != nil {
		return nil, nil, err
	}
	for i := range held.items {
		if it := &held.items[i]; it.Moved && it.Item.Type == mft.ItemDir {
			for _, h := range held.below(it.Item.Path) {
				h.moved = true
			}
		}
	}
	var answers []listing.Answers
	for _, h := range held.listings {
		a := listing.Answers{First: h.number, Count: 1, Answer: listing.New}
		if h.moved {
			a.Answer = listing.Same
		}
		answers = append(answers, a)
	}
	return held.items, answers, nil
}

// below returns the listings of a directory and of all below it.
func (h *holding) below(dir string) []*heldListing {
	var out []*heldListing
	for _, l := range h.listings {
		if l.Path == dir || strings.HasPrefix(l.Path, dir+"/") {
			out = append(out, l)
		}
	}
	return out
}

// file returns what is to be removed and is the file of an item.
func (m *Mirror) file(it *HeldItem, look Looks) *journal.Removal {
	return choose(m.extras, path.Base(it.Final), func(r *journal.Removal) bool {
		return !r.Dir && r.Size == it.Item.Size && r.MTime == it.Item.MTime && look.Alike(r.Path, &it.Item)
	})
}

// directory returns what is to be removed and has, with everything below it,
// the listings of the directory of an item.
func (m *Mirror) directory(ctx context.Context, held *holding, it *HeldItem, look Looks) *journal.Removal {
	want := held.below(it.Item.Path)
	return choose(m.extras, path.Base(it.Final), func(r *journal.Removal) bool {
		if !r.Dir {
			return false
		}
		from := strings.TrimPrefix(strings.TrimPrefix(r.Path, m.dir), "/")
		for _, l := range want {
			got, err := look.List(ctx, from+strings.TrimPrefix(l.Path, it.Item.Path))
			if err != nil || got.Entries != l.Entries || got.Bytes != l.Bytes || got.Digest != l.Digest {
				return false
			}
		}
		_, _, err := m.count(ctx, r.Path)
		return err == nil
	})
}

// choose returns the one that fits: of several the one that is called name,
// and none if there is none of that name.
func choose(extras []journal.Removal, name string, fits func(*journal.Removal) bool) *journal.Removal {
	var found []*journal.Removal
	for i := range extras {
		r := &extras[i]
		if fits(r) {
			if path.Base(r.Path) == name {
				return r
			}
			found = append(found, r)
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return nil
}

// take takes something from what is to be removed; from then on r is the
// caller's.
func (m *Mirror) take(r *journal.Removal) {
	taken := *r
	m.extras = slices.DeleteFunc(slices.Clone(m.extras), func(x journal.Removal) bool { return x.Path == taken.Path })
}

// move renames the items that have something to be renamed. What cannot be
// stays where it is, to be removed.
func (m *Mirror) move(ctx context.Context, t Terms, items []HeldItem) error {
	var entries, good []journal.Entry
	dirs := make(map[string]bool)
	for i := range items {
		it := &items[i]
		if it.from == nil {
			continue
		}
		entries = append(entries, journal.Entry{
			Key: protocol.KeyOf(&it.Item), Temp: it.from.Path, Final: it.Final, Digest: publish.MoveMark(it.from.Inode),
			Type: it.Item.Type, Overwrite: mft.OverwriteNever,
		})
		for _, dir := range []string{above(it.from.Path), above(it.Final)} {
			m.Touch(dir)
			dirs[dir] = true
		}
	}
	if len(entries) == 0 {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	n, err := t.Ledger.Prepare(ctx, entries)
	if err != nil {
		return err
	}
	next := 0
	for i := range items {
		it := &items[i]
		if it.from == nil {
			continue
		}
		e := &entries[next]
		next++
		err := t.Step("move", func() error { return publish.Entry(m.root, nil, e) })
		switch it.Moved = err == nil && m.is(it); {
		case it.Moved:
			good = append(good, *e)
		case publish.StillThere(m.root, e.Temp):
			m.extras = append(m.extras, *it.from)
		case err != nil:
			return err
		}
	}
	if err := publish.SyncDirs(m.root, dirs); err != nil {
		return err
	}
	return t.Ledger.Apply(ctx, ledger.Change{Settled: publish.Settled(n, good, len(good) < len(entries))})
}

// is reports whether what has the final name of an item is what was renamed.
func (m *Mirror) is(it *HeldItem) bool {
	fi, err := m.root.Lstat(it.Final)
	return err == nil && confine.Stamp(fi).Inode == it.from.Inode
}

func newHolding() holding {
	return holding{byPath: make(map[string]*heldListing), open: make(map[string]bool)}
}
