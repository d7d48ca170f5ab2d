package trail

import (
	"context"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// Event appends one event that belongs to no change of a transfer. That it could not is
// logged.
func (t *Trail) Event(ctx context.Context, e mft.Event) {
	e.Time = t.now()
	if err := t.journal.Update(ctx, func(tx *journal.Tx) error { return tx.Append(e) }); err != nil {
		t.log.Error("cannot write an event", "kind", e.Kind, "err", err)
	}
}

// NextSequence returns the number of the next message to a peer.
func (t *Trail) NextSequence(ctx context.Context, recipient mft.AgentName) (uint64, error) {
	var n uint64
	err := t.journal.Update(ctx, func(tx *journal.Tx) (err error) {
		n, err = tx.NextSequence(recipient, t.now())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("drawing a sequence number: %w", err)
	}
	return n, nil
}
