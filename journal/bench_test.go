package journal

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"mft.dev/mft"
)

// BenchmarkUpdate is what one step of a transfer costs: a state and an event,
// durable.
func BenchmarkUpdate(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			j := newJournal(b)
			create(b, j, callers)
			var left atomic.Int64
			left.Store(int64(b.N))
			b.ResetTimer()
			var all sync.WaitGroup
			for c := range callers {
				all.Go(func() {
					for left.Add(-1) >= 0 {
						err := j.Update(b.Context(), func(tx *Tx) error {
							if err := tx.SetState(id(c), mft.StateRunning, mft.Reason{}, at(c)); err != nil {
								return err
							}
							return tx.Append(event(c))
						})
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
		})
	}
}

const (
	prepareEnv = "MFT_JOURNAL_PREPARE"
	batchSize  = 4096
)

// realistic returns entries as a transfer makes them: keys and digests do not
// compress, names do.
func realistic(from, n int) []Entry {
	out := make([]Entry, n)
	for i := range out {
		k := from + i
		sum := sha256.Sum256([]byte(strconv.Itoa(k)))
		e := Entry{Digest: sum, Size: int64(k % 9999), Type: mft.ItemFile, Overwrite: mft.OverwriteReplace}
		copy(e.Key[:], sum[16:])
		e.Temp = fmt.Sprintf("in/.mft-0192f0c12d5b7c3a8e4f0123456789ab.part/%x", e.Key)
		e.Final = fmt.Sprintf("in/2026/%03d/invoice-%08d.pdf", k/1000, k)
		out[i] = e
	}
	return out
}

// BenchmarkPrepareMillion prepares and commits a transfer of one million files
// in a process of its own, and reports its peak memory and the journal's size.
func BenchmarkPrepareMillion(b *testing.B) {
	for b.Loop() {
		peak, size := prepareInChild(b, 1_000_000)
		b.ReportMetric(float64(peak)/(1<<20), "peak-MiB")
		b.ReportMetric(float64(size)/(1<<20), "journal-MiB")
	}
}

// TestPrepareMemory holds the journal's share of the agent's 64 MiB, for a
// transfer long enough to show growth.
func TestPrepareMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector multiplies memory")
	}
	peak, size := prepareInChild(t, 40*batchSize)
	if peak == 0 {
		t.Skip("this system does not tell the peak of a process")
	}
	if peak > 44<<20 {
		t.Errorf("peak memory %d KiB, want at most 44 MiB", peak>>10)
	}
	if limit := int64(40 * batchSize * 80); size > limit {
		t.Errorf("the journal has %d bytes, want at most %d", size, limit)
	}
}

// prepareInChild returns the peak resident memory of the child, 0 where the
// system does not tell, and the size of the journal afterwards.
func prepareInChild(t testing.TB, items int) (peak, size int64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.db")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", prepareEnv, items, path))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, err := fmt.Sscan(string(out), &peak); err != nil {
		t.Fatalf("the child said %q: %v", out, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return peak, info.Size()
}

func prepareChild(order string) {
	number, path, _ := strings.Cut(order, " ")
	items, _ := strconv.Atoi(number)
	ctx := context.Background()
	j, err := Open(ctx, path)
	if err == nil {
		err = j.Update(ctx, func(tx *Tx) error { return tx.Create(planned(0)) })
	}
	for n := 0; n < items && err == nil; n += batchSize {
		var batch int64
		list := realistic(n, min(batchSize, items-n))
		err = j.Update(ctx, func(tx *Tx) (err error) {
			batch, err = tx.Prepare(id(0), list)
			return err
		})
		if err == nil {
			err = j.Update(ctx, func(tx *Tx) error { return tx.Commit(id(0), batch) })
		}
	}
	seen := 0
	if err == nil {
		err = j.Committed(ctx, id(0), func([16]byte, mft.Digest) error { seen++; return nil })
	}
	if err == nil && seen != items {
		err = fmt.Errorf("%d items are committed, want %d", seen, items)
	}
	if err == nil {
		err = j.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(peakMemory())
}

// peakMemory returns the peak resident memory of this process in bytes, 0
// where the system does not tell.
func peakMemory() int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kib << 10
		}
	}
	return 0
}
