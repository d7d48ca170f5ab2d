package agent

import (
	"context"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// begin brings into order what an earlier life of the agent left behind, and
// queues what is to go on. It may be interrupted at any point and run again.
func (a *Agent) begin(ctx context.Context) error {
	a.trail.Event(ctx, mft.Event{Kind: mft.EventAgentStarted, Detail: a.version})
	if err := a.Canaries().Clear(); err != nil {
		return err
	}
	open, err := a.journal.Transfers(ctx, journal.Filter{States: []mft.State{
		mft.StatePlanned, mft.StateQueued, mft.StateWaiting, mft.StateRunning, mft.StateVerifying,
		mft.StateDelivered, mft.StatePaused,
	}})
	if err != nil {
		return err
	}
	for _, t := range open {
		if t.Role == mft.RoleReceive {
			if err := a.foreman.Recover(ctx, t.ID); err != nil {
				// Every attempt recovers first, so this costs nothing but time.
				a.log.Warn("cannot recover a receive yet", "transfer", t.ID, "err", err)
			}
		}
		if t, err = a.reopen(ctx, t); err != nil {
			return fmt.Errorf("recovering transfer %s: %w", t.ID, err)
		}
		a.enqueue(t)
	}
	return a.notices.Load(ctx)
}

// reopen makes a row say what is true of it when nothing runs yet.
func (a *Agent) reopen(ctx context.Context, t mft.Transfer) (mft.Transfer, error) {
	switch t.State {
	case mft.StateDelivered:
		_, err := a.trail.CloseDelivered(ctx, t.ID)
		return t, err
	case mft.StatePlanned, mft.StateRunning, mft.StateVerifying:
		t.State = mft.StateQueued
		return t, a.journal.Update(ctx, func(tx *journal.Tx) error {
			return tx.SetState(t.ID, mft.StateQueued, mft.Reason{}, a.now())
		})
	}
	return t, nil
}
