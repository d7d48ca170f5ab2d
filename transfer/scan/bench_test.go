package scan_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"mft.dev/mft/transfer/scan"
)

// BenchmarkItems walks 50,000 files in 500 directories. Compare with
// `find DIR -printf '%s %T@ %m\n'`, which asks the kernel the same.
func BenchmarkItems(b *testing.B) {
	const dirs, files = 500, 100
	top := b.TempDir()
	for d := range dirs {
		dir := filepath.Join(top, fmt.Sprintf("%02d", d/25), fmt.Sprintf("dir-%03d", d))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			b.Fatal(err)
		}
		for f := range files {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("file-%04d.csv", f)), nil, 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	src, err := scan.Open(top)
	if err != nil {
		b.Fatal(err)
	}
	defer src.Close()
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range src.Items(b.Context()) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n < dirs*files {
			b.Fatalf("Items returned %d items, want more than %d", n, dirs*files)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(dirs*files), "ns/item")
}
