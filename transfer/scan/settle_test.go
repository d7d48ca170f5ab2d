package scan

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
)

func TestSettleDelay(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	at := func(d time.Duration) int64 { return now.Add(d).UnixNano() }
	for _, tt := range []struct {
		name string
		id   confine.Identity
		want time.Duration // 0: none
	}{
		{"long ago", confine.Identity{MTime: at(-time.Hour), CTime: at(-time.Hour)}, 0},
		{"just now", confine.Identity{MTime: at(0), CTime: at(0)}, tick},
		{"a little ago", confine.Identity{MTime: at(-time.Hour), CTime: at(-10 * time.Millisecond)}, 15 * time.Millisecond},
		{"a tick ago", confine.Identity{CTime: at(-tick)}, 0},
		{"mtime was set to the future", confine.Identity{MTime: at(time.Hour), CTime: at(-time.Hour)}, 0},
		{"clock ahead of ours", confine.Identity{CTime: at(time.Hour)}, tick},
		{"no ctime", confine.Identity{MTime: at(-5 * time.Millisecond)}, 20 * time.Millisecond},
		{"no ctime, long ago", confine.Identity{MTime: at(-time.Hour)}, 0},
		{"before the epoch", confine.Identity{MTime: -1, CTime: -1}, 0},
	} {
		if got := max(settleDelay(tt.id, now), 0); got != tt.want {
			t.Errorf("%s: settleDelay = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Source{Path: "/srv/out"}
		start := time.Now()
		id := confine.Identity{CTime: start.Add(-5 * time.Millisecond).UnixNano()}
		if err := s.Settle(t.Context(), id, time.Now); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got != 20*time.Millisecond {
			t.Errorf("Settle waited %v, want 20ms", got)
		}
		start = time.Now()
		if err := s.Settle(t.Context(), id, time.Now); err != nil || time.Since(start) != 0 {
			t.Errorf("Settle of an old file waited %v (%v), want not at all", time.Since(start), err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("enough of this")
		cancel(why)
		id.CTime = time.Now().UnixNano()
		if err := s.Settle(ctx, id, time.Now); mft.CodeOf(err) != mft.CodeCancelled || !errors.Is(err, why) {
			t.Errorf("Settle with a context that is done: %v, want %q", err, mft.CodeCancelled)
		}
	})
}

// The promise, with a real kernel: what changes after Settle shows, even when
// size and modification time are made to look the same.
func TestSettledChangeShows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	root, err := confine.Open(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	look := func() confine.Identity {
		t.Helper()
		fi, err := root.Lstat("f")
		if err != nil {
			t.Fatal(err)
		}
		return confine.Stamp(fi)
	}
	s := &Source{Root: root}
	fixed := time.Unix(1_700_000_000, 0)
	for i := range 5 {
		for _, content := range []string{"one", "two"} {
			if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, fixed, fixed); err != nil {
				t.Fatal(err)
			}
			before := look()
			if before.CTime == 0 {
				t.Skip("this system keeps no time of change")
			}
			if err := s.Settle(t.Context(), before, time.Now); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("new"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(path, fixed, fixed); err != nil {
				t.Fatal(err)
			}
			if after := look(); after == before {
				t.Fatalf("round %d: the file was changed and is still %+v", i, after)
			}
		}
	}
}
