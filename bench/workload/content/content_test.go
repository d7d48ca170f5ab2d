package content

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// packed is how long a file is when it is compressed.
func packed(t *testing.T, b []byte) int {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Len()
}

func TestFill(t *testing.T) {
	const size = 100_001
	for _, tc := range []struct {
		name        string
		fill        func(string, int64, uint64) error
		least, most int // when compressed
	}{
		{"noise", Noise, size, 2 * size},
		{"text", Text, size / 20, size / 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			a, b, c := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
			for path, seed := range map[string]uint64{a: 1, b: 1, c: 2} {
				if err := tc.fill(path, size, seed); err != nil {
					t.Fatal(err)
				}
			}
			got := read(t, a)
			if len(got) != size {
				t.Errorf("the file has %d bytes, want %d", len(got), size)
			}
			if !bytes.Equal(got, read(t, b)) {
				t.Error("the same seed makes another file")
			}
			if bytes.Equal(got, read(t, c)) {
				t.Error("another seed makes the same file")
			}
			if n := packed(t, got); n < tc.least || n > tc.most {
				t.Errorf("compressed it has %d bytes, want %d to %d", n, tc.least, tc.most)
			}
			if err := Compare(a, b, Look{}); err != nil {
				t.Errorf("Compare of equal files: %v", err)
			}
		})
	}
}

// state is every file below root, with its content.
func state(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			out[strings.TrimPrefix(path, root)] = string(read(t, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestChurn(t *testing.T) {
	root := filepath.Join(t.TempDir(), "tree")
	if err := Grow(root, Shape{Files: 200, Dirs: 30, Size: 16}, 1); err != nil {
		t.Fatal(err)
	}
	before := state(t, root)
	if len(before) != 200 {
		t.Fatalf("Grow made %d files, want 200", len(before))
	}
	for round := 1; round <= 3; round++ {
		if err := Churn(root, 0.05, round, 1); err != nil {
			t.Fatal(err)
		}
		after := state(t, root)
		var changed, added, removed int
		for name, content := range after {
			old, there := before[name]
			switch {
			case !there:
				added++
			case old != content:
				changed++
			}
		}
		for name := range before {
			if _, there := after[name]; !there {
				removed++
			}
		}
		if changed != 10 || added != 10 || removed != 10 {
			t.Errorf("round %d changed %d, added %d and removed %d, want 10 each", round, changed, added, removed)
		}
		before = after
	}
}

func TestEdits(t *testing.T) {
	const size = 100 * editBlock
	path := filepath.Join(t.TempDir(), "file")
	if err := Noise(path, size, 1); err != nil {
		t.Fatal(err)
	}
	before := read(t, path)
	if err := Scatter(path, 0.05, 1, 1); err != nil {
		t.Fatal(err)
	}
	after := read(t, path)
	if len(after) != size {
		t.Fatalf("Scatter left %d bytes, want %d", len(after), size)
	}
	other := 0
	for i := 0; i < size; i += editBlock {
		if !bytes.Equal(before[i:i+editBlock], after[i:i+editBlock]) {
			other++
		}
	}
	if other < 1 || other > 5 {
		t.Errorf("Scatter changed %d blocks, want 1 to 5", other)
	}
	if err := Insert(path, 1000, 500, 2, 1); err != nil {
		t.Fatal(err)
	}
	longer := read(t, path)
	if len(longer) != size+500 || !bytes.Equal(longer[:1000], after[:1000]) || !bytes.Equal(longer[1500:], after[1000:]) {
		t.Error("Insert did something else than to insert")
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.ModTime(); !got.Equal(At(2)) {
		t.Errorf("after round 2 the file is of %s, want %s", got.UTC(), At(2))
	}
}

func TestCompare(t *testing.T) {
	for _, tc := range []struct {
		name   string
		damage func(dir string) error
		look   Look
		want   string // part of the error, "" for none
	}{
		{"nothing", func(string) error { return nil }, Look{}, ""},
		{"a file is gone", func(d string) error { return os.Remove(filepath.Join(d, "sub", "b")) }, Look{}, "b is not there"},
		{"the first file is gone", func(d string) error { return os.Remove(filepath.Join(d, "a")) }, Look{}, "a is not there"},
		{"a file too many", func(d string) error { return os.WriteFile(filepath.Join(d, "sub", "c"), nil, 0o600) }, Look{}, "c should not be there"},
		{"shorter", func(d string) error { return os.Truncate(filepath.Join(d, "a"), 1) }, Look{}, "a has 1 bytes instead of 4"},
		{"another time", func(d string) error { return os.Chtimes(filepath.Join(d, "a"), At(9), At(9)) }, Look{}, "a has time"},
		{"another time, which does not matter", func(d string) error { return os.Chtimes(filepath.Join(d, "a"), At(9), At(9)) }, Look{Timeless: true}, ""},
		{"other content", func(d string) error { return rewrite(filepath.Join(d, "a")) }, Look{}, "a differs"},
		{"other content of an old file", func(d string) error { return rewrite(filepath.Join(d, "a")) }, Look{Since: At(1)}, ""},
		{"another kind", func(d string) error {
			return errors.Join(os.Remove(filepath.Join(d, "a")), os.Symlink("b", filepath.Join(d, "a")))
		}, Look{}, "a is another kind of thing"},
		{"all is gone", os.RemoveAll, Look{}, "copy is not there"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			source, copied := filepath.Join(dir, "source"), filepath.Join(dir, "copy")
			for _, root := range []string{source, copied} {
				if err := os.MkdirAll(filepath.Join(root, "sub"), 0o755); err != nil {
					t.Fatal(err)
				}
				for _, name := range []string{"a", "sub/b"} {
					if err := write(filepath.Join(root, name), strings.NewReader("text"), Epoch()); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := tc.damage(copied); err != nil {
				t.Fatal(err)
			}
			err := Compare(source, copied, tc.look)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("Compare = %v, want %q", err, tc.want)
			}
		})
	}
}

func rewrite(path string) error { return write(path, strings.NewReader("TEXT"), Epoch()) }

func TestTimesAreWholeSeconds(t *testing.T) {
	for round := range 3 {
		if at := At(round); at.Truncate(time.Second) != at {
			t.Errorf("At(%d) = %s has a part of a second", round, at)
		}
	}
}
