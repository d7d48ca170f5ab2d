package blake3

import (
	"fmt"
	"testing"
)

func BenchmarkSum(b *testing.B) {
	for _, n := range []int{64, 1 << 10, 4 << 10, 64 << 10, 256 << 10} {
		p := noise(n)
		for _, w := range ways() {
			b.Run(fmt.Sprintf("%d/%s", n, w.name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(n))
				for b.Loop() {
					sum(p, w.wide)
				}
			})
		}
	}
}

func BenchmarkSumAll(b *testing.B) {
	for _, of := range []struct{ n, size int }{{16, 100}, {16, 4096}, {64, 4096}} {
		contents, digests := make([][]byte, of.n), make([][32]byte, of.n)
		for i := range contents {
			contents[i] = noise(of.size)
		}
		for _, w := range ways() {
			b.Run(fmt.Sprintf("%dx%d/%s", of.n, of.size, w.name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(of.n * of.size))
				for b.Loop() {
					sumAll(digests, contents, w.wide)
				}
			})
		}
	}
}

func BenchmarkHasher(b *testing.B) {
	p := noise(256 << 10)
	for _, w := range ways() {
		b.Run(w.name, func(b *testing.B) {
			h := newHasher(w.wide)
			b.ReportAllocs()
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				_, _ = h.Write(p)
			}
		})
	}
}
