package agent

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/queue"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/agent/turn"
	"mft.dev/mft/exchange/talk"
	"mft.dev/mft/journal"
	"mft.dev/mft/transfer"
)

// An attempt is one try at moving a transfer, or an operator's order about it.
type attempt struct {
	*turn.Turn
	peer  mft.AgentName
	meter transfer.Meter
	began time.Time
	// entry is what the queue knew of the transfer, if it gave it.
	entry queue.Entry
	// reached says that the peer was reached directly.
	reached bool
	// answered says that the peer has said something by letter meanwhile.
	answered atomic.Bool
}

// claim takes the turn of a transfer; see turn.Turns.Take.
func (a *Agent) claim(ctx context.Context, peer mft.AgentName, id mft.TransferID, cause error) (*attempt, error) {
	at := &attempt{peer: peer, began: a.now()}
	var err error
	at.Turn, err = a.turns.Take(ctx, id, at, cause)
	if at.Turn == nil {
		return nil, err
	}
	return at, nil
}

// counts returns what the attempt has found and moved of t, and whether it has
// come to that.
func (at *attempt) counts(t mft.Transfer) (totals, moved mft.Count, begun bool) {
	totals, moved = at.meter.Snapshot()
	begun = totals.Items > 0
	if t.Role == mft.RoleReceive { // what was announced may be all that is known
		totals.Items, totals.Bytes = max(totals.Items, t.Totals.Items), max(totals.Bytes, t.Totals.Bytes)
	}
	return totals, moved, begun
}

// enqueue has a transfer run as soon as there is room.
func (a *Agent) enqueue(t mft.Transfer) {
	if !pending(t) {
		return
	}
	var waiting mft.Code
	if t.State == mft.StateWaiting {
		waiting = t.Reason.Code
	}
	a.queue.Put(t.Peer, queue.Entry{ID: t.ID, Waiting: waiting})
}

// pending reports whether it is for this end to do something about t: sends,
// and receives that this end asks for. A row that says running while nobody
// has claimed it was left behind by an attempt that could not say how it ended.
func pending(t mft.Transfer) bool {
	if t.Role != mft.RoleSend && !t.Requested {
		return false
	}
	return !t.State.Terminal() && t.State != mft.StatePaused && t.State != mft.StateDelivered
}

// tellBlocked writes into the rows of transfers behind a shut gate why they
// wait.
func (a *Agent) tellBlocked(ctx context.Context, why map[mft.TransferID]mft.Reason) {
	if err := a.trail.Block(ctx, why, pending); err != nil && ctx.Err() == nil {
		a.log.Error("cannot write why transfers wait", "err", err)
	}
}

// work makes one attempt at a transfer that the queue gave.
func (a *Agent) work(ctx context.Context, peer mft.AgentName, e queue.Entry) {
	at, err := a.claim(ctx, peer, e.ID, nil)
	if err != nil {
		return
	}
	if at == nil {
		// Somebody is about to be done with it, or moves it.
		a.queue.PutAfter(peer, e, queue.FirstDelay)
		return
	}
	defer at.End()
	at.entry = e
	t, ok, err := a.journal.Transfer(ctx, e.ID)
	if err != nil {
		a.log.Error("cannot read a transfer", "transfer", e.ID, "err", err)
		a.again(at, t, a.verdictOf(at, err))
		return
	}
	if !ok || !pending(t) {
		return
	}
	if t.Role == mft.RoleSend {
		receipt, signed, err := a.send(at, t)
		a.concludeSend(at, t, receipt, signed, err)
		return
	}
	a.concludeAsk(at, t, a.ask(at, t))
}

// verdictOf decides about an attempt that ended with err.
func (a *Agent) verdictOf(at *attempt, err error) queue.Verdict {
	v := queue.Decide(err, context.Cause(at.Context), at.entry.Tries+1, rand.Float64())
	var parked *talk.Parked
	switch {
	case v.State == mft.StateCancelled:
		v.Reason.Detail = trail.EndedThere + v.Reason.Detail
	case errors.As(err, &parked):
		v.Reason.Detail = parked.Why()
	}
	return v
}

// conclude writes what follows an attempt that did not succeed, and queues the
// transfer if it is to be tried again.
func (a *Agent) conclude(at *attempt, t mft.Transfer, v queue.Verdict) {
	totals, moved, begun := at.counts(t)
	if v.State == "" { // whoever has ended the attempt writes what follows
		if begun {
			a.trail.Note(t.ID, func(tx *journal.Tx) error { return tx.SetProgress(t.ID, totals, moved) })
		}
		return
	}
	if moved.Bytes > t.Moved.Bytes || moved.Items > t.Moved.Items {
		at.entry.Tries, at.entry.Waiting = -1, "" // it got further: patience begins anew
		if v.Delay > queue.FirstDelay && v.Reason.Code != mft.CodePaused && v.Reason.Code != mft.CodeRelayed {
			v.Delay = queue.FirstDelay
		}
	}
	// A transfer that waits on for the same reason tells nobody again.
	quiet := v.State == mft.StateWaiting && at.entry.Waiting == v.Reason.Code
	if !quiet || t.State != mft.StateWaiting || at.reached {
		err := a.trail.Write(context.WithoutCancel(at.Context), t.ID, func(tx *journal.Tx) error {
			now, ok, err := tx.Transfer(t.ID)
			if err != nil || !ok || now.State.Terminal() {
				return err
			}
			if begun {
				if err := tx.SetProgress(t.ID, totals, moved); err != nil {
					return err
				}
			}
			if quiet {
				return tx.SetState(t.ID, v.State, v.Reason, a.now())
			}
			return a.trail.SetState(tx, t.ID, v.State, v.Reason)
		})
		if err != nil {
			a.log.Error("cannot write what follows an attempt", "transfer", t.ID, "state", v.State, "err", err)
			v = queue.Verdict{State: mft.StateWaiting, Reason: mft.ReasonOf(err), Delay: queue.LastDelay}
		}
	}
	if v.State.Terminal() {
		a.ended(t)
	}
	a.again(at, t, v)
}

// again puts a transfer back into the queue as the verdict says.
func (a *Agent) again(at *attempt, t mft.Transfer, v queue.Verdict) {
	switch {
	case v.PeerWide && t.Overwrite != mft.OverwriteCanary:
		a.queue.Shut(at.peer, v.Reason)
		v.Delay = 0
	case at.reached:
		a.queue.Open(at.peer)
	}
	if t.Role == mft.RoleReceive && !t.Requested {
		return // the sender comes again
	}
	switch v.State {
	case mft.StateWaiting, mft.StateQueued:
		next := queue.Entry{ID: at.ID, Tries: at.entry.Tries + 1, Waiting: v.Reason.Code}
		a.queue.PutAfter(at.peer, next, v.Delay)
		if at.answered.Load() { // after that, which would take its place
			a.queue.Put(at.peer, next)
		}
	}
}
