package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"mft.dev/mft"
)

// TestMemory moves one very big file, and very many small ones, and looks at
// the most memory that either agent ever had.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("moves gigabytes")
	}
	const mib = 1 << 20
	bigSize, count := int64(sample(512, 2048))*mib, sample(20_000, 50_000)
	if *long {
		bigSize, count = 20<<30, 1_000_000
	}
	for _, tt := range []struct {
		name  string
		limit int64
		make  func(t *testing.T, dir string)
	}{
		{name: "nothing", limit: 64 * mib, make: func(*testing.T, string) {}},
		{name: "one big file", limit: 64 * mib, make: func(t *testing.T, dir string) {
			fill(t, filepath.Join(dir, "big"), bigSize, chance(t))
		}},
		{name: fmt.Sprintf("%d small files", count), limit: 200 * mib, make: func(t *testing.T, dir string) {
			for i := range count {
				sub := filepath.Join(dir, fmt.Sprintf("%03d", i/1000))
				if i%1000 == 0 {
					if err := os.Mkdir(sub, 0o755); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.WriteFile(filepath.Join(sub, numbered(i)), []byte(numbered(i)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alpha, beta := newPair(t)
			top := filepath.Join(alpha.Out(), "tree")
			if err := os.Mkdir(top, 0o755); err != nil {
				t.Fatal(err)
			}
			tt.make(t, top)
			id, err := order(alpha, beta, top)
			if err != nil {
				t.Fatal(err)
			}
			if tr := alpha.awaitEnd(id); tr.State != mft.StateDone {
				t.Fatalf("the transfer is %s: %+v", tr.State, tr.Reason)
			}
			for _, h := range []*host{alpha, beta} {
				got := h.peakMemory()
				t.Logf("%s: at most %.1f MiB", h.Name, float64(got)/mib)
				if got > tt.limit {
					t.Errorf("%s: at most %.1f MiB, want no more than %d", h.Name, float64(got)/mib, tt.limit/mib)
				}
			}
		})
	}
}

// peakMemory returns the most resident memory that the agent had in its life,
// in bytes.
func (h *host) peakMemory() int64 {
	h.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.Running().PID()))
	if err != nil {
		h.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				h.t.Fatal(err)
			}
			return kib << 10
		}
	}
	h.t.Fatal("the kernel does not tell the peak memory of a process")
	return 0
}
