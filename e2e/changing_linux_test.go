package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
)

// TestChangingFile sends a file again and again while a writer replaces its
// content in place, one generation after the other. Whatever is delivered is
// one generation from start to end; a file that never settles is not delivered
// and the transfer says why.
func TestChangingFile(t *testing.T) {
	for _, tt := range []struct {
		name  string
		size  int
		pause time.Duration // the longest between two generations
	}{
		{name: "small, in the batch", size: 100 << 10, pause: 5 * time.Millisecond},
		{name: "big", size: 8 << 20, pause: 40 * time.Millisecond},
		{name: "never at rest", size: 4 << 20, pause: 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rnd := chance(t)
			alpha, beta := newPair(t)
			source := filepath.Join(alpha.Out(), "report")
			stop := rewrite(t, source, tt.size, tt.pause, rnd)
			delivered := 0
			for i := range sample(10, 60) {
				dest := filepath.Join(beta.In(), numbered(i))
				out, err := alpha.run("copy", source, "--dest-agent", "beta", "--dest-path", dest)
				if err == nil {
					delivered++
					oneGeneration(t, dest)
					continue
				}
				if !strings.Contains(err.Error(), string(mft.CodeChanged)) {
					t.Errorf("copy %d: %v\n%s", i, err, out)
				}
				if _, err := os.Lstat(dest); err == nil {
					t.Errorf("copy %d failed, but %s is there", i, dest)
				}
			}
			stop()
			final := filepath.Join(beta.In(), "final")
			alpha.mft("copy", source, "--dest-agent", "beta", "--dest-path", final)
			oneGeneration(t, final)
			t.Logf("%d copies of the changing file were delivered", delivered)
		})
	}
}

// rewrite replaces the content of a file in place until the function that it
// returns is called. Each generation is written with one system call, so that
// the file is whole whenever no such call is being made.
func rewrite(t *testing.T, path string, size int, pause time.Duration, rnd *rand.Rand) (stop func()) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(generation uint64) error {
		word := binary.LittleEndian.AppendUint64(nil, generation)
		_, err := f.WriteAt(bytes.Repeat(word, size/8), 0)
		return err
	}
	if err := write(0); err != nil {
		t.Fatal(err)
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer f.Close()
		for g := uint64(1); ; g++ {
			wait := time.Duration(0)
			if pause > 0 {
				wait = time.Duration(rnd.Int64N(int64(pause)))
			}
			select {
			case <-end:
				return
			case <-time.After(wait):
			}
			if err := write(g); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}

// oneGeneration fails the test unless every word of the file is the same.
func oneGeneration(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return
	}
	if len(b) < 8 {
		t.Errorf("%s: %d bytes", path, len(b))
		return
	}
	if rest := bytes.TrimPrefix(b, bytes.Repeat(b[:8], len(b)/8)); len(rest) == 0 {
		return
	}
	var runs []string
	last := uint64(0)
	for i := 0; i+8 <= len(b); i += 8 {
		if g := binary.LittleEndian.Uint64(b[i:]); i == 0 || g != last {
			last = g
			runs = append(runs, fmt.Sprintf("%d at %d", g, i))
		}
	}
	t.Errorf("%s is a mixture of generations: %s", path, strings.Join(runs[:min(10, len(runs))], ", "))
}
