package agent

import (
	"context"
	"errors"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/agent/order"
	"mft.dev/mft/agent/queue"
	"mft.dev/mft/agent/source"
	"mft.dev/mft/journal"
	"mft.dev/mft/transfer"
)

// A Destination is one place a copy goes to. Overwrite may be empty, which is
// mft.OverwriteReplace.
type Destination struct {
	Agent     mft.AgentName
	Path      string
	Overwrite mft.Overwrite
}

// Placed is what became of one destination of a copy.
type Placed struct {
	Destination
	Transfer mft.TransferID // zero when Err is set
	Err      error
}

// Copy makes one transfer of sources for each destination. What is wrong with
// one of them is in its Placed; an error means that there is no transfer at
// all. The transfers are in the journal when Copy returns.
//
// Sources are absolute paths of this host and are opened once to see that
// they are there. Errors: mft.CodeUsage, mft.CodeBadPath, and those of
// scan.Open; for a destination mft.CodeUnknownPeer, mft.CodeBadPath,
// mft.CodeUsage.
func (a *Agent) Copy(ctx context.Context, list []string, to []Destination) ([]Placed, error) {
	if len(list) == 0 || len(to) == 0 {
		return nil, mft.Fail(mft.CodeUsage, "copy", "", errors.New("it needs a source and a destination"))
	}
	for _, path := range list {
		if err := order.CheckLocal("copy", path); err != nil {
			return nil, err
		}
	}
	if err := source.Check(list); err != nil {
		return nil, err
	}
	placed := make([]Placed, len(to))
	var rows []mft.Transfer
	for i, d := range to {
		placed[i].Destination = d
		t, err := a.newTransfer(mft.RoleSend, d.Agent, d.Overwrite)
		if err == nil {
			err = order.CheckRemote("copy", d.Path)
		}
		if err != nil {
			placed[i].Err = err
			continue
		}
		t.Sources, t.Destination = list, d.Path
		placed[i].Transfer = t.ID
		rows = append(rows, t)
	}
	if len(rows) == 0 {
		return placed, nil
	}
	return placed, a.place(ctx, rows, "")
}

// Request makes a transfer that asks peer for the file, directory or pattern
// path on its host, to land at into on this one; see mft.Offer.Destination.
// Errors: mft.CodeUnknownPeer, mft.CodeBadPath, mft.CodeUsage.
func (a *Agent) Request(ctx context.Context, peer mft.AgentName, path, into string, o mft.Overwrite) (mft.TransferID, error) {
	t, err := a.newTransfer(mft.RoleReceive, peer, o)
	if err != nil {
		return mft.TransferID{}, err
	}
	if err := order.CheckRemote("request", path); err != nil {
		return mft.TransferID{}, err
	}
	if err := order.CheckLocal("request", into); err != nil {
		return mft.TransferID{}, err
	}
	if _, err := transfer.LandingFor(into); err != nil {
		return mft.TransferID{}, err
	}
	t.Sources, t.Destination, t.Requested = []string{path}, into, true
	return t.ID, a.place(ctx, []mft.Transfer{t}, "")
}

// newTransfer makes a row for a peer that is known.
func (a *Agent) newTransfer(role mft.Role, peer mft.AgentName, o mft.Overwrite) (mft.Transfer, error) {
	if !a.Knows(peer) {
		return mft.Transfer{}, mft.Fail(mft.CodeUnknownPeer, "look up peer", string(peer), nil)
	}
	return order.New(role, peer, o, a.now())
}

// place makes rows durable and queues them.
func (a *Agent) place(ctx context.Context, rows []mft.Transfer, detail string) error {
	err := a.journal.Update(ctx, func(tx *journal.Tx) error {
		for _, t := range rows {
			if err := a.trail.Create(tx, t, mft.EventPlanned, detail); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range rows {
		t.State = mft.StateQueued
		a.enqueue(t)
	}
	return nil
}

// Cancel ends a transfer, at the other end too as soon as it can be told.
// Errors: mft.CodeNotFound, mft.CodeBadState when it has ended.
func (a *Agent) Cancel(ctx context.Context, id mft.TransferID) (mft.Transfer, error) {
	t, err := a.find(ctx, id)
	if err != nil {
		return t, err
	}
	t, err = a.finish(ctx, t, mft.StateCancelled, mft.Reason{Code: mft.CodeCancelled}, queue.ErrCancelled)
	if err == nil {
		a.notices.Add(t.Peer, t.ID)
	}
	return t, err
}

// Pause stops a transfer until Resume; what has been moved is kept. The other
// end waits. Errors: mft.CodeNotFound, mft.CodeBadState.
func (a *Agent) Pause(ctx context.Context, id mft.TransferID) (mft.Transfer, error) {
	t, err := a.find(ctx, id)
	if err != nil {
		return t, err
	}
	return a.finish(ctx, t, mft.StatePaused, mft.Reason{Code: mft.CodePaused}, queue.ErrPaused)
}

// Resume has a paused transfer go on, and one that waits try again at once.
// Errors: mft.CodeNotFound, mft.CodeBadState.
func (a *Agent) Resume(ctx context.Context, id mft.TransferID) (mft.Transfer, error) {
	t, err := a.find(ctx, id)
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
		err = mft.Fail(mft.CodeBadState, "resume", id.String(), fmt.Errorf("it is %s", t.State))
	}
	if err != nil {
		return t, err
	}
	a.mu.Lock()
	a.queue.Open(t.Peer)
	a.mu.Unlock()
	if a.turns.Holder(id) == nil {
		a.enqueue(t)
	}
	return t, nil
}

// Retry makes a new transfer like one that has ended, and returns it. It is
// for the end that ordered the transfer. Errors: mft.CodeNotFound,
// mft.CodeBadState, and those of Copy and Request.
func (a *Agent) Retry(ctx context.Context, id mft.TransferID) (mft.Transfer, error) {
	old, err := a.find(ctx, id)
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
	t, err := a.newTransfer(old.Role, old.Peer, old.Overwrite)
	if err != nil {
		return t, err
	}
	t.Channel, t.Sources, t.Destination, t.Requested = old.Channel, old.Sources, old.Destination, old.Requested
	if err := a.place(ctx, []mft.Transfer{t}, "retry of "+id.String()); err != nil {
		return t, err
	}
	return a.find(ctx, t.ID)
}

// find returns the row of a transfer.
func (a *Agent) find(ctx context.Context, id mft.TransferID) (mft.Transfer, error) {
	t, ok, err := a.journal.Transfer(ctx, id)
	if err == nil && !ok {
		err = mft.Fail(mft.CodeNotFound, "find transfer", id.String(), errors.New("this agent has no transfer of that id"))
	}
	return t, err
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
