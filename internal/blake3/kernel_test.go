package blake3

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"testing"
	"unsafe"
)

var initial = [8]uint32{0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19}

// plain computes what a lane should, as the specification has it: step by
// step, a block after the other.
func plain(p []byte, counter uint64, first, last uint32) node {
	value, flags := initial, first
	for more := true; more; flags = 0 {
		var block [64]byte
		n := copy(block[:], p)
		p = p[n:]
		if more = len(p) > 0; !more {
			flags |= last
		}
		var m [16]uint32
		for i := range m {
			m[i] = binary.LittleEndian.Uint32(block[4*i:])
		}
		s := [16]uint32{
			value[0], value[1], value[2], value[3], value[4], value[5], value[6], value[7],
			initial[0], initial[1], initial[2], initial[3], uint32(counter), uint32(counter >> 32), uint32(n), flags,
		}
		for range 7 {
			for i, q := range [8][4]int{
				{0, 4, 8, 12}, {1, 5, 9, 13}, {2, 6, 10, 14}, {3, 7, 11, 15}, {0, 5, 10, 15}, {1, 6, 11, 12}, {2, 7, 8, 13}, {3, 4, 9, 14},
			} {
				mix(&s[q[0]], &s[q[1]], &s[q[2]], &s[q[3]], m[2*i], m[2*i+1])
			}
			var permuted [16]uint32
			for i, from := range [16]int{2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8} {
				permuted[i] = m[from]
			}
			m = permuted
		}
		for i := range value {
			value[i] = s[i] ^ s[i+8]
		}
	}
	var out node
	for i, word := range value {
		binary.LittleEndian.PutUint32(out[4*i:], word)
	}
	return out
}

// mix is the function G.
func mix(a, b, c, d *uint32, x, y uint32) {
	*a += *b + x
	*d = bits.RotateLeft32(*d^*a, -16)
	*c += *d
	*b = bits.RotateLeft32(*b^*c, -12)
	*a += *b + y
	*d = bits.RotateLeft32(*d^*a, -8)
	*c += *d
	*b = bits.RotateLeft32(*b^*c, -7)
}

// A lane is what a test puts into one.
type lane struct {
	content     []byte
	counter     uint64
	first, last uint32
}

// check compares what the kernel makes of lanes with what they should give.
func check(t *testing.T, name string, in []lane) {
	t.Helper()
	var l lanes
	for i, in := range in {
		l.from[i], l.size[i] = unsafe.SliceData(in.content), uint32(len(in.content))
		l.low[i], l.high[i] = uint32(in.counter), uint32(in.counter>>32)
		l.first[i], l.last[i] = in.first, in.last
	}
	compress(&l)
	for i, in := range in {
		if want := plain(in.content, in.counter, in.first, in.last); l.out[i] != want {
			t.Fatalf("%s: lane %d, of %d bytes, = %x, want %x", name, i, len(in.content), l.out[i], want)
		}
	}
}

func needKernel(t *testing.T) {
	if !hasKernel() {
		t.Skip("this processor does not have AVX-512")
	}
}

// TestKernel has lanes of all lengths, with any counter and any flags, beside
// each other.
func TestKernel(t *testing.T) {
	needKernel(t)
	all := noise(3 * chunkSize)
	r := rand.New(rand.NewPCG(1, 2))
	draw := func(size int) lane {
		return lane{all[r.IntN(2*chunkSize):][:size], r.Uint64(), r.Uint32(), r.Uint32()}
	}
	for size := range chunkSize + 1 {
		in := make([]lane, width)
		for i := range in {
			in[i] = draw(size)
		}
		check(t, "all alike", in)
		for i := range in {
			in[i] = draw(r.IntN(chunkSize + 1))
		}
		in[size%width] = draw(size)
		check(t, "of any length", in)
		check(t, "some without use", in[:1+size%width])
	}
}

// TestLeavesFarOut numbers chunks beyond 4 TiB.
func TestLeavesFarOut(t *testing.T) {
	needKernel(t)
	const number = 1<<32 - 5
	p := noise(20*chunkSize + 1)
	nodes := make([]node, 21)
	if n := leaves(nodes, [][]byte{p}, number, root); n != len(nodes) {
		t.Fatalf("leaves = %d, want %d", n, len(nodes))
	}
	for i, got := range nodes {
		content := p[i*chunkSize : min((i+1)*chunkSize, len(p))]
		if want := plain(content, number+uint64(i), chunkStart, chunkEnd); got != want {
			t.Errorf("leaf %d = %x, want %x", i, got, want)
		}
	}
}
