// Package turn gives each transfer to one at a time: an attempt at moving it,
// or an operator's order about it. Whoever has the turn may read the row,
// decide, and write without anybody between.
//
//	turn, err := turns.Take(ctx, id, holder, errPaused) // ends whoever has it
//	defer turn.End()
//
// The package refuses to take a turn away: it asks the holder, by the context
// of the turn, and waits until the holder has ended it.
package turn

import (
	"context"
	"sync"

	"mft.dev/mft"
)

// Turns are the turns of an agent's transfers. Methods may be called
// concurrently.
type Turns struct {
	quiet chan struct{}
	mu    sync.Mutex // guards held
	held  map[mft.TransferID]*Turn
}

// New returns turns that nobody has.
func New() *Turns {
	return &Turns{quiet: make(chan struct{}, 1), held: map[mft.TransferID]*Turn{}}
}

// Quiet gets a value when a turn has ended and nobody has one, unless there is
// still one in it.
func (t *Turns) Quiet() <-chan struct{} { return t.quiet }

// A Turn is one holder's turn with one transfer.
type Turn struct {
	ID mft.TransferID
	// Context ends when somebody asks for the turn, with that one's cause, or
	// with the context that the turn was taken in.
	Context context.Context //nolint:containedctx // the life of the turn

	turns  *Turns
	holder any
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// Take takes the turn of a transfer for holder, a pointer. Somebody who has it
// is asked to end it, with cause, and waited for. With a nil cause Take does not
// wait and returns a nil Turn. The error is that of ctx.
func (t *Turns) Take(ctx context.Context, id mft.TransferID, holder any, cause error) (*Turn, error) {
	for {
		t.mu.Lock()
		old := t.held[id]
		if old == nil {
			n := &Turn{ID: id, turns: t, holder: holder, done: make(chan struct{})}
			n.Context, n.cancel = context.WithCancelCause(ctx)
			t.held[id] = n
			t.mu.Unlock()
			return n, nil
		}
		t.mu.Unlock()
		if cause == nil {
			return nil, nil
		}
		old.cancel(cause)
		select {
		case <-old.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Holder returns who has the turn of a transfer, nil for nobody.
func (t *Turns) Holder(id mft.TransferID) any {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.held[id]; n != nil {
		return n.holder
	}
	return nil
}

// End ends the turn. It is called once.
func (n *Turn) End() {
	n.turns.mu.Lock()
	delete(n.turns.held, n.ID)
	if len(n.turns.held) == 0 {
		select {
		case n.turns.quiet <- struct{}{}:
		default:
		}
	}
	n.turns.mu.Unlock()
	n.cancel(nil)
	close(n.done)
}
