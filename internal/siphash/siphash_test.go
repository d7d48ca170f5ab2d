package siphash_test

import (
	"encoding/binary"
	"encoding/hex"
	"testing"

	"mft.dev/mft/internal/siphash"
)

func numbers(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// The vectors are those of the reference code: the key is 00 01 … 0f, the input
// of n bytes 00 01 … n-1.
func TestVectors(t *testing.T) {
	key := siphash.New((*[16]byte)(numbers(16)))
	for _, tt := range []struct {
		size int
		want string
	}{
		{0, "a3817f04ba25a8e66df67214c7550293"},
		{1, "da87c1d86b99af44347659119b22fc45"},
		{15, "5493e99933b0a8117e08ec0f97cfc3d9"},
	} {
		var got [16]byte
		low, high := key.Sum(numbers(tt.size))
		binary.LittleEndian.PutUint64(got[:], low)
		binary.LittleEndian.PutUint64(got[8:], high)
		if hex.EncodeToString(got[:]) != tt.want {
			t.Errorf("Sum of %d bytes = %x, want %s", tt.size, got, tt.want)
		}
	}
}

// Every bit of key and input counts, and so does the length.
func TestEveryBitCounts(t *testing.T) {
	type sum struct{ low, high uint64 }
	seen := map[sum]string{}
	note := func(key, input []byte, what string) {
		low, high := siphash.New((*[16]byte)(key)).Sum(input)
		if was, ok := seen[sum{low, high}]; ok {
			t.Errorf("%s and %s have the same result", was, what)
		}
		seen[sum{low, high}] = what
	}
	for size := range 41 {
		note(numbers(16), make([]byte, size), "zeros")
	}
	for i := range 16 * 8 {
		key := numbers(16)
		key[i/8] ^= 1 << (i % 8)
		note(key, numbers(40), "another key")
	}
	for i := range 40 * 8 {
		input := numbers(40)
		input[i/8] ^= 1 << (i % 8)
		note(numbers(16), input, "another input")
	}
}

func BenchmarkSum(b *testing.B) {
	key := siphash.New((*[16]byte)(numbers(16)))
	input := numbers(34)
	b.SetBytes(int64(len(input)))
	for b.Loop() {
		key.Sum(input)
	}
}
