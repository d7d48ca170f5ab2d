package arrival

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/trigger"
)

// sent makes files, some in one big directory, and has all of them sent.
func (b *bench) sent() {
	b.t.Helper()
	for i := range 3*partFiles + 7 {
		b.write(fmt.Sprintf("big/f%03d", i), "x")
	}
	b.write("a", "1")
	b.write("d/b", "2")
	if got := b.settle(); len(got) != 3*partFiles+9 {
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
	if now := remembered(b); now[b.w.memory.key(".")] != nil || len(now) != len(before)-1 {
		t.Errorf("%d of %d directories are remembered after a file in one was sent", len(now), len(before))
	}
	b.now = b.now.Add(time.Hour)
	b.look("")
	if now := remembered(b); len(now) != len(before) {
		t.Errorf("%d of %d directories are remembered after another look", len(now), len(before))
	}
}

func remembered(b *bench) map[uint64][]uint64 { return maps.Clone(b.w.memory.dirs) }

// TestMemoryOfParts is about one memory, which knows what it was told last, and not of too
// many directories.
func TestMemoryOfParts(t *testing.T) {
	m := newMemory()
	m.keep("d", 1, 7)
	m.keep("d", 2, 0)
	for part, want := range []bool{false, true, false} {
		if m.knows("d", part, 7) != want {
			t.Errorf("part %d is known: %v, want %v", part, !want, want)
		}
	}
	m.keep("d", 1, 0)
	if m.knows("d", 1, 7) || m.knows("d", 1, 0) {
		t.Error("it knows what it was told that nobody knows")
	}
	for i := range 2 * maxMemory {
		m.keep(fmt.Sprint(i), 0, 7)
	}
	if n := len(m.dirs); n > maxMemory || !m.knows(fmt.Sprint(2*maxMemory-1), 0, 7) {
		t.Errorf("%d directories are remembered, at most %d should be, and the last", n, maxMemory)
	}
}

// A part looks other when its files have other names, whatever the file system makes of a
// change of names, and a directory has as many parts as its files are worth.
func TestLooks(t *testing.T) {
	b := newBench(t, nil)
	b.sent()
	for dir, want := range map[string]int{".": 1, "d": 1, "big": 4} {
		if got := len(remembered(b)[b.w.memory.key(dir)]); got != want {
			t.Errorf("%d parts of %s are remembered, want %d", got, dir, want)
		}
	}
	p := part{looking: &looking{Watcher: b.w}}
	one, two := trigger.Sighting{Size: 1, Inode: 1}, trigger.Sighting{Size: 1, Inode: 2}
	was := p.look([]partFile{{"a", one}, {"b", two}})
	for name, now := range map[string][]partFile{
		"exchanged": {{"b", one}, {"a", two}}, "others": {{"a", two}, {"b", one}}, "less": {{"a", one}}, "more": {{"a", one}, {"b", two}, {"c", two}},
	} {
		if p.look(now) == was {
			t.Errorf("%s: it looks the same", name)
		}
	}
}
