package marks

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mft.dev/mft/internal/confine"
	"mft.dev/mft/transfer/delta"
)

const path = "/srv/in/big"

func open(dir string) *Store { return Open(dir, slog.New(slog.DiscardHandler)) }

func identity(size int64) confine.Identity {
	return confine.Identity{Dev: 1, Inode: 2, Size: size, MTime: 3, CTime: 4, Mode: 5, UID: 6, GID: 7, Nlink: 8}
}

// record returns made up marks of a file of size bytes.
func record(size int64, fill byte) *delta.Record {
	n := delta.Marks(size, delta.BlockSize(size))
	return &delta.Record{Seed: delta.Seed{fill}, Size: size, Marks: bytes.Repeat([]byte{fill}, n)}
}

func want(t *testing.T, s *Store, path string, id confine.Identity, want *delta.Record) {
	t.Helper()
	if diff := cmp.Diff(want, s.Find(path, id)); diff != "" {
		t.Errorf("Find(%q) (-want +got):\n%s", path, diff)
	}
}

// files returns the names in a directory.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestFind(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "marks")
	s := open(dir)
	const size = 20 << 20
	want(t, s, path, identity(size), nil)
	s.Keep(path, identity(size), record(size, 1))
	s.Keep(path+"2", identity(size+1), record(size+1, 2))
	want(t, s, path, identity(size), record(size, 1))
	s.Keep(path, identity(size), record(size, 3))
	want(t, s, path, identity(size), record(size, 3))

	// Another process finds it, too.
	s = open(dir)
	want(t, s, path, identity(size), record(size, 3))
	want(t, s, path+"2", identity(size+1), record(size+1, 2))
	if err := s.Forget(path); err != nil {
		t.Fatal(err)
	}
	if err := s.Forget("never kept"); err != nil {
		t.Fatal(err)
	}
	want(t, s, path, identity(size), nil)
	want(t, open(dir), path, identity(size), nil)
	if got := files(t, dir); len(got) != 1 {
		t.Errorf("the directory has %q, want one file", got)
	}
}

// TestAnotherFile: nothing is found of a file that differs in anything, and what
// was there goes.
func TestAnotherFile(t *testing.T) {
	const size = 1 << 20
	for name, change := range map[string]func(*confine.Identity){
		"device":          func(id *confine.Identity) { id.Dev++ },
		"inode":           func(id *confine.Identity) { id.Inode++ },
		"size":            func(id *confine.Identity) { id.Size++ },
		"time":            func(id *confine.Identity) { id.MTime++ },
		"time of change":  func(id *confine.Identity) { id.CTime++ },
		"mode":            func(id *confine.Identity) { id.Mode++ },
		"owner":           func(id *confine.Identity) { id.UID++ },
		"group":           func(id *confine.Identity) { id.GID++ },
		"number of links": func(id *confine.Identity) { id.Nlink++ },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t.TempDir())
			s.Keep(path, identity(size), record(size, 1))
			id := identity(size)
			change(&id)
			want(t, s, path, id, nil)
			if got := files(t, s.dir); len(got) != 0 {
				t.Errorf("the directory has %q", got)
			}
		})
	}
}

// TestDamage: of a file that is not as it was written nothing is found, and it
// is removed.
func TestDamage(t *testing.T) {
	const size = 1 << 20
	other := encode("/another", identity(size), record(size, 1))
	few := record(size, 1)
	few.Marks = few.Marks[delta.MarkSize:]
	for _, tt := range []struct {
		name string
		make func(b []byte) []byte
	}{
		{"a bit", func(b []byte) []byte { b[len(b)/2] ^= 4; return b }},
		{"the end is missing", func(b []byte) []byte { return b[:len(b)-1] }},
		{"nearly all is missing", func(b []byte) []byte { return b[:5] }},
		{"empty", func([]byte) []byte { return nil }},
		{"zeros, as after a crash", func(b []byte) []byte { clear(b); return b }},
		{"another form", func(b []byte) []byte { b[10] = '9'; return b }},
		{"another path", func([]byte) []byte { return other }},
		{"too few marks", func([]byte) []byte { return encode(path, identity(size), few) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			open(dir).Keep(path, identity(size), record(size, 1))
			p := filepath.Join(dir, nameOf(path))
			content, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p, tt.make(content), 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(dir)
			want(t, s, path, identity(size), nil)
			if got := files(t, dir); len(got) != 0 {
				t.Errorf("the directory has %q", got)
			}
			s.Keep(path, identity(size), record(size, 2))
			want(t, s, path, identity(size), record(size, 2))
		})
	}
}

// TestDamageMeanwhile: the file of an entry may change while the store is in
// use, too.
func TestDamageMeanwhile(t *testing.T) {
	const size = 1 << 20
	s := open(t.TempDir())
	s.Keep(path, identity(size), record(size, 1))
	if err := os.Truncate(filepath.Join(s.dir, nameOf(path)), 100); err != nil {
		t.Fatal(err)
	}
	want(t, s, path, identity(size), nil)
	s.Keep(path, identity(size), record(size, 1))
	if err := os.Remove(filepath.Join(s.dir, nameOf(path))); err != nil {
		t.Fatal(err)
	}
	want(t, s, path, identity(size), nil)
}

// TestBounds: what was kept longest ago makes room, in this process and
// the next.
func TestBounds(t *testing.T) {
	const size = 1 << 20
	each := int64(len(encode(path+"0", identity(size), record(size, 0))))
	for _, tt := range []struct {
		name   string
		bounds bounds
		left   int
	}{
		{"of number", bounds{3, 1 << 30}, 3},
		{"of size", bounds{100, 4*each + 1}, 4},
		{"too small for any", bounds{100, each - 1}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(dir)
			s.bounds = tt.bounds
			check := func(n, left int) {
				t.Helper()
				for i := range n {
					var r *delta.Record
					if i >= n-left {
						r = record(size, byte(i))
					}
					want(t, s, path+fmt.Sprint(i), identity(size), r)
				}
				if got := files(t, dir); len(got) != left {
					t.Errorf("the directory has %q, want %d files", got, left)
				}
			}
			old := time.Now().Add(-time.Hour)
			for i := range 6 {
				name := path + fmt.Sprint(i)
				s.Keep(name, identity(size), record(size, byte(i)))
				// The clock of a file system may be slow.
				_ = os.Chtimes(filepath.Join(dir, nameOf(name)), old, old.Add(time.Duration(i)*time.Second))
			}
			check(6, tt.left)
			s = open(dir)
			s.bounds = bounds{max(tt.left-1, 1), 1 << 30}
			check(6, max(tt.left-1, 0))
		})
	}
}

// TestOthersAreLeft: what a crash left half written is removed; what is not of
// the store stays.
func TestOthersAreLeft(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"new-123.part", "readme.marks", "0123456789abcdef0123456789abcdef.mark", "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := open(dir)
	s.bounds = bounds{1, 1}
	want(t, s, path, identity(5), nil)
	if diff := cmp.Diff([]string{"0123456789abcdef0123456789abcdef.mark", "readme.marks", "x"}, files(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestRemovedDirectory: an operator may remove everything at any time.
func TestRemovedDirectory(t *testing.T) {
	const size = 1 << 20
	s := open(filepath.Join(t.TempDir(), "marks"))
	for range 2 {
		s.Keep(path, identity(size), record(size, 1))
		want(t, s, path, identity(size), record(size, 1))
		if err := os.RemoveAll(s.dir); err != nil {
			t.Fatal(err)
		}
		want(t, s, path, identity(size), nil)
	}
}

// TestNoDirectory: a store that cannot be used remembers nothing, and says so
// in the log only.
func TestNoDirectory(t *testing.T) {
	p := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(p, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(filepath.Join(p, "marks"))
	s.Keep(path, identity(1<<20), record(1<<20, 1))
	want(t, s, path, identity(1<<20), nil)
	if err := s.Forget(path); err != nil {
		t.Errorf("Forget = %v", err)
	}
}

func FuzzParse(f *testing.F) {
	const size = 1 << 20
	good := encode(path, identity(size), record(size, 1))
	f.Add(good, true)
	f.Add(good[:len(good)-32], true)
	f.Add([]byte(magic), false)
	f.Add(encode("", identity(0), record(0, 0)), false)
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		if seal { // else hardly anything gets beyond the digest
			b = sealed(b)
		}
		r, err := parse(b, path, identity(size))
		if err == nil && (!r.Whole() || r.Size != size) {
			t.Errorf("parse = %+v", r)
		}
	})
}
