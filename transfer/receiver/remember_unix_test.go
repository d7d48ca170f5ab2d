//go:build unix

package receiver

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/transfer/delta"
	"mft.dev/mft/transfer/marks"
	"mft.dev/mft/transfer/receiver/remember"
)

// watched is a memory of which a test sees what it gave out.
type watched struct {
	remember.Memory
	found, kept int
	last        *delta.Record
	stuck       bool // nothing can be forgotten
}

func (w *watched) Find(path string, id confine.Identity) *delta.Record {
	r := w.Memory.Find(path, id)
	if r != nil {
		w.found++
	}
	return r
}

func (w *watched) Keep(path string, id confine.Identity, r *delta.Record) {
	w.kept++
	w.last = r
	w.Memory.Keep(path, id, r)
}

func (w *watched) Forget(path string) error {
	if w.stuck {
		return errors.New("it cannot be removed")
	}
	return w.Memory.Forget(path)
}

func (f *fixture) remembers() *watched {
	w := &watched{Memory: marks.Open(f.t.TempDir(), slog.New(slog.DiscardHandler))}
	f.memory = w
	return w
}

// TestRemembered: the marks that are kept of a file are those of its content,
// whatever of it was copied; the next delta is made with them, and no larger.
func TestRemembered(t *testing.T) {
	const mib = 1 << 20
	large := randomBytes(1, 40*mib)
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	inserted := join(large[:5000], randomBytes(2, mib), large[5000:])
	for _, tt := range []struct {
		name     string
		old, now []byte
	}{
		{"edited", large, scattered(large, 100, 4<<10)},
		{"inserted", large, inserted},
		{"inserted by an odd number", large, join(large[:5000], randomBytes(2, 77_777), large[5000:])},
		{"cut off", large, large[:20*mib+1]},
		{"blocks of another size", large, join(large, large, randomBytes(3, 99))},
		{"nothing in common", large, randomBytes(4, 20*mib)},
		{"with holes", join(large[:9*mib], make([]byte, 20*mib), large[:mib]), join(large[:9*mib], make([]byte, 25*mib), large[:mib])},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			w := f.remembers()
			f.old("big", tt.old)
			for i, now := range [][]byte{tt.now, scattered(tt.now, 5, 300), scattered(tt.now, 9, 500)} {
				f.again()
				f.write("big", now, 0o640)
				wire := f.wire()
				f.deliver()
				f.wrap = nil
				wantSame(t, f.src, f.dst)
				if w.found != i || w.kept != i+1 {
					t.Fatalf("marks were found %d and kept %d times, want %d and %d", w.found, w.kept, i, i+1)
				}
				if got := wire.Load(); i > 0 && got > 256<<10 {
					t.Errorf("%d bytes travelled", got)
				}
				want := delta.NewKey(w.last.Seed).AppendMarks(nil, delta.BlockSize(int64(len(now))), now)
				if !bytes.Equal(w.last.Marks, want) {
					t.Fatal("the marks are not those of the content")
				}
			}
		})
	}
}

// TestNotRemembered: nothing is kept of what came whole, is small, or was taken
// away at once, and nothing is found of what somebody else has written.
func TestNotRemembered(t *testing.T) {
	big := randomBytes(1, 20<<20)
	now := scattered(big, 3, 100)
	for _, tt := range []struct {
		name string
		do   func(f *fixture)
		kept int
	}{
		{"no old version", func(f *fixture) { f.write("big", now, 0o644) }, 0},
		{"not compared", func(f *fixture) {
			f.offer.Compare = mft.CompareNone
			f.old("big", big)
			f.write("big", now, 0o644)
		}, 0},
		{"small", func(f *fixture) {
			f.old("big", big[:4<<20])
			f.write("big", now[:4<<20], 0o644)
		}, 0},
		{"as a delta", func(f *fixture) {
			f.old("big", big)
			f.write("big", now, 0o644)
		}, 1},
		{"taken away", func(f *fixture) {
			f.old("big", big)
			f.write("big", now, 0o644)
			f.step = func(step string, do func() error) error {
				if step == "commit" {
					if err := os.Remove(filepath.Join(f.dst, "big")); err != nil {
						return err
					}
				}
				return do()
			}
		}, 0},
		{"changed at once", func(f *fixture) {
			f.old("big", big)
			f.write("big", now, 0o644)
			f.step = func(step string, do func() error) error {
				if step == "commit" {
					f.old("big", big)
				}
				return do()
			}
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			w := f.remembers()
			tt.do(f)
			f.deliver()
			if w.kept != tt.kept {
				t.Errorf("marks were kept %d times, want %d", w.kept, tt.kept)
			}
			f.again()
			f.step = nil
			f.old("big", big) // by somebody else
			f.write("big", scattered(now, 9, 100), 0o644)
			f.deliver()
			wantSame(t, f.src, f.dst)
			if w.found != 0 {
				t.Error("marks were found of what somebody else has written")
			}
		})
	}
}

// TestRememberedWrongly: somebody changes the file and nothing shows it. What is
// made with the marks that are remembered is found out, nothing wrong is
// delivered, and the next attempt makes them anew: it is a delta again.
func TestRememberedWrongly(t *testing.T) {
	const size = 20 << 20
	for _, tt := range []struct {
		name  string
		stuck bool
		least int64 // bytes on the wire in the second attempt
		most  int64
	}{
		{"forgotten", false, 0, 4 << 20},
		{"not to be forgotten", true, size, size + 1<<20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			w := f.remembers()
			first := randomBytes(1, size)
			f.old("big", first)
			second := scattered(first, 20, 300)
			f.write("big", second, 0o644)
			f.deliver()

			p := filepath.Join(f.dst, "big")
			was := stat(t, p)
			o, err := os.OpenFile(p, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := o.WriteAt(randomBytes(9, 1<<20), 7<<20); err != nil {
				t.Fatal(err)
			}
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(p, time.Time{}, was.ModTime()); err != nil {
				t.Fatal(err)
			}
			w.Memory.Keep(p, confine.Stamp(stat(t, p)), w.last) // as if the kernel had kept all times
			changed, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}

			f.again()
			w.stuck = tt.stuck
			f.write("big", scattered(second, 30, 300), 0o644)
			res := f.attempt(t.Context())
			if got := mft.CodeOf(res.sendErr); got != mft.CodeCorrupt || w.found != 1 {
				t.Fatalf("attempt: %v, marks found %d times, want %s and 1", res.sendErr, w.found, mft.CodeCorrupt)
			}
			if now, err := os.ReadFile(p); err != nil || !bytes.Equal(now, changed) {
				t.Errorf("something was delivered by the attempt that failed: %v", err)
			}
			wire := f.wire()
			f.deliver()
			wantSame(t, f.src, f.dst)
			if got := wire.Load(); got < tt.least || got > tt.most {
				t.Errorf("%d bytes travelled in the next attempt, want %d to %d", got, tt.least, tt.most)
			}
		})
	}
}

func stat(t *testing.T, p string) os.FileInfo {
	t.Helper()
	fi, err := os.Stat(p)
	if err != nil {
		t.Fatal(err)
	}
	return fi
}

// TestRememberedAfterCuts: a delta that is interrupted goes on with the marks
// that are remembered, and those of what it makes are remembered too.
func TestRememberedAfterCuts(t *testing.T) {
	f := newFixture(t)
	w := f.remembers()
	old := randomBytes(1, 48<<20)
	f.old("big", old)
	f.write("big", scattered(old, 3, 100), 0o644)
	f.deliver()
	f.again()
	f.write("big", scattered(old, 120, 4<<10), 0o644)
	var left atomic.Int64
	f.wrap = func(c net.Conn) net.Conn { return parting{c, &left, f.over} }
	attempts := 0
	for at := int64(300 << 10); ; at *= 2 {
		attempts++
		left.Store(at)
		res := f.attempt(t.Context())
		if res.sendErr == nil {
			break
		}
		if attempts > 12 {
			t.Fatalf("no end in sight: %v / %v", res.sendErr, res.receiveErr)
		}
	}
	wantSame(t, f.src, f.dst)
	if attempts < 2 || w.found < 2 {
		t.Errorf("it took %d attempts, in %d of which marks were found", attempts, w.found)
	}
	now, err := os.ReadFile(filepath.Join(f.dst, "big"))
	if err != nil {
		t.Fatal(err)
	}
	want := delta.NewKey(w.last.Seed).AppendMarks(nil, delta.BlockSize(int64(len(now))), now)
	if w.kept != 2 || !bytes.Equal(w.last.Marks, want) {
		t.Errorf("marks were kept %d times, and are not those of the content", w.kept)
	}
}
