package agent

import (
	"context"
	"errors"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/agent/order"
	"mft.dev/mft/agent/queue"
	"mft.dev/mft/journal"
)

// Copy makes one transfer of sources for each destination; see
// order.Book.Copy.
func (a *Agent) Copy(ctx context.Context, sources []string, to []order.Destination) ([]order.Placed, error) {
	return a.book.Copy(ctx, sources, to)
}

// Request makes a transfer that asks a peer for files; see order.Book.Request.
func (a *Agent) Request(ctx context.Context, r order.Request) (mft.TransferID, error) {
	return a.book.Request(ctx, r)
}

// Cancel ends a transfer, at the other end too as soon as it can be told.
// Errors: mft.CodeNotFound, mft.CodeBadState when it has ended.
func (a *Agent) Cancel(ctx context.Context, id mft.TransferID) (mft.Transfer, error) {
	return a.cancel(ctx, id, mft.Reason{Code: mft.CodeCancelled})
}

func (a *Agent) cancel(ctx context.Context, id mft.TransferID, why mft.Reason) (mft.Transfer, error) {
	t, err := a.Row(ctx, id)
	if err != nil {
		return t, err
	}
	t, err = a.finish(ctx, t, mft.StateCancelled, why, queue.ErrCancelled)
	if err == nil {
		a.notices.Add(t.Peer, t.ID)
	}
	return t, err
}

// Pause stops a transfer until Resume; what has been moved is kept. The other
// end waits. Errors: mft.CodeNotFound, mft.CodeBadState.
func (a *Agent) Pause(ctx context.Context, id mft.TransferID) (mft.Transfer, error) {
	t, err := a.Row(ctx, id)
	if err != nil {
		return t, err
	}
	return a.finish(ctx, t, mft.StatePaused, mft.Reason{Code: mft.CodePaused}, queue.ErrPaused)
}

// Resume has a paused transfer go on, and one that waits try again at once.
// Errors: mft.CodeNotFound, mft.CodeBadState.
func (a *Agent) Resume(ctx context.Context, id mft.TransferID) (mft.Transfer, error) {
	t, err := a.Row(ctx, id)
	if err != nil {
		return t, err
	}
	switch {
	case t.State == mft.StatePaused:
		err = a.trail.Write(ctx, id, func(tx *journal.Tx) error {
			if err := tx.SetState(id, mft.StateQueued, mft.Reason{}, a.now()); err != nil {
				return err
			}
			if err := a.trail.Tell(tx, id, mft.EventResumed, "", ""); err != nil {
				return err
			}
			t, _, err = tx.Transfer(id)
			return err
		})
	case t.State.Terminal() || t.State == mft.StateDelivered:
		err = mft.Fail(mft.CodeBadState, "resume transfer", id.String(), fmt.Errorf("it is %s", t.State))
	}
	if err != nil {
		return t, err
	}
	a.queue.Open(t.Peer)
	if a.turns.Holder(id) == nil {
		a.enqueue(t)
	}
	return t, nil
}

// Retry makes a new transfer like one that has ended, and returns it. It is
// for the end that ordered the transfer. Errors: mft.CodeNotFound,
// mft.CodeBadState, and those of order.Book.Retry.
func (a *Agent) Retry(ctx context.Context, id mft.TransferID) (mft.Transfer, error) {
	old, err := a.Row(ctx, id)
	if err != nil {
		return old, err
	}
	fail := func(why string) (mft.Transfer, error) {
		return old, mft.Fail(mft.CodeBadState, "retry", id.String(), errors.New(why))
	}
	switch {
	case !old.State.Terminal():
		return fail("it is " + string(old.State) + " and has not ended")
	case (old.Role == mft.RoleReceive) != old.Requested:
		return fail("it was ordered on " + string(old.Peer) + ", which is where it can be retried")
	}
	again, err := a.book.Retry(ctx, old)
	if err != nil {
		return old, err
	}
	return a.Row(ctx, again)
}

// RemovePeer forgets a peer: its keys, its connections, what it was allowed.
// Transfers with it that have not ended fail. Errors: those of
// identity.Trust.Remove.
func (a *Agent) RemovePeer(ctx context.Context, name mft.AgentName) error {
	if err := a.Remove(ctx, name); err != nil {
		return err
	}
	open, err := a.journal.Transfers(ctx, journal.Filter{Peer: name, States: []mft.State{
		mft.StatePlanned, mft.StateQueued, mft.StateWaiting, mft.StateRunning, mft.StateVerifying, mft.StatePaused,
	}})
	for _, t := range open {
		reason := mft.Reason{Code: mft.CodeUnknownPeer, Detail: queue.ErrRemoved.Error()}
		if _, ferr := a.finish(ctx, t, mft.StateFailed, reason, queue.ErrRemoved); mft.CodeOf(ferr) != mft.CodeBadState {
			err = errors.Join(err, ferr)
		}
	}
	return err
}
