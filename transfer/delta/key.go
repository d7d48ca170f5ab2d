package delta

import (
	"encoding/binary"
	"math/bits"

	"github.com/zeebo/blake3"
)

// A Seed is what the hash of blocks is keyed with. The receiver draws it at
// random for an attempt on a file, tells it to nobody but the sender, and may
// keep it in a Record.
type Seed [16]byte

// keyLabel separates keys from everything else that BLAKE3 derives. It is
// part of the protocol.
const keyLabel = "mft 2026-11 delta block hash"

// stripe is how much of a block NH condenses at a time.
const stripe = 2 << 10

// prime is 2^61-1, over which stripes are chained.
const prime = 1<<61 - 1

// hashBits is how much of the hash of a block travels.
const hashBits = 40

// A Key hashes blocks. It does not change and may be used by several
// goroutines.
//
// The hash is built as in UMAC (RFC 4418). NH (J. Black, S. Halevi, H.
// Krawczyk, T. Krovetz, P. Rogaway, UMAC: Fast and Secure Message
// Authentication, CRYPTO '99) with words of 64 bits condenses each stripe to
// two words; a polynomial over the integers modulo 2^61-1, of which they are
// coefficients, condenses these to one; and x·mul + add modulo the same prime
// spreads that one, of which 40 bits are kept.
//
// Two blocks of the same length that differ become equal in the first step
// under one key in 2^56 (it is 2^64 for NH, of whose two words up to 17
// differences each are none modulo the prime), in the second under one in 2^48
// (there are 2^13 coefficients at most), and in the third under one in 2^40.
type Key struct {
	words    [stripe / 8]uint64
	point    uint64 // where the polynomial is taken
	add, mul uint64 // the last step
}

// NewKey derives the key that both ends use.
func NewKey(seed Seed) *Key {
	h := blake3.NewDeriveKey(keyLabel)
	h.Write(seed[:])
	var raw [stripe + 24]byte
	h.Digest().Read(raw[:])
	k := &Key{}
	for i := range k.words {
		k.words[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	rest := raw[stripe:]
	k.point = binary.LittleEndian.Uint64(rest) % prime
	k.add = binary.LittleEndian.Uint64(rest[8:]) % prime
	k.mul = binary.LittleEndian.Uint64(rest[16:]) % prime
	return k
}

// A mark stands for a block.
type mark struct {
	sum  uint64 // what can be rolled, 40 bits
	hash uint64 // what decides, 40 bits
}

// hash returns what decides whether two blocks of the same length are equal.
func (k *Key) hash(block []byte) uint64 {
	acc := uint64(len(block))
	for ; len(block) >= stripe; block = block[stripe:] {
		acc = k.chain(acc, block[:stripe])
	}
	return k.spread(k.chainRest(acc, block))
}

// mark returns the mark of a block. Going through it by stripes means that
// it is read from memory once.
func (k *Key) mark(block []byte) mark {
	acc := uint64(len(block))
	var s sum
	for ; len(block) >= stripe; block = block[stripe:] {
		s.write(block[:stripe])
		acc = k.chain(acc, block[:stripe])
	}
	s.write(block)
	return mark{s.mixed() >> sumShift, k.spread(k.chainRest(acc, block))}
}

// chainRest adds what is left of a block to the polynomial, filled up with
// zeros: only blocks of the same length are ever compared.
func (k *Key) chainRest(acc uint64, rest []byte) uint64 {
	if len(rest) == 0 {
		return acc
	}
	var full [stripe]byte
	copy(full[:], rest)
	return k.chain(acc, full[:])
}

// chain adds a stripe to the polynomial.
func (k *Key) chain(acc uint64, p []byte) uint64 {
	high, low := nh(p, &k.words)
	return step(step(acc, k.point, low), k.point, high)
}

func (k *Key) spread(acc uint64) uint64 {
	return step(acc%prime, k.mul, k.add) % prime & (1<<hashBits - 1)
}

// step returns a number below 2^62 that is acc·x + y modulo prime. acc is below
// 2^62, x below 2^61.
func step(acc, x, y uint64) uint64 {
	high, low := bits.Mul64(acc, x)
	s := (high<<3 | low>>61) + low&prime + y&prime + y>>61 // below 2^63 + 2^61
	return s&prime + s>>61
}

// nh returns the sum modulo 2^128 of the products of neighbouring words of p,
// each with its word of the key added modulo 2^64. The loop is unrolled, and
// written so that the compiler sees that every index is in range.
func nh(p []byte, key *[stripe / 8]uint64) (high, low uint64) {
	k := key[:]
	for len(p) >= 64 && len(k) >= 8 {
		q := p[:64]
		var c uint64
		h, l := bits.Mul64(binary.LittleEndian.Uint64(q)+k[0], binary.LittleEndian.Uint64(q[8:])+k[1])
		low, c = bits.Add64(low, l, 0)
		high, _ = bits.Add64(high, h, c)
		h, l = bits.Mul64(binary.LittleEndian.Uint64(q[16:])+k[2], binary.LittleEndian.Uint64(q[24:])+k[3])
		low, c = bits.Add64(low, l, 0)
		high, _ = bits.Add64(high, h, c)
		h, l = bits.Mul64(binary.LittleEndian.Uint64(q[32:])+k[4], binary.LittleEndian.Uint64(q[40:])+k[5])
		low, c = bits.Add64(low, l, 0)
		high, _ = bits.Add64(high, h, c)
		h, l = bits.Mul64(binary.LittleEndian.Uint64(q[48:])+k[6], binary.LittleEndian.Uint64(q[56:])+k[7])
		low, c = bits.Add64(low, l, 0)
		high, _ = bits.Add64(high, h, c)
		p, k = p[64:], k[8:]
	}
	return high, low
}

// AppendMarks appends the marks of content, which is cut into blocks of block
// bytes and perhaps a shorter one at its end: a content that is signed in
// several calls is handed over in multiples of block.
func (k *Key) AppendMarks(b []byte, block int, content []byte) []byte {
	for len(content) > 0 {
		n := min(block, len(content))
		b = appendMark(b, k.mark(content[:n]))
		content = content[n:]
	}
	return b
}

func appendMark(b []byte, m mark) []byte {
	b = binary.LittleEndian.AppendUint64(b, m.sum|m.hash<<40)
	return binary.LittleEndian.AppendUint16(b, uint16(m.hash>>24))
}

// readMark reads the first mark in p.
func readMark(p []byte) mark {
	_ = p[MarkSize-1]
	low, high := binary.LittleEndian.Uint64(p), uint64(binary.LittleEndian.Uint16(p[8:]))
	return mark{sum: low & (1<<40 - 1), hash: low>>40 | high<<24}
}
