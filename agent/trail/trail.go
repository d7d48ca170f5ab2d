// Package trail writes the story of transfers into the journal: their states,
// the events that tell of them, and the milestones on the way.
//
// [Trail.Write] is for what must be durable before anything else happens,
// [Trail.Note] for what is only told. Inside either, [Trail.SetState] moves a
// transfer and tells of it, so that no state changes in silence.
//
// The package refuses to decide what follows what: transitions are those of
// mft.State, and who calls has a reason for each.
package trail

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// A Trail writes the story of transfers into the journal. What must be true
// before anything else happens goes through Write. What is only told, such as
// that content began to move, goes through Note: it is written with the next
// Write of the same transfer or after a moment, whichever is first, so that
// a small transfer does not pay for a flush with every line of its story.
// The order within one transfer is kept.
type Trail struct {
	// Ended is told of each transfer that ends, in the transaction that ends it; nil
	// for nobody. It is set before the trail is used.
	Ended func(*journal.Tx, mft.Transfer) error

	journal *journal.Journal
	log     *slog.Logger
	now     func() time.Time
	wake    chan struct{}

	// order keeps Write from overtaking what Flush has taken out of pending.
	order   sync.RWMutex
	mu      sync.Mutex // guards pending; taken inside order
	pending map[mft.TransferID][]func(*journal.Tx) error
}

// noteDelay is how long a note may wait for company.
const noteDelay = 200 * time.Millisecond

// New returns a trail. It starts nothing: see Run.
func New(j *journal.Journal, log *slog.Logger, now func() time.Time) *Trail {
	return &Trail{
		journal: j, log: log, now: now, wake: make(chan struct{}, 1),
		pending: map[mft.TransferID][]func(*journal.Tx) error{},
	}
}

// Note has f run in some transaction soon. It does not block.
func (t *Trail) Note(id mft.TransferID, f func(*journal.Tx) error) {
	t.mu.Lock()
	t.pending[id] = append(t.pending[id], f)
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// Write runs the notes of the transfer and then f in one transaction that is
// durable on return. An error of f undoes the notes too; they are lost.
func (t *Trail) Write(ctx context.Context, id mft.TransferID, f func(*journal.Tx) error) error {
	t.order.RLock()
	defer t.order.RUnlock()
	t.mu.Lock()
	notes := t.pending[id]
	delete(t.pending, id)
	t.mu.Unlock()
	return t.journal.Update(ctx, func(tx *journal.Tx) error {
		t.run(tx, notes)
		return f(tx)
	})
}

// run runs notes. One that no longer fits (the transfer has ended) is left
// out; if the journal itself fails, Update knows.
func (t *Trail) run(tx *journal.Tx, notes []func(*journal.Tx) error) {
	for _, f := range notes {
		if err := f(tx); err != nil {
			t.log.Debug("a note does not fit", "err", err)
		}
	}
}

// Flush writes all notes.
func (t *Trail) Flush() {
	t.order.Lock()
	defer t.order.Unlock()
	t.mu.Lock()
	all := t.pending
	t.pending = map[mft.TransferID][]func(*journal.Tx) error{}
	t.mu.Unlock()
	if len(all) == 0 {
		return
	}
	err := t.journal.Update(context.Background(), func(tx *journal.Tx) error {
		for _, notes := range all {
			t.run(tx, notes)
		}
		return nil
	})
	if err != nil {
		t.log.Error("cannot write events", "err", err)
	}
}

// Run flushes from time to time until ctx ends.
func (t *Trail) Run(ctx context.Context) {
	timer := time.NewTimer(noteDelay)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		}
		timer.Reset(noteDelay)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			t.Flush()
		}
	}
}
