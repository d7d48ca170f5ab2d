package resident

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol/listing"
)

// long is a time that no change made by a test has.
var long = time.Unix(1_000_000_000, 0)

// looked is a place with a directory d that differs from the sender's, has been
// listed, and holds a, b and c.
type looked struct {
	*Place
	t   *testing.T
	top string
}

func newLooked(t *testing.T) looked {
	t.Helper()
	l := looked{t: t, top: t.TempDir()}
	for _, name := range []string{"a", "b", "c"} {
		l.write("d/"+name, name)
	}
	l.age("d")
	root, err := confine.Open(l.top)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	l.Place, err = Open(root, "", Terms{
		Compare:    mft.CompareQuick,
		Attributes: func(*mft.Item) confine.Attributes { return confine.Attributes{UID: -1, GID: -1} },
		Building:   func(string) bool { return false },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.ask("d")
	return l
}

// ask has a directory compared with something else.
func (l looked) ask(dir string) {
	l.t.Helper()
	a, err := l.Answer(l.t.Context(), 0, &listing.Listing{Path: dir, Entries: 99})
	if err != nil || a.Answer != listing.List {
		l.t.Fatalf("Answer() = %v, %v, want List", a, err)
	}
}

func (l looked) write(name, content string) {
	l.t.Helper()
	full := filepath.Join(l.top, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		l.t.Fatal(err)
	}
	l.age(name)
}

func (l looked) age(name string) {
	l.t.Helper()
	if err := os.Chtimes(filepath.Join(l.top, name), long, long); err != nil {
		l.t.Fatal(err)
	}
}

func (l looked) rename(from, to string) {
	l.t.Helper()
	if err := os.Rename(filepath.Join(l.top, from), filepath.Join(l.top, to)); err != nil {
		l.t.Fatal(err)
	}
}

// finds reports whether d/name is found to be the same as the item that it was
// made from.
func (l looked) finds(name string) bool {
	l.t.Helper()
	it := mft.Item{Path: "d/" + name, Type: mft.ItemFile, Mode: 0o644, Size: 1, MTime: long.UnixNano()}
	f, err := l.Find(l.t.Context(), it.Path, &it)
	return err == nil && f.Finding == Same
}

func TestFindGoesByWhatWasSeen(t *testing.T) {
	for _, c := range []struct {
		name   string
		before []string // asked for before the change
		change func(looked)
		ask    string
		want   bool
	}{
		{"nothing changed", nil, func(looked) {}, "b", true},
		{"written in place since it was seen", nil, func(l looked) { l.write("d/b", "bbb") }, "b", true},
		{"replaced", nil, func(l looked) {
			l.write("other", "long")
			l.rename("other", "d/b")
		}, "b", false},
		{"removed", nil, func(l looked) { l.rename("d/b", "gone") }, "b", false},
		{"appeared", nil, func(l looked) { l.write("d/new", "n") }, "new", true},
		{"appeared among those that are asked for", []string{"a"}, func(l looked) { l.write("d/new", "n") }, "new", true},
		{"another directory took the place", nil, func(l looked) {
			l.rename("d", "old")
			l.write("d/b", "long")
			l.age("d")
		}, "b", false},
		{"a link took the place of the directory", nil, func(l looked) {
			l.rename("d", "old")
			if err := os.Symlink("old", filepath.Join(l.top, "d")); err != nil {
				l.t.Skip(err)
			}
		}, "b", false},
		{"written by the transfer, and asked for again", []string{"a", "b"}, func(l looked) {
			l.write("other", "long")
			l.rename("other", "d/b")
		}, "b", false},
		{"asked for again when all was announced", []string{"a"}, func(l looked) {
			l.write("d/b", "long")
			if err := l.Scanned(); err != nil {
				t.Fatal(err)
			}
		}, "b", false},
		{"something was renamed at the end", []string{"a"}, func(l looked) {
			l.write("d/b", "long")
			if _, err := l.Settle(nil, nil); err != nil {
				l.t.Fatal(err)
			}
		}, "b", false},
		{"the directory was gone through", []string{"a"}, func(l looked) {
			l.write("d/b", "long")
			if _, err := l.Seen("d"); err != nil {
				t.Fatal(err)
			}
		}, "b", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLooked(t)
			for _, name := range c.before {
				if !l.finds(name) {
					t.Fatalf("%s is not found", name)
				}
			}
			c.change(l)
			if got := l.finds(c.ask); got != c.want {
				t.Errorf("found to be the same: %v, want %v", got, c.want)
			}
		})
	}
}

// A directory that was not asked about is looked at as a whole with its second
// item.
func TestFindLooksOnce(t *testing.T) {
	l := newLooked(t)
	l.looks.drop()
	if !l.finds("a") || !l.finds("b") {
		t.Fatal("what is there is not found")
	}
	l.write("d/c", "long")
	if !l.finds("c") {
		t.Error("c was looked at by itself")
	}
	names := 0
	if seen, err := l.Seen("d"); err != nil || seen != nil {
		_ = seen.All(func([]byte, *confine.Identity, []byte) error { names++; return nil })
	}
	if names != 3 {
		t.Errorf("%d names were seen, want 3", names)
	}
}

func TestLooksAreBounded(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("slow there")
	}
	l := newLooked(t)
	const dirs, files = 30, 1000
	for d := range dirs {
		for i := range files {
			name := filepath.Join(l.top, fmt.Sprintf("x%d/%03d", d, i))
			if i == 0 {
				if err := os.Mkdir(filepath.Dir(name), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(name, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		l.ask(fmt.Sprintf("x%d", d))
	}
	size := 0
	for _, seen := range l.looks.kept {
		size += seen.Size()
	}
	if size != l.looks.size || size > mostLooks || len(l.looks.order) != len(l.looks.kept) {
		t.Errorf("%d bytes are kept, %d are counted, %d may be; %d of %d in order", size, l.looks.size, mostLooks, len(l.looks.order), len(l.looks.kept))
	}
	if l.looks.kept["d"] != nil || l.looks.kept[fmt.Sprintf("x%d", dirs-1)] == nil {
		t.Error("what is oldest did not make room for what is newest")
	}
}
