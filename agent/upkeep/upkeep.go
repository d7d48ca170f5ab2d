// Package upkeep removes what an agent need no longer hold: old rows of the
// journal, and staging directories of receives that ended while something kept
// them from being removed.
//
// The package refuses to touch a transfer that has not ended.
package upkeep

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/transfer/staging/publish"
)

// A Keeper keeps house for one agent; every field must be set.
type Keeper struct {
	Journal *journal.Journal
	Log     *slog.Logger
	Now     func() time.Time
	// Discard is recovery.Discard, by who may do it.
	Discard func(ctx context.Context, id mft.TransferID) error
}

// forgetAfter and forgetKeep bound the journal: an ended transfer is kept for
// at least this long, and the newest are kept whatever their age. A sender
// that repeats an offer after that finds it forgotten; it would have had to
// retry for all that time without reaching this host once.
const (
	forgetAfter = 90 * 24 * time.Hour
	forgetKeep  = 10000
	forgetEvery = time.Hour
)

// Run sweeps once and shortens the journal from time to time until ctx ends.
func (k Keeper) Run(ctx context.Context) {
	k.sweep(ctx)
	tick := time.NewTicker(forgetEvery)
	defer tick.Stop()
	for {
		for n := journal.ForgetAtMost; n >= journal.ForgetAtMost && ctx.Err() == nil; {
			err := k.Journal.Update(ctx, func(tx *journal.Tx) (err error) {
				n, err = tx.Forget(k.Now().Add(-forgetAfter), forgetKeep)
				return err
			})
			if err != nil {
				n = 0
				k.Log.Warn("cannot shorten the journal", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sweep removes the staging of receives that ended while something kept it
// from being removed.
func (k Keeper) sweep(ctx context.Context) {
	const enough = 20000
	ended, err := k.Journal.Transfers(ctx, journal.Filter{
		Role:  mft.RoleReceive,
		Limit: enough, Newest: true,
		States: []mft.State{mft.StateDone, mft.StateRejected, mft.StateFailed, mft.StateCancelled},
	})
	if err != nil {
		k.Log.Warn("cannot look for what transfers left behind", "err", err)
		return
	}
	for _, t := range ended {
		if ctx.Err() != nil {
			return
		}
		l, ok, err := k.Journal.Landing(ctx, t.ID)
		if err != nil || !ok {
			continue
		}
		if _, err := os.Lstat(filepath.Join(l.Root, filepath.FromSlash(l.Dir), publish.Staging(t.ID))); err == nil {
			if err := k.Discard(ctx, t.ID); err != nil {
				k.Log.Warn("cannot remove what a transfer left behind", "transfer", t.ID, "err", err)
			}
		}
	}
}
