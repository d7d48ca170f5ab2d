package blake3

import (
	"fmt"
	"testing"

	"github.com/zeebo/blake3"
)

// input returns the content of the official test vectors.
func input(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i % 251)
	}
	return p
}

func TestQuick(t *testing.T) {
	for n := 0; n < 300000; n += 1 + n/37 {
		p := input(n)
		if got, want := Sum(p), blake3.Sum256(p); got != want {
			t.Errorf("Sum of %d bytes: %x, want %x", n, got, want)
		}
		var d [3][32]byte
		SumAll(d[:], [][]byte{p, p[:n/2], p[:n/3]})
		if d[0] != blake3.Sum256(p) || d[1] != blake3.Sum256(p[:n/2]) || d[2] != blake3.Sum256(p[:n/3]) {
			t.Errorf("SumAll of %d bytes", n)
		}
	}
}

func BenchmarkSum(b *testing.B) {
	for _, n := range []int{64, 1 << 10, 4 << 10, 8 << 10, 16 << 10, 64 << 10, 256 << 10, 4 << 20} {
		p := input(n)
		for name, f := range map[string]func([]byte) [32]byte{"kernel": Sum, "library": blake3.Sum256} {
			b.Run(fmt.Sprint(n, "/", name), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(n))
				for b.Loop() {
					f(p)
				}
			})
		}
	}
}

func BenchmarkSumAll(b *testing.B) {
	for _, size := range []int{100, 4096} {
		for _, n := range []int{4, 16, 64} {
			contents, digests := make([][]byte, n), make([][32]byte, n)
			for i := range contents {
				contents[i] = input(size)
			}
			for _, wide := range []bool{true, false} {
				b.Run(fmt.Sprintf("%dx%d/%v", n, size, wide), func(b *testing.B) {
					b.ReportAllocs()
					b.SetBytes(int64(n * size))
					for b.Loop() {
						sumAll(digests, contents, wide)
					}
				})
			}
		}
	}
}
