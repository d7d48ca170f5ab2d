package versions

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
)

const regular = 0o100644

func TestRead(t *testing.T) {
	id := confine.Identity{Dev: 1, Inode: 7, Size: 3, MTime: 99, CTime: 100, Mode: regular}
	other := func(change func(*confine.Identity)) confine.Identity { c := id; change(&c); return c }
	own := Name("a.csv", 4, id)
	tests := []struct {
		name string
		file string
		id   confine.Identity
		ok   bool
	}{
		{"made here", own, id, true},
		{"mode, links, device and time of change do not count", own, other(func(c *confine.Identity) { c.Mode, c.Nlink, c.Dev, c.CTime = 0o100600, 3, 9, 5 }), true},
		{"a copy", own, other(func(c *confine.Identity) { c.Inode++ }), false},
		{"written to", own, other(func(c *confine.Identity) { c.Size++ }), false},
		{"of another time", own, other(func(c *confine.Identity) { c.MTime++ }), false},
		{"a directory", own, other(func(c *confine.Identity) { c.Mode = 0o040755 }), false},
		{"of another file", strings.Replace(own, "a.csv", "b.csv", 1), id, false},
		{"of another number", strings.Replace(own, "~4.", "~5.", 1), id, false},
		{"zeros in front", strings.Replace(own, "~4.", "~04.", 1), id, false},
		{"an editor's", "a.csv.~4~", id, false},
		{"the file", "a.csv", id, false},
		{"a made-up tag", "a.csv.~4.00000000~", id, false},
		{"a tag that is too short", own[:len(own)-2] + "~", id, false},
		{"a number that is too large", "a.csv.~9999999999.00000000~", id, false},
		{"nothing in front", own[len("a.csv"):], id, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if v, ok := Read(tt.file, tt.id); ok != tt.ok || ok && (v.Of != "a.csv" || v.N != 4 || v.Name != tt.file) {
				t.Errorf("Read(%q) = %+v, %v, want %v", tt.file, v, ok, tt.ok)
			}
		})
	}
}

func TestIs(t *testing.T) {
	for name, want := range map[string]bool{
		"a.~1~": true, "a.~007~": true, "a.~12.0123abcd~": true, "a.~1~.~2~": true,
		"a": false, "a~": false, ".~1~": false, "a.~~": false, "a.~1": false, "a.~x~": false, "a.~1.~": false, "a.~1.0123ABCD~": false, "a.~.0123abcd~": false, "a.~1.2.0123abcd~": false,
	} {
		if got := Is(name); got != want {
			t.Errorf("Is(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestSurplus(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	at := func(n int64, ago time.Duration) Version {
		return Version{Name: fmt.Sprint(n), N: n, ID: confine.Identity{CTime: now.Add(-ago).UnixNano()}}
	}
	list := []Version{at(2, 3*time.Hour), at(1, 4*time.Hour), at(4, time.Hour), at(3, 2*time.Hour)}
	tests := []struct {
		name  string
		list  []Version
		bound mft.VersionBound
		want  []int64
	}{
		{"no bound", list, mft.VersionBound{}, nil},
		{"an age without a number", list, mft.VersionBound{MaxAge: time.Second}, nil},
		{"an empty listing", nil, mft.VersionBound{Keep: 1}, nil},
		{"as many as stay", list, mft.VersionBound{Keep: 4}, nil},
		{"the newest stays", list, mft.VersionBound{Keep: 1}, []int64{3, 2, 1}},
		{"all old, those kept stay", list, mft.VersionBound{Keep: 3, MaxAge: time.Second}, []int64{1}},
		{"young ones stay", list, mft.VersionBound{Keep: 1, MaxAge: 150 * time.Minute}, []int64{2, 1}},
		{"of that age", list, mft.VersionBound{Keep: 1, MaxAge: 4 * time.Hour}, nil},
		{"a time to come", []Version{at(2, -time.Hour), at(1, -2*time.Hour)}, mft.VersionBound{Keep: 1, MaxAge: time.Second}, nil},
		{"no time", []Version{{N: 2}, {N: 1}}, mft.VersionBound{Keep: 1, MaxAge: time.Second}, nil},
		{"numbers and not times", []Version{at(1, 0), at(2, time.Hour)}, mft.VersionBound{Keep: 1}, []int64{1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []int64
			for _, v := range Surplus(tt.list, tt.bound, now) {
				got = append(got, v.N)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("Surplus = %v, want %v", got, tt.want)
			}
		})
	}
}

// TestSurplusKeeps: whatever the times, the newest by number stay, and nothing goes that an
// age alone would have let go.
func TestSurplusKeeps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Version {
			return Version{N: rapid.Int64Range(1, 50).Draw(t, "n"), ID: confine.Identity{CTime: rapid.Int64Range(0, 1000).Draw(t, "ctime")}}
		}), 0, 20, func(v Version) int64 { return v.N }).Draw(t, "versions")
		bound := mft.VersionBound{Keep: rapid.IntRange(0, 10).Draw(t, "keep"), MaxAge: time.Duration(rapid.IntRange(0, 1000).Draw(t, "age"))}
		now := time.Unix(0, rapid.Int64Range(0, 2000).Draw(t, "now"))
		gone := map[int64]bool{}
		for _, v := range Surplus(list, bound, now) {
			gone[v.N] = true
		}
		if bound.Keep == 0 && len(gone) > 0 || len(gone) > max(0, len(list)-bound.Keep) {
			t.Fatalf("%d of %d go, %d stay at least", len(gone), len(list), bound.Keep)
		}
		for _, v := range list {
			newer := 0
			for _, w := range list {
				if w.N > v.N {
					newer++
				}
			}
			old := bound.MaxAge == 0 || v.ID.CTime != 0 && now.UnixNano()-v.ID.CTime > int64(bound.MaxAge)
			if want := bound.Keep > 0 && newer >= bound.Keep && old; gone[v.N] != want {
				t.Fatalf("version %d goes: %v, want %v", v.N, gone[v.N], want)
			}
		}
	})
}

// replace sets aside what path has and gives it new content, as a batch does.
func replace(t *testing.T, root, path, content string, bound mft.VersionBound, before func()) {
	t.Helper()
	r, err := confine.Open(filepath.ToSlash(root))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := NewShelf(r, path)
	if err := s.SetAside(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, path), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if before != nil {
		before()
	}
	if err := s.Clear(bound, time.Now()); err != nil {
		t.Fatal(err)
	}
}

// contents returns the contents of all files of a directory, sorted.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var out []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, _ := os.ReadFile(filepath.Join(dir, e.Name()))
		out = append(out, string(b))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestShelf: only what was set aside of that very file goes, whatever else is there.
func TestShelf(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "d")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"f.~1~", "f.~1.0123abcd~", "f.old.~1~", "g.~9.00000000~"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	bound := mft.VersionBound{Keep: 2}
	for i := range 6 {
		replace(t, root, "d/f", fmt.Sprintf("f%d", i), bound, nil)
		replace(t, root, "d/f.old", fmt.Sprintf("o%d", i), mft.VersionBound{Keep: 1}, nil)
	}
	if got, want := contents(t, dir), "f3 f4 f5 mine mine mine mine o4 o5"; got != want {
		t.Errorf("the directory has %s, want %s", got, want)
	}
	// A version that somebody has written to is not one any more.
	list, err := filepath.Glob(filepath.Join(dir, "f.~*.*~"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range list {
		if b, _ := os.ReadFile(path); string(b) == "f3" {
			if err := os.WriteFile(path, []byte("edited"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	replace(t, root, "d/f", "f6", mft.VersionBound{Keep: 1}, nil)
	if got, want := contents(t, dir), "edited f5 f6 mine mine mine mine o4 o5"; got != want {
		t.Errorf("the directory has %s, want %s", got, want)
	}
	// What a crash left too many goes with the next one.
	replace(t, root, "d/f", "f7", mft.VersionBound{}, nil)
	replace(t, root, "d/f", "f8", mft.VersionBound{}, nil)
	replace(t, root, "d/f", "f9", mft.VersionBound{Keep: 1}, nil)
	if got, want := contents(t, dir), "edited f8 f9 mine mine mine mine o4 o5"; got != want {
		t.Errorf("the directory has %s, want %s", got, want)
	}
}

// TestShelfSwapped: when another directory, or a link to one, takes the place of that in
// which versions were set aside, nothing of the other one goes.
func TestShelfSwapped(t *testing.T) {
	for name, swap := range map[string]func(from, to string) error{
		"directory": func(from, to string) error { return os.Rename(from, to) },
		"link":      func(from, to string) error { return os.Symlink(from, to) },
	} {
		t.Run(name, func(t *testing.T) {
			root, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
			dir := filepath.Join(root, "d")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				replace(t, root, "d/f", fmt.Sprint(i), mft.VersionBound{}, nil)
			}
			replace(t, root, "d/f", "3", mft.VersionBound{Keep: 1}, func() {
				// The other directory has the very same files, with their numbers.
				if err := os.Mkdir(victim, 0o755); err != nil {
					t.Fatal(err)
				}
				entries, _ := os.ReadDir(dir)
				for _, e := range entries {
					if err := os.Link(filepath.Join(dir, e.Name()), filepath.Join(victim, e.Name())); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.Rename(dir, filepath.Join(root, "moved")); err != nil {
					t.Fatal(err)
				}
				if err := swap(victim, dir); err != nil {
					t.Fatal(err)
				}
			})
			if got, want := contents(t, dir), "0 1 2 3"; got != want {
				t.Errorf("the other directory has %s, want %s", got, want)
			}
		})
	}
}
