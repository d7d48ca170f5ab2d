package upkeep

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/transfer/staging/publish"
	"mft.dev/mft/transfer/staging/recovery"
)

func TestKeeper(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in")
	if err := os.Mkdir(in, 0o755); err != nil {
		t.Fatal(err)
	}
	stagingOf := func(id mft.TransferID) string { return filepath.Join(in, publish.Staging(id)) }
	synctest.Test(t, func(t *testing.T) {
		j, err := journal.Open(t.Context(), filepath.Join(dir, "journal.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		add := func(n byte, s mft.State, age time.Duration) mft.TransferID {
			id, at := mft.TransferID{n}, time.Now().Add(-age)
			err := j.Update(t.Context(), func(tx *journal.Tx) error {
				row := mft.Transfer{ID: id, Role: mft.RoleReceive, Peer: "b", State: mft.StatePlanned, Overwrite: mft.OverwriteReplace, Created: at, Updated: at}
				if err := tx.Create(row); err != nil {
					return err
				}
				if err := tx.SetLanding(id, journal.Landing{Root: in}); err != nil {
					return err
				}
				return tx.SetState(id, s, mft.Reason{}, at)
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(stagingOf(id), "x"), 0o700); err != nil {
				t.Fatal(err)
			}
			return id
		}
		ended, running := add(1, mft.StateCancelled, time.Hour), add(2, mft.StateRunning, time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan struct{})
		go func() {
			discard := func(ctx context.Context, id mft.TransferID) error { return recovery.Discard(ctx, ledger.Of(j, id), id) }
			Keeper{Journal: j, Log: slog.New(slog.DiscardHandler), Now: time.Now, Discard: discard}.Run(ctx)
			close(over)
		}()
		synctest.Wait()
		if _, err := os.Stat(stagingOf(ended)); !os.IsNotExist(err) {
			t.Errorf("staging of a cancelled receive: %v, want that it is gone", err)
		}
		if _, err := os.Stat(stagingOf(running)); err != nil {
			t.Errorf("staging of a running receive: %v, want that it stays", err)
		}
		if _, ok, err := j.Transfer(t.Context(), ended); err != nil || !ok {
			t.Errorf("a young row has gone: %v", err)
		}
		cancel()
		<-over
	})
}
