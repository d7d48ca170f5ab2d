package staging

import (
	"context"
	"path"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/transfer/staging/publish"
	"mft.dev/mft/transfer/staging/versions"
	"mft.dev/mft/transfer/staging/withdraw"
)

// A Stepper runs a step of the commit, by its name. Tests put one in that
// fails a step before it is done, or after.
type Stepper func(step string, do func() error) error

// Watch has every step of later commits run by s. It is for tests.
func (a *Area) Watch(s Stepper) { a.step = s }

// Step runs a step under its name, for the one that watches.
func (a *Area) Step(step string, do func() error) error {
	if a.step == nil {
		return do()
	}
	return a.step(step, do)
}

// A Refusal is a staged item whose final name could not be taken.
type Refusal struct {
	Item
	Cause error
}

// An Ending is what the last batch of a transfer adds to its commit. It is
// told what was published and what was refused, and returns what has to be
// journaled with it. An error ends the attempt before that.
type Ending func(good []Item, bad []Refusal) (ledger.Change, error)

// Commit brings a batch from the staging directory to its final names, in this
// order and no other:
//
//	flush     content, attributes and temporary names are on stable storage
//	prepare   the journal says PREPARED with every temporary and final name
//	rename    each item takes its final name
//	names     the directories that hold the final names are on stable storage
//	commit    the journal says COMMITTED, and what the ending adds
//	bound     old versions that are too many are removed; what fails there, or
//	          is lost to a crash, is left to the next version of the same file
//
// With an ending, what was built aside is part of the batch, the directories
// get their attributes before names, and the staging is cleared before
// commit. Only when Commit has returned may the
// sender hear of it.
//
// After a crash the journal tells where it was. Without PREPARED nothing was
// visible: what is staged is thrown away. With PREPARED, an item whose
// temporary name is there still has to be renamed; one whose temporary name is
// gone was renamed, even if its final name is gone as well, because a consumer
// may take a file away the moment it appears.
//
// From this follow three rules. When a flush fails, the temporary files are
// thrown away and never flushed again: the kernel may have dropped the pages
// that it could not write. When the journal fails to say PREPARED, nothing is
// thrown away: it may have said so and only failed to tell. And the temporary
// file of an item that is refused outlives PREPARED.
//
// An error leaves the transfer for [Recover] and a further attempt. bad are
// the items that were refused, each for a reason that concerns it alone.
func (a *Area) Commit(ctx context.Context, b *Batch, ending Ending) (good []Item, bad []Refusal, err error) {
	// Nothing of this is left half done because somebody lost patience.
	ctx = context.WithoutCancel(ctx)
	defer b.Close()
	var asides []journal.Entry
	if ending != nil {
		asides = a.asideEntries()
	}
	if err := a.Step("flush", func() error { return a.flushAll(b, len(asides) > 0) }); err != nil {
		for i := range b.items {
			b.items[i].close()
			if temp := b.items[i].temp(); temp != "" {
				a.remove(temp)
			}
		}
		return nil, nil, err
	}
	entries := append(entriesOf(b.items), asides...)
	shelf := publish.Shelf(a.root, entries)
	n, err := a.prepare(ctx, entries)
	if err != nil {
		return nil, nil, err
	}
	if good, bad, err = a.publish(b, shelf); err != nil {
		return nil, nil, err
	}
	for i := range asides {
		if err := a.Step("rename", func() error { return publish.Entry(a.root, nil, &asides[i]) }); err != nil {
			return nil, nil, err
		}
	}
	if ending != nil {
		if err := a.finishTree(); err != nil {
			return nil, nil, err
		}
	}
	if err := a.Step("names", func() error { return a.syncNames(entries) }); err != nil {
		return nil, nil, err
	}
	c := commitment{n: n, entries: append(entriesOf(good), asides...), some: len(bad) > 0}
	switch {
	case ending != nil:
		var more ledger.Change
		if more, err = ending(good, bad); err == nil {
			err = a.end(ctx, c, more)
		}
	case n > 0:
		err = a.commit(ctx, c, ledger.Change{})
	}
	if err != nil {
		return nil, nil, err
	}
	for i := range bad {
		a.remove(bad[i].Entry.Temp)
	}
	_ = a.Step("bound", func() error { return shelf.Clear(a.bound, time.Now()) })
	return good, bad, nil
}

// flushAll makes a batch durable, and with the last one what was built aside,
// which has its attributes by then.
func (a *Area) flushAll(b *Batch, asides bool) error {
	if asides {
		if err := a.setAsides(); err != nil {
			return err
		}
	}
	return a.flush(b, asides)
}

// prepare journals PREPARED and returns the number of the batch, 0 when there
// is nothing to rename or remember.
func (a *Area) prepare(ctx context.Context, entries []journal.Entry) (n int64, err error) {
	if len(entries) == 0 {
		return 0, nil
	}
	err = a.Step("prepare", func() (err error) {
		n, err = a.ledger.Prepare(ctx, entries)
		return err
	})
	return n, err
}

// publish renames every item of a batch to its final name.
func (a *Area) publish(b *Batch, shelf *versions.Shelf) (good []Item, bad []Refusal, err error) {
	good = b.items
	for i := range b.items {
		it := &b.items[i]
		if temp := it.temp(); temp != "" {
			err := a.Step("rename", func() error { return publish.Entry(a.root, shelf, it.Entry) })
			if err != nil && (!publish.ItemLevel(err) || !publish.StillThere(a.root, temp)) {
				return nil, nil, err
			}
			if err != nil {
				if len(bad) == 0 {
					good = b.items[:i:i] // what is good from here on is copied
				}
				bad = append(bad, Refusal{*it, err})
				continue
			}
		}
		if len(bad) > 0 {
			good = append(good, *it)
		}
	}
	return good, bad, nil
}

// A commitment is what the journal has to know of a batch after its renames.
type commitment struct {
	n       int64           // of the batch; 0 for none
	entries []journal.Entry // that have their final names
	some    bool            // others were refused
}

func (a *Area) commit(ctx context.Context, c commitment, change ledger.Change) error {
	change.Settled = publish.Settled(c.n, c.entries, c.some)
	return a.Step("commit", func() error { return a.ledger.Apply(ctx, change) })
}

// end commits the last batch, with what the ending adds, and clears the
// staging: before the commit, so that it costs no transaction of its own,
// unless a refused item's temporary file must outlive PREPARED.
func (a *Area) end(ctx context.Context, c commitment, more ledger.Change) error {
	if !c.some {
		if err := a.Step("clear", a.clear); err != nil {
			return err
		}
		more.Clear = true
		return a.commit(ctx, c, more)
	}
	if err := a.commit(ctx, c, more); err != nil {
		return err
	}
	if err := a.clear(); err != nil {
		return err
	}
	return a.ledger.Apply(ctx, ledger.Change{Clear: true})
}

// entriesOf returns what the journal has to know of items.
func entriesOf(items []Item) []journal.Entry {
	var entries []journal.Entry
	for i := range items {
		if items[i].Entry != nil {
			entries = append(entries, *items[i].Entry)
		}
	}
	return entries
}

// Canary reports whether the transfer is one, which is removed at once.
func (a *Area) Canary() bool { return a.name == mft.CanaryName(a.id) }

// Withdraw removes a canary that was delivered. It is for the ending of the last batch.
func (a *Area) Withdraw(delivered bool) error {
	if !delivered || !a.Canary() {
		return nil
	}
	return a.Step("withdraw", func() error { return withdraw.File(a.root, path.Join(a.dir, a.name)) })
}
