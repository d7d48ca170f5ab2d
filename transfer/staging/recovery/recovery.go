// Package recovery puts in order what a receive left behind: at the start of an agent, before
// another attempt, and when the transfer has ended.
package recovery

import (
	"context"
	"errors"
	"path"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/staging/publish"
	"mft.dev/mft/transfer/staging/withdraw"
)

// Recover finishes what a crash interrupted between PREPARED and COMMITTED: an
// item whose temporary name is still there is published now, one whose
// temporary name is gone was published before. It is idempotent, and does
// nothing for a transfer without such a batch. Partial content is left for the
// next attempt.
//
// It must run before the transfer is attempted again, and before other
// transfers may write to the same names.
func Recover(ctx context.Context, book transfer.Ledger, id mft.TransferID) error {
	_, err := Settle(ctx, book, id)
	return err
}

// Settle is Recover, and returns what it found.
func Settle(ctx context.Context, book transfer.Ledger, id mft.TransferID) (ledger.State, error) {
	state, err := book.Read(ctx)
	if err != nil || len(state.Prepared) == 0 {
		return state, err
	}
	if !state.Landed {
		return state, mft.Fail(mft.CodeJournal, "recover transfer", id.String(),
			errors.New("a batch was prepared but no landing is known"))
	}
	root, err := confine.Open(state.Landing.Root)
	if err != nil {
		return state, err
	}
	defer root.Close()
	for _, b := range state.Prepared {
		if err := recoverBatch(ctx, book, root, b); err != nil {
			return state, err
		}
	}
	return state, nil
}

func recoverBatch(ctx context.Context, book transfer.Ledger, root *confine.Root, b journal.Batch) error {
	var good []journal.Entry
	shelf := publish.Shelf(root, b.Entries)
	for i := range b.Entries {
		e := &b.Entries[i]
		if e.Temp != "" && publish.StillThere(root, e.Temp) {
			err := publish.Entry(root, shelf, e)
			if publish.ItemLevel(err) || mft.CodeOf(err) == mft.CodeRaced {
				continue // it is asked for again, and refused for this reason
			}
			if err != nil {
				return err
			}
		}
		good = append(good, *e)
	}
	if err := publish.SyncDirs(root, publish.FinalDirs(b.Entries)); err != nil {
		return err
	}
	return book.Apply(ctx, ledger.Change{Settled: publish.Settled(b.N, good, len(good) < len(b.Entries))})
}

// Discard removes the staging directories of a receive that has ended without needing
// them, after finishing what had been prepared, and a canary. It is idempotent.
func Discard(ctx context.Context, book transfer.Ledger, id mft.TransferID) error {
	state, err := Settle(ctx, book, id)
	if err != nil || !state.Landed {
		return err
	}
	landing := state.Landing
	// The staging directory of the landing is not recorded by itself: its
	// name follows from the transfer, its place from the landing.
	dirs := append(state.Staging, path.Join(landing.Dir, publish.Staging(id)))
	if landing.Name != "" {
		dirs = append(dirs, path.Join(landing.Dir, landing.Name, publish.Staging(id)))
	}
	root, err := confine.Open(landing.Root)
	if mft.CodeOf(err) == mft.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	if err := withdraw.Recovered(ctx, book, root, landing, id); err != nil {
		return err
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		if err := root.RemoveAll(dir); err != nil && mft.CodeOf(err) != mft.CodeNotFound && mft.CodeOf(err) != mft.CodeWrongType && mft.CodeOf(err) != mft.CodeSymlink {
			return err
		}
	}
	return book.Apply(ctx, ledger.Change{Clear: true})
}
