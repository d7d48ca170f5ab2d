package journal

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
			if err := tx.Watch(watched.ID, true); err != nil {
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
	if ids, _, err := j.WatchedEnded(t.Context(), 0, 0); err != nil || !slices.Equal(ids, []mft.TransferID{watched.ID}) {
		t.Errorf("WatchedEnded = %v, %v", ids, err)
	}
	// It is not forgotten as long as it is watched.
	err = j.Update(t.Context(), func(tx *Tx) error {
		_, err := tx.Forget(time.Now().Add(100*365*24*time.Hour), 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := finals(t, j, watched.ID); !slices.Equal(got, want) {
		t.Errorf("Delivered after Forget = %q, want %q", got, want)
	}
	err = j.Update(t.Context(), func(tx *Tx) error {
		if err := tx.Unwatch(watched.ID); err != nil {
			return err
		}
		_, err := tx.Forget(time.Now().Add(100*365*24*time.Hour), 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, known, err := j.Transfer(t.Context(), watched.ID); known || err != nil {
		t.Errorf("after Unwatch and Forget the transfer is there: %t, %v", known, err)
	}
}

func TestExits(t *testing.T) {
	j := newJournal(t)
	row := planned(1)
	set := func(f func(tx *Tx) error) {
		t.Helper()
		if err := j.Update(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	set(func(tx *Tx) error { return errors.Join(tx.Create(row), tx.Watch(row.ID, true)) })
	if _, begun, err := j.Exit(t.Context(), row.ID, key(7)); begun || err != nil {
		t.Errorf("Exit of a command that never began = %t, %v", begun, err)
	}
	one := ExitRun{
		Key: key(7), Phase: mft.ExitPost, Path: "/in/a\xff\n", Command: "/bin/x", Running: true, Runs: 1, At: time.Unix(7, 0).UTC(),
	}
	for _, change := range []func(){
		func() {},
		func() {
			one.Running, one.Failures, one.Status, one.Code, one.Detail, one.Output = false, 1, 3, mft.CodeExit, "exit status 3", []byte("\x00\xff")
		},
		func() { one.Running, one.Runs = true, 2 },
		func() { one.Running, one.Ended, one.Status, one.Code = false, true, 0, "" },
	} {
		change()
		set(func(tx *Tx) error { return tx.SetExit(row.ID, one) })
		got, begun, err := j.Exit(t.Context(), row.ID, one.Key)
		if diff := cmp.Diff(one, got); !begun || err != nil || diff != "" {
			t.Errorf("Exit: %t, %v (-want +got):\n%s", begun, err, diff)
		}
	}
	set(func(tx *Tx) error { return tx.Unwatch(row.ID) })
	if watched, _, err := j.Watched(t.Context(), row.ID); err != nil || watched {
		t.Errorf("after Unwatch: Watched = %t, %v", watched, err)
	}
	if got, err := j.Exits(t.Context(), row.ID); err != nil || len(got) != 1 || got[0].Runs != 2 {
		t.Errorf("after Unwatch: Exits = %+v, %v", got, err)
	}
}

// TestExitsAreBounded keeps those that failed.
func TestExitsAreBounded(t *testing.T) {
	j := newJournal(t)
	row := planned(1)
	err := j.Update(t.Context(), func(tx *Tx) error {
		if err := errors.Join(tx.Create(row), tx.Watch(row.ID, true)); err != nil {
			return err
		}
		for i := range MaxExitRuns + 5 {
			r := ExitRun{Key: [16]byte{byte(i), byte(i >> 8)}, Phase: mft.ExitPost, Ended: true, Runs: i}
			if i == MaxExitRuns+2 {
				r.Failures = 1
			}
			if err := tx.SetExit(row.ID, r); err != nil {
				return err
			}
		}
		return tx.Unwatch(row.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := j.Exits(t.Context(), row.ID)
	if err != nil || len(got) != MaxExitRuns || got[0].Runs != 0 || got[MaxExitRuns-1].Failures != 1 {
		t.Errorf("Exits = %d, %v; the last is %+v", len(got), err, got[len(got)-1])
	}
}
