package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mft.dev/mft"
)

// TestFlushedBeforePrepared looks at the calls of a receiver: after the last one
// that changes what is staged comes a flush that covers it, then the journal,
// which says PREPARED, and then the rename by which it appears. A crash in
// between would show nothing of a flush that is missing, for the kernel
// lives on; a power failure would.
func TestFlushedBeforePrepared(t *testing.T) {
	needs(t, canTrace, "the tracer does not know this machine")
	for _, tt := range []struct {
		name  string
		files map[string]int64
		// flush is the call, and staged whether it names what is renamed, and not
		// the file system.
		flush  string
		staged bool
	}{
		{"a new directory", map[string]int64{"new/a": 5000, "new/b/c": 300 << 10, "new/b/d": 0, "new/b/e/big": 3 << 20}, "syncfs", false},
		{"a file", map[string]int64{"new": 3 << 20}, "fsync", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			calls := callsOf(t, tt.files)
			appears := slices.IndexFunc(calls, func(c change) bool {
				return c.name == "renameat2" && len(c.paths) == 2 && filepath.Base(c.paths[1]) == "new"
			})
			if appears < 0 {
				t.Fatalf("nothing was given its name in %q", calls)
			}
			temp := calls[appears].paths[0]
			changed, flushed, journaled := -1, -1, -1
			for i, c := range calls[:appears] {
				switch {
				case c.name == tt.flush && (!tt.staged || c.paths[0] == temp):
					flushed = i
				case strings.HasSuffix(c.name, "sync"):
					if strings.HasSuffix(c.paths[0], "journal.db-wal") {
						journaled = i
					}
				case slices.ContainsFunc(c.paths, func(p string) bool { return p == temp || strings.HasPrefix(p, temp+"/") }):
					changed = i
				}
			}
			if changed < 0 || flushed < changed || journaled < flushed {
				t.Errorf("changed at %d, flushed at %d, journaled at %d, renamed at %d, want it in this order: %q",
					changed, flushed, journaled, appears, calls[:appears+1])
			}
		})
	}
}

// A change is a call that changes files.
type change struct {
	name  string
	paths []string
}

// callsOf delivers files of these sizes and returns the calls of the receiver.
func callsOf(t *testing.T, files map[string]int64) (calls []change) {
	t.Helper()
	alpha, beta := newPair(t)
	beta.stop()
	spec := tracing{
		Under: []string{beta.Data(), beta.In()}, Log: filepath.Join(beta.Dir, "calls"), Arm: filepath.Join(beta.Dir, "armed"),
	}
	if err := beta.launch(&spec); err != nil {
		t.Fatal(err)
	}
	beta.await()
	if err := os.WriteFile(spec.Arm, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	rnd := chance(t)
	for name, size := range files {
		p := filepath.Join(alpha.Out(), name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		fill(t, p, size, rnd)
	}
	id, err := order(alpha, beta, filepath.Join(alpha.Out(), "new"))
	if err != nil {
		t.Fatal(err)
	}
	if tr := alpha.awaitEnd(id); tr.State != mft.StateDone {
		t.Fatalf("the transfer ended as %+v", tr)
	}
	lines, err := readTrace(spec.Log)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if f := strings.Fields(l); len(f) > 2 {
			calls = append(calls, change{f[1], f[2:]})
		}
	}
	return calls
}
