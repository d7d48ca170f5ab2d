// Package ledger is what one receive reads from the journal and writes into it, as
// values: so that the process which moves the files may be another than the one which
// has the journal.
//
//	own := ledger.Of(j, id)
//	state, err := own.Read(ctx)
//	batch, err := own.Prepare(ctx, entries)
//	err = own.Apply(ctx, ledger.Change{Settled: &ledger.Settled{Batch: batch}})
//
// [Own] is the ledger of one transfer in a journal of this process, and can touch
// no other transfer's. A [Change] is all that can happen besides: the list is closed. What a
// receive needs of it is for package transfer to declare.
package ledger

import (
	"context"
	"fmt"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// A State is what earlier attempts of a receive left in the journal, but for the keys
// of what was committed.
type State struct {
	// Landing is where the items go, if Landed says that it is known.
	Landing journal.Landing
	Landed  bool
	// Staging is what journal.Journal.Staging returns; so are the others.
	Staging  []string
	Prepared []journal.Batch
	Partials []journal.Partial
	Removals []journal.Removal
	Removed  int64
	// Listed says that what is delivered has to be on record by name.
	Listed bool
}

// A Change is what becomes durable together. Its zero value changes nothing.
type Change struct {
	// Staging is a staging directory that is about to be made; none if it is empty.
	Staging string
	// Settled ends the PREPARED state of a batch.
	Settled *Settled
	// Partial is how far a file has come. Dropped is the key of one that is forgotten.
	Partial *journal.Partial
	Dropped *[16]byte
	// Planned is what is about to be removed; nil for no plan.
	Planned []journal.Removal
	// Removed says that what was planned has been done, and how much went.
	Removed *int64
	// Receipt is that of the transfer, which is delivered by it.
	Receipt *mft.Receipt
	// Clear forgets what only further attempts would need.
	Clear bool
}

// Settled is what became of a batch that was prepared.
type Settled struct {
	Batch int64
	// Some says that not all of its entries have their final names, but only Good.
	Some bool
	Good []journal.Entry
}

// Own is the ledger of one transfer.
type Own struct {
	journal *journal.Journal
	id      mft.TransferID
}

// Of returns the ledger of a transfer.
func Of(j *journal.Journal, id mft.TransferID) Own { return Own{j, id} }

// Read returns what the journal has.
func (o Own) Read(ctx context.Context) (s State, err error) {
	j := o.journal
	if s.Landing, s.Landed, err = j.Landing(ctx, o.id); err != nil {
		return State{}, err
	}
	if s.Staging, err = j.Staging(ctx, o.id); err != nil {
		return State{}, err
	}
	if s.Prepared, err = j.Prepared(ctx, o.id); err != nil {
		return State{}, err
	}
	if s.Partials, err = j.Partials(ctx, o.id); err != nil {
		return State{}, err
	}
	if s.Removals, s.Removed, err = j.Removals(ctx, o.id); err != nil {
		return State{}, err
	}
	_, s.Listed, err = j.Watched(ctx, o.id)
	return s, err
}

// Committed calls f for every committed item, in the order of their batches. An error
// of f ends that and is returned as it is.
func (o Own) Committed(ctx context.Context, f func(key [16]byte, d mft.Digest) error) error {
	return o.journal.Committed(ctx, o.id, f)
}

// Prepare records a batch as PREPARED, and returns its number when that is durable.
func (o Own) Prepare(ctx context.Context, entries []journal.Entry) (batch int64, err error) {
	err = o.journal.Update(ctx, func(tx *journal.Tx) error {
		batch, err = tx.Prepare(o.id, entries)
		return err
	})
	return batch, err
}

// Apply makes a change, all of it or nothing, and returns when it is durable.
func (o Own) Apply(ctx context.Context, c Change) error {
	return o.journal.Update(ctx, func(tx *journal.Tx) error { return c.write(tx, o.id) })
}

func (c *Change) write(tx *journal.Tx, id mft.TransferID) error {
	if c.Staging != "" {
		if err := tx.AddStaging(id, c.Staging); err != nil {
			return err
		}
	}
	if err := c.Settled.write(tx, id); err != nil {
		return err
	}
	if c.Partial != nil {
		if err := tx.SavePartial(id, *c.Partial); err != nil {
			return err
		}
	}
	if c.Dropped != nil {
		if err := tx.DropPartial(id, *c.Dropped); err != nil {
			return err
		}
	}
	if c.Planned != nil {
		if err := tx.PlanRemovals(id, c.Planned); err != nil {
			return err
		}
	}
	if c.Removed != nil {
		if err := tx.EndRemovals(id, *c.Removed); err != nil {
			return err
		}
	}
	if c.Receipt != nil {
		if err := deliver(tx, id, c.Receipt); err != nil {
			return err
		}
	}
	if c.Clear {
		return tx.ClearStaging(id)
	}
	return nil
}

// write journals COMMITTED for a batch, of which only the good entries took their
// final names when some were refused.
func (s *Settled) write(tx *journal.Tx, id mft.TransferID) error {
	if s == nil {
		return nil
	}
	if !s.Some {
		return tx.Commit(id, s.Batch)
	}
	if err := tx.Drop(id, s.Batch); err != nil || len(s.Good) == 0 {
		return err
	}
	n, err := tx.Prepare(id, s.Good)
	if err != nil {
		return err
	}
	return tx.Commit(id, n)
}

// deliver writes that a transfer is delivered with this receipt.
func deliver(tx *journal.Tx, id mft.TransferID, receipt *mft.Receipt) error {
	if receipt.Transfer != id {
		return mft.Fail(mft.CodeInternal, "store a receipt", id.String(), fmt.Errorf("it is for transfer %v", receipt.Transfer))
	}
	// The message that carries it is signed when it is sent, which may be
	// more than once: the sender keeps the one that it got.
	if err := tx.StoreReceipt(id, *receipt, nil); err != nil {
		return err
	}
	totals := receipt.Received
	totals.Items += receipt.Unchanged.Items
	totals.Bytes += receipt.Unchanged.Bytes
	if err := tx.SetProgress(id, totals, receipt.Received); err != nil {
		return err
	}
	if err := tx.SetUnchanged(id, receipt.Unchanged, receipt.Removed); err != nil {
		return err
	}
	reason := mft.Reason{}
	if !receipt.Code.OK() {
		reason = mft.Reason{Code: receipt.Code, Detail: receipt.Detail}
	}
	return tx.SetState(id, mft.StateDelivered, reason, time.Now())
}
