package journal

import (
	"slices"
	"testing"
	"time"

	"mft.dev/mft"
)

// finals returns the final names of what a transfer delivered.
func finals(t *testing.T, j *Journal, id mft.TransferID) (out []string) {
	t.Helper()
	err := j.Delivered(t.Context(), id, func(b Batch) error {
		for _, e := range b.Entries {
			out = append(out, e.Final)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("Delivered: %v", err)
	}
	return out
}

func TestDelivered(t *testing.T) {
	j := newJournal(t)
	watched, other := planned(1), planned(2)
	watched.State, other.State = mft.StateDone, mft.StateDone
	var kept, dropped, prepared, gone []Entry
	kept, dropped, prepared, gone = entries(0, 3), entries(3, 5), entries(5, 7), entries(7, 9)
	err := j.Update(t.Context(), func(tx *Tx) error {
		for _, row := range []mft.Transfer{watched, other} {
			if err := tx.Create(row); err != nil {
				return err
			}
		}
		for range 2 {
			if err := tx.Watch(watched.ID); err != nil {
				return err
			}
		}
		for i, list := range [][]Entry{kept, dropped, prepared} {
			n, err := tx.Prepare(watched.ID, list)
			if err != nil {
				return err
			}
			switch i {
			case 0:
				err = tx.Commit(watched.ID, n)
			case 1:
				err = tx.Drop(watched.ID, n)
			}
			if err != nil {
				return err
			}
		}
		n, err := tx.Prepare(other.ID, gone)
		if err != nil {
			return err
		}
		if err := tx.Commit(other.ID, n); err != nil {
			return err
		}
		return tx.ClearStaging(watched.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, e := range kept {
		want = append(want, e.Final)
	}
	if got := finals(t, j, watched.ID); !slices.Equal(got, want) {
		t.Errorf("Delivered = %q, want %q", got, want)
	}
	if got := finals(t, j, other.ID); len(got) != 0 {
		t.Errorf("Delivered of one that is not watched = %q", got)
	}
	if ids, err := j.WatchedEnded(t.Context(), 0); err != nil || !slices.Equal(ids, []mft.TransferID{watched.ID}) {
		t.Errorf("WatchedEnded = %v, %v", ids, err)
	}
	// Forgetting a transfer delivers nothing.
	err = j.Update(t.Context(), func(tx *Tx) error {
		_, err := tx.Forget(time.Now().Add(100*365*24*time.Hour), 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := finals(t, j, watched.ID); len(got) != 0 {
		t.Errorf("Delivered of one that is forgotten = %q", got)
	}
}

func TestExitSteps(t *testing.T) {
	j := newJournal(t)
	row := planned(1)
	err := j.Update(t.Context(), func(tx *Tx) error {
		if err := tx.Create(row); err != nil {
			return err
		}
		return tx.Watch(row.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct{ set, want ExitStep }{{ExitNever, ExitNever}, {ExitStarted, ExitStarted}, {ExitEnded, ExitEnded}, {ExitStarted, ExitEnded}} {
		if c.set != ExitNever {
			if err := j.Update(t.Context(), func(tx *Tx) error { return tx.SetExit(row.ID, key(7), c.set) }); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := j.Exit(t.Context(), row.ID, key(7)); err != nil || got != c.want {
			t.Errorf("step %d: Exit = %v, %v; want %v", i, got, err, c.want)
		}
	}
	if err := j.Update(t.Context(), func(tx *Tx) error { return tx.Unwatch(row.ID) }); err != nil {
		t.Fatal(err)
	}
	if got, err := j.Exit(t.Context(), row.ID, key(7)); err != nil || got != ExitNever {
		t.Errorf("after Unwatch: Exit = %v, %v", got, err)
	}
	if watched, err := j.Watched(t.Context(), row.ID); err != nil || watched {
		t.Errorf("after Unwatch: Watched = %t, %v", watched, err)
	}
}
