package e2e

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// many returns n times the same size.
func many(n int, size int64) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = size
	}
	return out
}

func numbered(i int) string { return fmt.Sprintf("f%07d", i) }

// same fails the test unless the regular files below dir are those of the
// ledger, with their content.
func same(t testing.TB, dir string, l *ledger) {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		got, err := contentOf(path)
		if want, ok := l.made[rel]; !ok {
			t.Errorf("%q: nobody made it", rel)
		} else if got != want {
			t.Errorf("%q: got %d bytes, want %d of the same content", rel, got.size, want.size)
		}
		found[rel] = true
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for _, name := range l.order {
		if !found[name] {
			t.Errorf("%q: lost", name)
		}
	}
	for _, p := range staging(t, dir) {
		t.Errorf("%q: left over", p)
	}
}

// listing names everything below dir but what is below one of the directories
// without.
func listing(t testing.TB, dir string, without ...string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		for _, w := range without {
			if path == w {
				return filepath.SkipDir
			}
		}
		if filepath.Ext(path) == ".log" {
			return nil
		}
		fmt.Fprintf(&b, "%s %q\n", d.Type(), path)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return b.String()
}
