package delta

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestProtocolConstants: what both ends compute must never change unseen.
func TestProtocolConstants(t *testing.T) {
	for size, want := range map[int64]int{
		0: 2 << 10, 1 << 20: 2 << 10, 2 << 20: 2 << 10, 2<<20 + 1: 4 << 10, 32 << 20: 8 << 10, 32<<20 + 1: 16 << 10,
		256 << 20: 32 << 10, 1 << 30: 64 << 10, 2 << 30: 64 << 10, 2<<30 + 1: 128 << 10, 1 << 40: 2 << 20, MaxSize: 8 << 20,
	} {
		if got := BlockSize(size); got != want {
			t.Errorf("BlockSize(%d) = %d, want %d", size, got, want)
		}
		if n := Marks(size, want); n > 1<<21*MarkSize {
			t.Errorf("Marks(%d, %d) = %d, more than 2^21 marks", size, want, n)
		}
	}
	for block, want := range map[int]int{2 << 10: 0, 8 << 10: 0, 16 << 10: 2 << 10, 512 << 10: 2 << 10, 1 << 20: 4 << 10, 8 << 20: 4 << 10} {
		if got := FineSize(block); got != want {
			t.Errorf("FineSize(%d) = %d, want %d", block, got, want)
		}
	}
	content := make([]byte, 70_000)
	for i := range content {
		content[i] = byte(i * i >> 8)
	}
	for _, tc := range []struct {
		from, to int
		want     string
	}{
		{0, 0, ""},
		{0, 1, "0000000000e74bc031bd"},
		{0, 2048, "29e2856f07b9a3eebd49"},
		{1, 2049, "d5424efc57d3f89e67dc"},
		{0, 65536, "fcfbf63b212789c71930"},
		{100, 69_999, "6b9889d7bdbd94cfcb7da4505a5fbafa490bdfdb"},
	} {
		got := hex.EncodeToString(testKey().AppendMarks(nil, 64<<10, content[tc.from:tc.to]))
		if got != tc.want {
			t.Errorf("marks of [%d:%d] = %s, want %s", tc.from, tc.to, got, tc.want)
		}
	}
}

// TestHash compares with the definition.
func TestHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := NewKey(Seed{rapid.Byte().Draw(t, "seed")})
		p := noise(rapid.Byte().Draw(t, "content"), rapid.IntRange(0, 5_000).Draw(t, "length"))
		if rapid.Bool().Draw(t, "ones") {
			p = bytes.Repeat([]byte{0xff}, len(p))
		}
		if got, want := k.hash(p), slowHash(k, p); got != want {
			t.Fatalf("hash of %d bytes = %x, want %x", len(p), got, want)
		}
		m := k.mark(p)
		if want := (mark{slowSum(p).mixed() >> sumShift, slowHash(k, p)}); m != want {
			t.Fatalf("mark of %d bytes = %x, want %x", len(p), m, want)
		}
		if got := readMark(k.AppendMarks(nil, 1<<20, append(p, 1))); got != k.mark(append(p, 1)) {
			t.Fatalf("readMark = %x", got)
		}
	})
}

func slowHash(k *Key, p []byte) uint64 {
	word := func(v uint64) *big.Int { return new(big.Int).SetUint64(v) }
	mod := word(prime)
	acc := word(uint64(len(p)))
	chain := func(v *big.Int) {
		acc.Mul(acc, word(k.point)).Add(acc, v).Mod(acc, mod)
	}
	for len(p)%stripe != 0 {
		p = append(p[:len(p):len(p)], 0)
	}
	for ; len(p) > 0; p = p[stripe:] {
		total := new(big.Int)
		for i := 0; i < stripe/8; i += 2 {
			x := word(binary.LittleEndian.Uint64(p[8*i:]) + k.words[i])
			total.Add(total, x.Mul(x, word(binary.LittleEndian.Uint64(p[8*i+8:])+k.words[i+1])))
		}
		chain(word(new(big.Int).And(total, word(1<<64-1)).Uint64()))
		chain(word(new(big.Int).And(total.Rsh(total, 64), word(1<<64-1)).Uint64()))
	}
	acc.Mul(acc, word(k.mul)).Add(acc, word(k.add)).Mod(acc, mod)
	return acc.Uint64() & (1<<hashBits - 1)
}

func slowSum(p []byte) (s sum) {
	for i, x := range p {
		s.a += uint64(x)
		s.b += uint64(len(p)-i) * uint64(x)
	}
	return s
}

// TestSum compares all ways to a sum, from any beginning and in two parts.
func TestSum(t *testing.T) {
	ways := map[string]func(*sum, []byte){"write": (*sum).write, "writePlain": (*sum).writePlain}
	rapid.Check(t, func(t *rapid.T) {
		p := noise(rapid.Byte().Draw(t, "content"), rapid.IntRange(0, 5_000).Draw(t, "length"))
		if rapid.Bool().Draw(t, "ones") {
			p = bytes.Repeat([]byte{0xff}, len(p))
		}
		p = p[min(len(p), rapid.IntRange(0, 40).Draw(t, "skip")):]
		cut := rapid.IntRange(0, len(p)).Draw(t, "cut")
		for name, write := range ways {
			var s sum
			write(&s, p[:cut])
			write(&s, p[cut:])
			if want := slowSum(p); s != want {
				t.Fatalf("%s of %d and %d bytes: %v, want %v", name, cut, len(p)-cut, s, want)
			}
		}
	})
}

func TestSumOfLargest(t *testing.T) {
	p := bytes.Repeat([]byte{0xff}, 8<<20)
	want := slowSum(p)
	var s, plain sum
	s.write(p)
	plain.writePlain(p)
	if s != want || plain != want {
		t.Errorf("sum of 8 MiB of 0xff = %v, and %v without vectors, want %v", s, plain, want)
	}
}

func TestRoll(t *testing.T) {
	p := slices.Concat(bytes.Repeat([]byte{0xff}, 5000), noise(1, 5000))
	none := &index{}
	none.open(0)
	for _, log := range []uint{0, 1, 7, 11} {
		n := 1 << log
		var s sum
		s.write(p[:n])
		for at := 1; at+n <= len(p); at++ {
			if steps, hit := s.roll(p[at-1:at], p[at-1+n:at+n], uint64(n), &none.filter); steps != 1 || hit {
				t.Fatalf("roll: %d steps, hit %v", steps, hit)
			}
			if want := slowSum(p[at : at+n]); s != want {
				t.Fatalf("block of %d rolled to %d: %v, want %v", n, at, s, want)
			}
		}
	}
}

// TestHashSpreads: seeds make different hashes, and so do all blocks that
// differ from one in a single bit.
func TestHashSpreads(t *testing.T) {
	p := noise(1, 4096)
	if a, b := NewKey(Seed{1}).hash(p), NewKey(Seed{2}).hash(p); a == b {
		t.Errorf("hashes under two seeds are both %x", a)
	}
	seen := map[uint64]int{}
	k := testKey()
	for i := range 8 * len(p) {
		p[i/8] ^= 1 << (i % 8)
		h := k.hash(p)
		if j, twice := seen[h]; twice {
			t.Errorf("bits %d and %d: both make the hash %x", i, j, h)
		}
		seen[h] = i
		p[i/8] ^= 1 << (i % 8)
	}
}
