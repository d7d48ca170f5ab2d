package spare

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/database"
	"mft.dev/mft/journal/form"
)

// written makes a journal with n events, closed.
func written(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.db")
	more(t, path, n)
	return path
}

// more opens the journal at path, as this version, and appends n events.
func more(t *testing.T, path string, n int) {
	t.Helper()
	j, err := journal.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := j.Update(t.Context(), func(tx *journal.Tx) error { return tx.Append(mft.Event{Kind: mft.EventAgentStarted}) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// migrate does to the journal what a newer version does.
func migrate(t *testing.T, path string) {
	t.Helper()
	f := form.Steps()
	f.Steps = append(f.Steps, "CREATE TABLE newer (n INTEGER)")
	db, err := database.Open(t.Context(), path, f)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func events(t *testing.T, path string) int64 {
	t.Helper()
	j, err := journal.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	return j.Newest()
}

func TestSettle(t *testing.T) {
	for _, tt := range []struct {
		name     string
		trial    func(t *testing.T, path string)
		restored bool
		events   int64
	}{
		{"the trial did nothing", func(*testing.T, string) {}, false, 3},
		{"it wrote and kept the schema", func(t *testing.T, path string) { more(t, path, 2) }, false, 5},
		{"it changed the schema", migrate, true, 3},
		{"a second trial after a crash", func(t *testing.T, path string) {
			migrate(t, path)
			if err := Take(t.Context(), path); err != nil { // must not copy what is newer
				t.Fatal(err)
			}
		}, true, 3},
		{"a crash when it was decided", func(t *testing.T, path string) {
			migrate(t, path)
			if err := rename(path+suffixSpare, path+suffixRestore); err != nil {
				t.Fatal(err)
			}
		}, true, 3},
		{"a crash while it was restored", func(t *testing.T, path string) {
			migrate(t, path)
			if err := os.WriteFile(path+suffixWAL, []byte("of the other file"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := rename(path+suffixSpare, path+suffixRestore); err != nil {
				t.Fatal(err)
			}
		}, true, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := written(t, 3)
			if err := Take(t.Context(), path); err != nil {
				t.Fatal(err)
			}
			tt.trial(t, path)
			for again, want := range []bool{tt.restored, false} {
				if got, err := Settle(t.Context(), path); err != nil || got != want {
					t.Fatalf("Settle number %d = %v, %v, want %v", again+1, got, err, want)
				}
			}
			if got := events(t, path); got != tt.events {
				t.Errorf("the journal has %d events, want %d", got, tt.events)
			}
			if left, err := filepath.Glob(path + ".[sr]*"); err != nil || len(left) > 0 {
				t.Errorf("there is left %q, %v", left, err)
			}
		})
	}
}

func TestNothingToSettle(t *testing.T) {
	if got, err := Settle(t.Context(), filepath.Join(t.TempDir(), "none", "journal.db")); err != nil || got {
		t.Errorf("Settle where nothing is = %v, %v", got, err)
	}
}

// TestOpenJournal: what somebody has open is not touched.
func TestOpenJournal(t *testing.T) {
	path := written(t, 1)
	if err := Take(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if _, err := Settle(t.Context(), path); mft.CodeOf(err) != mft.CodeRunning {
		t.Errorf("Settle = %v, want code %s", err, mft.CodeRunning)
	}
	if err := Take(t.Context(), path); mft.CodeOf(err) != mft.CodeRunning {
		t.Errorf("Take = %v, want code %s", err, mft.CodeRunning)
	}
}

func TestTakeRefuses(t *testing.T) {
	path := written(t, 1)
	if err := os.WriteFile(path+suffixWAL, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Take(t.Context(), path); mft.CodeOf(err) != mft.CodeJournal || there(path+suffixSpare) {
		t.Errorf("Take of a journal that was not closed = %v, want code %s and no copy", err, mft.CodeJournal)
	}
	path = written(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Take(ctx, path); !errors.Is(err, context.Canceled) || there(path+suffixSpare) {
		t.Errorf("Take after the end of its context = %v, want that and no copy", err)
	}
}
