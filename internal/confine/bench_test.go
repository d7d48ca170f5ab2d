package confine

import (
	"strconv"
	"testing"
)

// BenchmarkCreateRename is the way of a small file: made in one directory,
// given its attributes, and renamed into another.
func BenchmarkCreateRename(b *testing.B) {
	for _, mode := range []struct {
		name string
		mode RenameMode
	}{{"replace", RenameReplace}, {"no replace", RenameNoReplace}} {
		b.Run(mode.name, func(b *testing.B) {
			r, err := Open(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			if _, err := r.MkdirAll("stage", 0o755); err != nil {
				b.Fatal(err)
			}
			if _, err := r.MkdirAll("final", 0o755); err != nil {
				b.Fatal(err)
			}
			stage, err := r.Dir("stage")
			if err != nil {
				b.Fatal(err)
			}
			final, err := r.Dir("final")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				name := strconv.Itoa(n)
				n++
				f, err := stage.Create(name)
				if err != nil {
					b.Fatal(err)
				}
				if err := SetAttributes(f, Attributes{Mode: 0o644, MTime: 1e18, UID: -1, GID: -1}); err != nil {
					b.Fatal(err)
				}
				f.Close()
				if err := stage.Rename(name, final, name, mode.mode); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDir is what resolving costs, which happens for every file.
func BenchmarkDir(b *testing.B) {
	r, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	const rel = "one/two/three/four"
	if _, err := r.MkdirAll(rel, 0o755); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Dir(rel); err != nil {
			b.Fatal(err)
		}
	}
}
