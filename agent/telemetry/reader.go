package telemetry

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/agent/telemetry/span"
	"mft.dev/mft/journal"
)

// A batch is a run of events, and what is known of their transfers.
type batch struct {
	events []mft.Event
	// last is the Seq up to which the batch goes, missing how many events before
	// it the journal has forgotten.
	last    int64
	missing int64
	rows    map[mft.TransferID]*mft.Transfer
	// spans are those that events of the batch ended.
	spans []span.Span
}

// row returns what is known of a transfer, nil for one without a row.
func (b *batch) row(id mft.TransferID) *mft.Transfer { return b.rows[id] }

// role returns which end of a transfer this host is, "" when that is not known.
func (b *batch) role(e mft.Event) mft.Role {
	switch t := b.rows[e.Transfer]; {
	case t != nil:
		return t.Role
	case e.Kind == mft.EventRejected, e.Kind == mft.EventExitEnded:
		return mft.RoleReceive // an offer that was refused leaves no row
	}
	return ""
}

// readBatch reads up to limit events after cursor. ends says which events may
// end a span that is wanted; nil stands for none. Its last is cursor when
// there is nothing.
func readBatch(ctx context.Context, j *journal.Journal, cursor int64, limit int, ends func(mft.EventKind) bool) (*batch, error) {
	events, err := j.Events(ctx, cursor, limit)
	if err != nil || len(events) == 0 {
		return &batch{last: cursor}, err
	}
	b := &batch{events: events, last: events[len(events)-1].Seq, rows: map[mft.TransferID]*mft.Transfer{}}
	b.missing = b.last - cursor - int64(len(events))
	ended := map[mft.TransferID]bool{}
	for _, e := range events {
		if e.Transfer.IsZero() {
			continue
		}
		if _, known := b.rows[e.Transfer]; !known {
			t, ok, err := j.Transfer(ctx, e.Transfer)
			if err != nil {
				return nil, err
			}
			b.rows[e.Transfer] = nil
			if ok {
				b.rows[e.Transfer] = &t
			}
		}
		if ended[e.Transfer] || ends == nil || !ends(e.Kind) {
			continue
		}
		ended[e.Transfer] = true
		story, err := j.Milestones(ctx, e.Transfer)
		if err != nil {
			return nil, err
		}
		role := b.role(e)
		if role == "" {
			continue // its row was forgotten meanwhile
		}
		for _, one := range span.Of(role, story) {
			if t := b.row(e.Transfer); t != nil && one.Phase == span.Whole && t.Created.Before(one.Start) {
				one.Start = t.Created // of a long story the beginning is not there
			}
			if seq := one.Outcome.Seq; seq > cursor && seq <= b.last {
				b.spans = append(b.spans, one)
			}
		}
	}
	return b, nil
}
