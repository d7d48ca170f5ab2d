package arrival

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/lookout"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/trigger"
)

// sent makes files, some in one big directory, and has all of them sent.
func (b *bench) sent() {
	b.t.Helper()
	for i := range 3*lookout.PartFiles + 7 {
		b.write(fmt.Sprintf("big/f%03d", i), "x")
	}
	b.write("a", "1")
	b.write("d/b", "2")
	if got := b.settle(); len(got) != 3*lookout.PartFiles+9 {
		b.t.Fatalf("placed %d files", len(got))
	}
	b.look("") // remembers
}

// The journal is asked only about directories in which something is different from when
// all was sent.
func TestMemory(t *testing.T) {
	b := newBench(t, nil)
	b.sent()
	if err := b.journal.Close(); err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{"": true}
	if !b.w.look(t.Context(), all) {
		t.Fatalf("a look at files that were sent asks the journal: %v", b.w.Status().Problem)
	}
	b.write("big/f150", "y")
	if b.w.look(t.Context(), all) {
		t.Error("a look at a file that has changed does not ask the journal")
	}
}

func TestMemoryHidesNothing(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(b *bench)
		want   []string
	}{
		{"a file changes", func(b *bench) { b.write("big/f150", "y") }, []string{"big/f150"}},
		{"a file is new", func(b *bench) { b.write("big/new", "y") }, []string{"big/new"}},
		{"in a new directory", func(b *bench) { b.write("e/new", "y") }, []string{"e/new"}},
		{"a file is replaced by one like it", func(b *bench) {
			was, err := os.Stat(filepath.Join(b.w.Root(), "a"))
			if err != nil {
				b.t.Fatal(err)
			}
			b.write("aside", "2")
			for _, err := range []error{
				os.Rename(filepath.Join(b.w.Root(), "aside"), filepath.Join(b.w.Root(), "a")),
				os.Chtimes(filepath.Join(b.w.Root(), "a"), was.ModTime(), was.ModTime()),
			} {
				if err != nil {
					b.t.Fatal(err)
				}
			}
		}, []string{"a"}},
		{"two are exchanged", func(b *bench) {
			at := func(name string) string { return filepath.Join(b.w.Root(), name) }
			for _, err := range []error{os.Rename(at("a"), at("c")), os.Rename(at("d/b"), at("a")), os.Rename(at("c"), at("d/b"))} {
				if err != nil {
					b.t.Fatal(err)
				}
			}
		}, []string{"a", "d/b"}},
		{"a file is gone", func(b *bench) {
			if err := os.Remove(filepath.Join(b.w.Root(), "big/f150")); err != nil {
				b.t.Fatal(err)
			}
		}, nil},
		{"what was sent came to nothing", func(b *bench) {
			err := b.journal.Update(b.t.Context(), func(tx *journal.Tx) error {
				return b.w.Again(tx, mft.Transfer{Sources: []string{filepath.Join(b.w.Root(), "big/f150")}})
			})
			if err != nil {
				b.t.Fatal(err)
			}
			clear(b.w.ready) // as when the agent was started anew
		}, []string{"big/f150"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, nil)
			b.sent()
			tt.change(b)
			if got := b.settle(); !slices.Equal(got, tt.want) {
				t.Errorf("placed %q, want %q", got, tt.want)
			}
		})
		t.Run(tt.name+", swept", func(t *testing.T) {
			b := newBench(t, nil)
			b.sent()
			tt.change(b)
			b.placed = nil
			if _, err := b.w.Sweep(t.Context(), "r"); err != nil {
				t.Error(err)
			}
			if got := b.sources(); !slices.Equal(got, tt.want) {
				t.Errorf("placed %q, want %q", got, tt.want)
			}
		})
	}
}

// A directory that looks as it did before is not taken for one whose files were sent like
// this when others were sent in between.
func TestMemoryIsOfWhatWasSentLast(t *testing.T) {
	b := newBench(t, nil)
	b.sent()
	before := remembered(b)
	b.write("a", "new")
	b.settle()
	if now := remembered(b); now[""] != 0 || now["d"] != 1 || now["big"] != 4 {
		t.Errorf("%v are remembered of %v after a file in one was sent", now, before)
	}
	b.now = b.now.Add(time.Hour)
	b.look("")
	if now := remembered(b); !maps.Equal(now, before) {
		t.Errorf("%v are remembered of %v after another look", now, before)
	}
}

// remembered returns how many parts of which directories are known.
func remembered(b *bench) map[string]int {
	out := map[string]int{}
	for _, dir := range []string{"", "d", "big"} {
		for _, look := range b.w.memory.dirs[lookout.DirHash(b.w.memory.key, dir)] {
			if look != 0 {
				out[dir]++
			}
		}
	}
	return out
}

// TestMemoryOfParts is about one memory, which knows what it was told last, and not of too
// many directories or parts.
func TestMemoryOfParts(t *testing.T) {
	m := newMemory()
	of := func(dir uint64, n uint32, look uint64) trigger.Part {
		return trigger.Part{Dir: dir, Number: n, Look: look}
	}
	for n, look := range []uint64{0, 7, 0} {
		m.keep(of(1, uint32(n), look))
	}
	for n, want := range []bool{false, true, false, false} {
		if m.knows(of(1, uint32(n), 7)) != want {
			t.Errorf("part %d is known: %v, want %v", n, !want, want)
		}
	}
	m.keep(of(1, 1, 0))
	if m.knows(of(1, 1, 7)) || m.knows(of(1, 1, 0)) {
		t.Error("it knows what it was told that nobody knows")
	}
	m.keep(of(1, 1<<31, 7)) // somebody lies
	for i := range 2 * uint64(maxMemory) {
		m.keep(of(i, 0, 7))
	}
	if n := len(m.dirs); n > maxMemory || !m.knows(of(2*maxMemory-1, 0, 7)) {
		t.Errorf("%d directories are remembered, at most %d should be, and the last", n, maxMemory)
	}
	for n := range uint32(2 * maxParts) {
		m.keep(of(2*maxMemory-1, n, 7))
	}
	if m.parts > maxParts {
		t.Errorf("%d parts are remembered, at most %d should be", m.parts, maxParts)
	}
}

// TestMemoryOfForgotten: what a memory forgets makes room.
func TestMemoryOfForgotten(t *testing.T) {
	m := newMemory()
	for _, file := range []string{"f", "d/f"} {
		for n := range uint32(3) {
			dir, _ := path.Split(file)
			m.keep(trigger.Part{Dir: lookout.DirHash(m.key, strings.TrimSuffix(dir, "/")), Number: n, Look: 7})
		}
		m.forget(file)
	}
	if m.parts != 0 || len(m.dirs) != 0 {
		t.Errorf("%d parts of %d directories are remembered", m.parts, len(m.dirs))
	}
}

// A directory has as many parts as its files are worth, and one is not remembered in which
// a file may come to move just because time passes.
func TestMemoryKeeps(t *testing.T) {
	b := newBench(t, nil)
	b.sent()
	if got, want := remembered(b), map[string]int{"": 1, "d": 1, "big": 4}; !maps.Equal(got, want) {
		t.Errorf("%v parts are remembered, want %v", got, want)
	}

	b = newBench(t, func(ch *mft.Channel) { ch.Select = mft.Selection{MinAge: time.Hour, Exclude: []string{"*.tmp"}} })
	b.write("x.tmp", "1")
	b.write("d/young", "2")
	b.look("")
	if got, want := remembered(b), map[string]int{"": 1}; !maps.Equal(got, want) {
		t.Errorf("%v parts are remembered, want %v", got, want)
	}
	b.now = b.now.Add(2 * time.Hour)
	if got := b.settle(); !slices.Equal(got, []string{"d/young"}) {
		t.Errorf("placed %q, want the file that has come of age", got)
	}
}

// A liar is a lookout that tells of other files than it said.
type liar struct {
	lookout.Lookout
	says uint32
	id   confine.Identity
}

func (l liar) Look(_ context.Context, s lookout.Search, see lookout.See) error {
	for n := range uint32(2) {
		known, err := s.Known([]trigger.Part{{Number: n, Look: 7, Files: l.says}})
		if err != nil {
			return err
		}
		if known[0] {
			continue
		}
		for _, name := range []string{"x", "y"} {
			if err := see(fmt.Sprint(name, n), l.id, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// TestHearingOfLies: a source that is told of wrongly has its files looked at all the same,
// and of what did not come nothing is remembered.
func TestHearingOfLies(t *testing.T) {
	for says, want := range map[uint32]int{0: 2, 1: 2, 2: 0, 3: 0, 1 << 31: 0} {
		b := newBench(t, func(ch *mft.Channel) { ch.Select.Exclude = []string{"x*"} })
		b.w.At = liar{says: says, id: confine.Identity{Size: 1, Mode: 0o100644}}
		b.look("")
		if len(b.w.settling) != 2 {
			t.Errorf("says %d: %d files settle, want both", says, len(b.w.settling))
		}
		got := 0
		for n := range uint32(2) {
			if b.w.memory.knows(trigger.Part{Number: n, Look: 7}) {
				got++
			}
		}
		if got != want {
			t.Errorf("says %d: %d parts are remembered, want %d", says, got, want)
		}
	}
}
