package delta

import "encoding/binary"

// A sum is the checksum that can be rolled: with the bytes x of a block of n, a
// is the sum of x[i], and b that of (n-i)·x[i]. It is rsync's without the
// modulus, for neither overflows: a block is at most 2^23 bytes.
type sum struct{ a, b uint64 }

// mixer is 2^64 divided by the golden ratio.
const mixer = 0x9E3779B97F4A7C15

// sumShift is what is dropped of a mixed sum for it to fit a mark.
const sumShift = 24

// mixed spreads the sum over 64 bits, of which the upper ones are the best.
func (s sum) mixed() uint64 { return (s.b + s.a<<33) * mixer }

// writePlain adds content on any processor. The inner loop adds up 8 bytes at a time in two words of
// 4 lanes each, of which it turns out after 128 bytes what they mean: byte j
// of word t stands with 128-8t-j in b.
func (s *sum) writePlain(p []byte) {
	const (
		lanes  = 0x00ff00ff00ff00ff
		pairs  = 0x0000ffff0000ffff
		ones   = 1 | 1<<16 | 1<<32 | 1<<48
		evens  = 6 | 4<<16 | 2<<32         // times lane i, in the uppermost lane: 2i
		uneven = 7 | 5<<16 | 3<<32 | 1<<48 // and 2i+1
	)
	for ; len(p) >= 128; p = p[128:] {
		var ae, ao, be, bo uint64
		for q := p[:128]; len(q) >= 16; q = q[16:] {
			w := binary.LittleEndian.Uint64(q)
			ae += w & lanes
			be += ae
			ao += w >> 8 & lanes
			bo += ao
			w = binary.LittleEndian.Uint64(q[8:])
			ae += w & lanes
			be += ae
			ao += w >> 8 & lanes
			bo += ao
		}
		// No lane overflows: in be and bo are at most 255·(1+…+16), in the
		// products at most 16·255·(1+3+5+7).
		t := be&pairs + be>>16&pairs + bo&pairs + bo>>16&pairs
		t = t>>32 + t&(1<<32-1)
		s.b += 128*s.a + 8*t - (ae*evens)>>48 - (ao*uneven)>>48
		s.a += (ae + ao) * ones >> 48
	}
	for _, x := range p {
		s.a += uint64(x)
		s.b += s.a
	}
}

// roll moves the block on by one byte at a time, and stops behind the first
// step after which the sum may be in f. It returns the number of steps. outs
// are the bytes that leave, and ins as many that enter; a block has n bytes.
// What is kept instead of b is what is mixed, b + a<<33, so that everything
// fits the registers.
func (s *sum) roll(outs, ins []byte, n uint64, f *filter) (steps int, hit bool) {
	a, x := s.a, s.b+s.a<<33
	leaves := n + 1<<33
	ins = ins[:len(outs)]
	for i, out := range outs {
		in := uint64(ins[i])
		a += in - uint64(out)
		x += a + in<<33 - uint64(out)*leaves
		h := x * mixer
		if f.bits[h>>(64-filterLog)]>>(h>>(58-filterLog)&63)&1 != 0 {
			s.a, s.b = a, x-a<<33
			return i + 1, true
		}
	}
	s.a, s.b = a, x-a<<33
	return len(outs), false
}
