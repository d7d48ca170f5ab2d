package mirror

import (
	"context"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/transfer"
)

// Terms are those of one transfer.
type Terms struct {
	Ledger transfer.Ledger
	Limits mft.Mirror
	// Before is what Recover returned.
	Before int64
	// Note is told what a person wants to read, Failed of what could not be
	// removed.
	Note   transfer.Note
	Failed func(error)
	// Step runs what removes, for a test to fail it.
	Step func(name string, do func() error) error
}

// A Rest is what became of what is not in the source.
type Rest struct {
	// Removed is how many entries this and earlier attempts removed.
	Removed int64
	// Refused is why nothing was removed, Err why the attempt has failed.
	Refused, Err error

	now     int64
	planned bool
}

// Finish removes what is not in the source, of which the seal tells whether it
// was read to its end. Everything else has its final name by then, durably.
// Done is to be journaled with what ends the transfer.
func (m *Mirror) Finish(ctx context.Context, t Terms, seal *mft.Seal) Rest {
	out := Rest{Removed: t.Before}
	if m == nil || seal.Failed > 0 {
		return out
	}
	ctx = context.WithoutCancel(ctx)
	defer m.restore()
	plan, err := m.Plan(ctx)
	if err != nil {
		return Rest{Err: err}
	}
	for _, dir := range plan.Spared {
		t.Note(mft.EventItem, mft.CodeBusy, fmt.Sprintf("%q stays: it holds a mount point or the staging of a transfer", dir))
	}
	if out.Refused = Decide(&plan, t.Limits, !seal.Whole); out.Refused != nil || len(plan.Removals) == 0 {
		return out
	}
	err = t.Ledger.Apply(ctx, ledger.Change{Planned: plan.Removals})
	if err == nil {
		err = t.Step("remove", func() (err error) {
			out.now, err = Carry(ctx, m.root, m.leave, plan.Removals, t.Failed)
			return err
		})
	}
	if err != nil {
		return Rest{Err: err}
	}
	out.planned = true
	out.Removed += out.now
	t.Note(mft.EventRemoved, mft.CodeOK, fmt.Sprintf("%d entries that are not in the source", out.now))
	return out
}

// Done is how much of a plan was removed, nil without one: nothing of it is left.
func (r *Rest) Done() *int64 {
	if !r.planned {
		return nil
	}
	return &r.now
}

// Apply writes into the receipt what became of the rest.
func (r *Rest) Apply(receipt *mft.Receipt) {
	receipt.Removed = r.Removed
	if r.Refused != nil && receipt.Code.OK() {
		reason := mft.ReasonOf(r.Refused)
		receipt.Code, receipt.Detail = reason.Code, reason.Detail
	}
}
