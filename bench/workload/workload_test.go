package workload

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"mft.dev/mft/bench/workload/content"
)

// TestWorkloads makes every workload as small as it can be, and changes it.
func TestWorkloads(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range All() {
		t.Run(w.Key, func(t *testing.T) {
			if seen[w.Key] {
				t.Errorf("there are two workloads (%s)", w.Key)
			}
			seen[w.Key] = true
			if !slices.Contains(w.Takers, "mft") {
				t.Errorf("(%s) is for %q only", w.Key, w.Takers)
			}
			dir := filepath.Join(t.TempDir(), "source")
			v, err := w.Make(dir, 0.0003)
			if err != nil {
				t.Fatal(err)
			}
			item := filepath.Join(dir, Item)
			info, err := os.Stat(item)
			if err != nil {
				t.Fatal(err)
			}
			if info.IsDir() != w.Tree {
				t.Errorf("the item is a directory: %v, want %v", info.IsDir(), w.Tree)
			}
			if v.Bytes == 0 || v.Files == 0 {
				t.Errorf("Make = %+v, want some of both", v)
			}
			for round := 1; round <= 2; round++ {
				old := filepath.Join(t.TempDir(), "old")
				if err := os.CopyFS(old, os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
				if err := w.Change(dir, round); err != nil {
					t.Fatal(err)
				}
				err := content.Compare(item, filepath.Join(old, Item), content.Look{Timeless: true})
				if changed := err != nil; changed != (w.change != nil) {
					t.Errorf("round %d changed something: %v (%v), want %v", round, changed, err, w.change != nil)
				}
			}
		})
	}
}
