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
// one generation from start to end, and once the writer rests everything is.
func TestChangingFile(t *testing.T) {
	for _, tt := range []struct {
		name        string
		size        int
		generations int
		pause       time.Duration // the longest between two generations
	}{
		{name: "small", size: 100 << 10, generations: 600, pause: 5 * time.Millisecond},
		{name: "big", size: 8 << 20, generations: 60, pause: 40 * time.Millisecond},
		{name: "never at rest", size: 4 << 20, generations: 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			alpha, beta := newPair(t)
			source := filepath.Join(alpha.Out(), "report")
			ended := rewrite(t, source, tt.size, sample(1, 2)*tt.generations, tt.pause)
			var orders []mft.TransferID
			for writing := true; writing; {
				dest := filepath.Join(beta.In(), numbered(len(orders)))
				id, err := mft.ParseTransferID(strings.TrimSpace(
					alpha.mft("copy", "--detach", source, "--dest-agent", "beta", "--dest-path", dest)))
				if err != nil {
					t.Fatal(err)
				}
				orders = append(orders, id)
				select {
				case <-ended:
					writing = false
				default:
				}
			}
			// The last one is ordered while the writer rests.
			last := filepath.Join(beta.In(), "last")
			alpha.mft("copy", source, "--dest-agent", "beta", "--dest-path", last)
			oneGeneration(t, last)
			attempts, unsettled := 0, 0
			for i, id := range orders {
				tr := alpha.awaitEnd(id)
				attempts += tr.Attempts
				name := filepath.Join(beta.In(), numbered(i))
				switch {
				case tr.State == mft.StateDone:
					oneGeneration(t, name)
				case tr.State == mft.StateFailed && tr.Reason != nil && tr.Reason.Code == mft.CodeChanged:
					// The writer left it no moment: then nothing may arrive.
					unsettled++
					if _, err := os.Lstat(name); err == nil {
						t.Errorf("copy %d failed, and yet it is there", i)
					}
				default:
					t.Errorf("copy %d ended as %s: %+v", i, tr.State, tr.Reason)
				}
			}
			t.Logf("%d copies in %d attempts, %d never found the file at rest", len(orders), attempts, unsettled)
		})
	}
}

// rewrite replaces the content of a file in place, generation after
// generation, and closes the channel after the last. Each one is written with
// one system call, so that the file is whole whenever no such call is being
// made.
func rewrite(t *testing.T, path string, size, generations int, pause time.Duration) <-chan struct{} {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(generation int) error {
		word := binary.LittleEndian.AppendUint64(nil, uint64(generation))
		_, err := f.WriteAt(bytes.Repeat(word, size/8), 0)
		return err
	}
	if err := write(0); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer f.Close()
		for g := range generations {
			if pause > 0 {
				<-time.After(rand.N(pause)) // at any moment of somebody's reading
			}
			if err := write(1 + g); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	t.Cleanup(func() { <-ended })
	return ended
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
