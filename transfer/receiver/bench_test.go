package receiver

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// BenchmarkSmallFiles moves 20,000 files of 4 KiB; set TMPDIR to a RAM disk to
// measure mft instead of the disk.
func BenchmarkSmallFiles(b *testing.B) {
	f := newFixture(b)
	content := randomBytes(1, 4096)
	const files = 20_000
	for i := range files {
		dir := filepath.Join(f.src, fmt.Sprint(i/500))
		if i%500 == 0 {
			if err := os.Mkdir(dir, 0o755); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), content, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(files * 4096)
	b.ReportAllocs()
	for b.Loop() {
		f.again()
		f.deliver()
		b.StopTimer()
		if err := os.RemoveAll(f.dst); err != nil {
			b.Fatal(err)
		}
		if err := os.Mkdir(f.dst, 0o755); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(files*b.N)/b.Elapsed().Seconds(), "files/s")
}

// BenchmarkBigFile moves one file of 1 GiB.
func BenchmarkBigFile(b *testing.B) {
	f := newFixture(b)
	f.write("big", randomBytes(1, 1<<30), 0o644)
	b.SetBytes(1 << 30)
	b.ReportAllocs()
	for b.Loop() {
		f.again()
		f.deliver()
	}
}

// BenchmarkDelta sends a file that replaces an older version.
func BenchmarkDelta(b *testing.B) {
	const size = 256 << 20
	old := randomBytes(1, size)
	for name, now := range map[string][]byte{
		"edited":   scattered(old, size/100/4096, 4096),
		"inserted": slices.Concat(old[:5000], randomBytes(2, 1<<20), old[5000:]),
	} {
		b.Run(name, func(b *testing.B) {
			f := newFixture(b)
			f.write("big", now, 0o644)
			b.SetBytes(size)
			for b.Loop() {
				b.StopTimer()
				f.again()
				f.old("big", old)
				b.StartTimer()
				f.deliver()
			}
		})
	}
}
