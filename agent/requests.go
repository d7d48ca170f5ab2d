package agent

import (
	"context"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/agent/admission"
	"mft.dev/mft/agent/queue"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
)

// requestedBy answers a request of a peer for files of this host, and queues
// the transfer if it is granted. A second one is answered as the first was.
func (a *Agent) requestedBy(ctx context.Context, conv transfer.Conversation, e *protocol.Envelope) error {
	r, err := e.Request()
	if err != nil {
		return err
	}
	t, err := a.book.Grant(ctx, &r, a.RequestGrants(r.Requester), admission.Ended)
	if err != nil {
		if _, known, _ := a.journal.Transfer(ctx, r.Transfer); !known {
			reason := mft.ReasonOf(err)
			a.trail.Event(ctx, mft.Event{Kind: mft.EventRejected, Transfer: r.Transfer, Peer: r.Requester, Code: reason.Code, Detail: reason.Detail})
		}
		return admission.Answer(ctx, conv, admission.Refusal(err))
	}
	err = admission.Answer(ctx, conv, mft.Decision{Code: mft.CodeOK})
	a.enqueue(t)
	return err
}

// cancelledBy ends a transfer that the peer has given up.
func (a *Agent) cancelledBy(ctx context.Context, e *protocol.Envelope) error {
	c, err := e.Cancel()
	if err != nil {
		return err
	}
	t, known, err := a.journal.Transfer(ctx, c.Transfer)
	if err != nil || !known || t.Peer != e.Sender {
		return err
	}
	state, reason := mft.StateFailed, mft.Reason{Code: c.Code, Detail: trail.EndedThere + c.Detail}
	if c.Code == mft.CodeCancelled {
		state = mft.StateCancelled
	}
	_, err = a.finish(ctx, t, state, reason, queue.ErrCancelled)
	if mft.CodeOf(err) == mft.CodeBadState {
		return nil // it has ended already
	}
	return err
}

// finish puts a transfer into a state that ends it or holds it up. An attempt
// under way is ended first, with cause. CodeBadState says that the transfer
// can no longer be changed.
func (a *Agent) finish(ctx context.Context, t mft.Transfer, s mft.State, r mft.Reason, cause error) (mft.Transfer, error) {
	at, err := a.claim(ctx, t.Peer, t.ID, cause)
	if err != nil {
		return t, err
	}
	defer at.End()
	if t.Role == mft.RoleReceive && s.Terminal() {
		if now, ok, err := a.journal.Transfer(ctx, t.ID); err == nil && ok && !now.State.Terminal() {
			a.discard(context.WithoutCancel(ctx), t.ID)
		}
	}
	err = a.trail.Write(ctx, t.ID, func(tx *journal.Tx) error {
		now, ok, err := tx.Transfer(t.ID)
		if err != nil {
			return err
		}
		if !ok || now.State.Terminal() || now.State == mft.StateDelivered {
			return mft.Fail(mft.CodeBadState, "change transfer", t.ID.String(), fmt.Errorf("it is %s", now.State))
		}
		if err := a.trail.SetState(tx, t.ID, s, r); err != nil {
			return err
		}
		t, _, err = tx.Transfer(t.ID)
		return err
	})
	if err != nil {
		a.requeue(ctx, t)
		return t, err
	}
	a.queue.Drop(t.Peer, t.ID)
	if t.State.Terminal() {
		a.ended(t)
	}
	return t, nil
}

// requeue makes sure that a transfer whose attempt was ended for nothing is
// tried again.
func (a *Agent) requeue(ctx context.Context, t mft.Transfer) {
	if now, ok, err := a.journal.Transfer(context.WithoutCancel(ctx), t.ID); err == nil && ok {
		a.enqueue(now)
	}
}
