package scan_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/transfer/scan"
)

// forest makes directories with 100 files each, in twenty-five times fewer
// directories.
func forest(b *testing.B, dirs int, content []byte) (top string, files int) {
	b.Helper()
	top = b.TempDir()
	for d := range dirs {
		dir := filepath.Join(top, fmt.Sprintf("%02d", d/25), fmt.Sprintf("dir-%03d", d))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			b.Fatal(err)
		}
		for f := range 100 {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file-%04d.csv", f)), content, 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	return top, 100 * dirs
}

// BenchmarkItems walks 50,000 files in 500 directories, and a million in
// 10,000. Compare with `find DIR -printf '%s %T@ %m\n'`, which asks the kernel
// the same.
func BenchmarkItems(b *testing.B) {
	for _, dirs := range []int{500, 10_000} {
		b.Run(fmt.Sprintf("%d files", 100*dirs), func(b *testing.B) {
			if dirs > 500 && testing.Short() {
				b.Skip("this makes many files")
			}
			top, files := forest(b, dirs, nil)
			src := open(b, top)
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for _, err := range src.Items(b.Context()) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n < files {
					b.Fatalf("Items returned %d items, want more than %d", n, files)
				}
			}
			perFile(b, files)
		})
	}
}

// BenchmarkList lists 500 directories of 100 files each, as both ends do with
// trees that are the same.
func BenchmarkList(b *testing.B) {
	top, files := forest(b, 500, nil)
	src := open(b, top+"/")
	for _, owners := range []bool{false, true} {
		b.Run(fmt.Sprintf("owners %t", owners), func(b *testing.B) {
			l := &scan.Lister{Modes: 0o777, Owners: owners}
			var down func(path string) int64
			down = func(path string) int64 {
				listing, err := src.List(b.Context(), l, path)
				if err != nil {
					b.Fatal(err)
				}
				n := listing.Items
				for _, dir := range listing.Dirs {
					if path != "" {
						dir = path + "/" + dir
					}
					n += down(dir)
				}
				return n
			}
			b.ReportAllocs()
			for b.Loop() {
				if n := down(""); n < int64(files) {
					b.Fatalf("%d items were listed, want more than %d", n, files)
				}
			}
			perFile(b, files)
		})
	}
}

// BenchmarkReadItem reads 10,000 files of 1,000 bytes in the order in which
// they are announced.
func BenchmarkReadItem(b *testing.B) {
	top, files := forest(b, 100, make([]byte, 1000))
	src := open(b, top)
	var entries []scan.Entry
	for e, err := range src.Items(b.Context()) {
		if err != nil {
			b.Fatal(err)
		}
		if e.Item.Type == mft.ItemFile {
			entries = append(entries, e)
		}
	}
	buf := make([]byte, 1000)
	for _, way := range []struct {
		name string
		read func(e scan.Entry) (confine.Identity, error)
	}{
		{"ReadItem", func(e scan.Entry) (confine.Identity, error) {
			_, id, err := src.ReadItem(e, buf)
			return id, err
		}},
		{"OpenItem", func(e scan.Entry) (confine.Identity, error) {
			f, _, err := src.OpenItem(e)
			if err != nil {
				return confine.Identity{}, err
			}
			defer f.Close()
			if _, err := f.Read(buf); err != nil {
				return confine.Identity{}, err
			}
			fi, err := f.Stat()
			if err != nil {
				return confine.Identity{}, err
			}
			return confine.Stamp(fi), nil
		}},
	} {
		b.Run(way.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, e := range entries {
					if id, err := way.read(e); err != nil || id != e.Identity {
						b.Fatalf("%q is %+v (%v), want %+v", e.Rel, id, err, e.Identity)
					}
				}
			}
			perFile(b, files)
		})
	}
}

func perFile(b *testing.B, files int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(files), "ns/file")
}
