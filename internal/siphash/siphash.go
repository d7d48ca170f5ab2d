// Package siphash is SipHash-2-4 with a result of 128 bits: a function of a
// secret key and of bytes that nobody who does not know the key can tell from a
// random one.
//
//	a, b := siphash.New(&key).Sum(entry)
//
// For input of a few dozen bytes it costs half of what a hash without a key
// does. It is no such hash: whoever knows the key can make two inputs with one
// result, so it is not for content, signatures, or anything that outlives its
// key. It is as published by J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast
// short-input PRF" (2012), and in the reference code for 128 bits.
package siphash

import (
	"encoding/binary"
	"math/bits"
)

// A Key is a key made ready. It may be used by several goroutines at once.
type Key struct{ v0, v1, v2, v3 uint64 }

// New makes a key ready. It must be drawn at random.
func New(key *[16]byte) Key {
	k0, k1 := binary.LittleEndian.Uint64(key[:]), binary.LittleEndian.Uint64(key[8:])
	return Key{
		k0 ^ 0x736f6d6570736575,
		k1 ^ 0x646f72616e646f6d ^ 0xee, // 0xee stands for 128 bits
		k0 ^ 0x6c7967656e657261,
		k1 ^ 0x7465646279746573,
	}
}

// Sum returns the two halves of the result for p, of which the first eight
// bytes, least significant first, are low.
func (k Key) Sum(p []byte) (low, high uint64) {
	v0, v1, v2, v3 := k.v0, k.v1, k.v2, k.v3
	last := uint64(len(p)) << 56
	for len(p) >= 8 {
		m := binary.LittleEndian.Uint64(p)
		v3 ^= m
		v0, v1, v2, v3 = round(v0, v1, v2, v3)
		v0, v1, v2, v3 = round(v0, v1, v2, v3)
		v0 ^= m
		p = p[8:]
	}
	for i, b := range p {
		last |= uint64(b) << (8 * i)
	}
	v3 ^= last
	v0, v1, v2, v3 = round(v0, v1, v2, v3)
	v0, v1, v2, v3 = round(v0, v1, v2, v3)
	v0 ^= last

	v2 ^= 0xee
	for range 4 {
		v0, v1, v2, v3 = round(v0, v1, v2, v3)
	}
	low = v0 ^ v1 ^ v2 ^ v3
	v1 ^= 0xdd
	for range 4 {
		v0, v1, v2, v3 = round(v0, v1, v2, v3)
	}
	return low, v0 ^ v1 ^ v2 ^ v3
}

// round is small enough for the compiler to put it where it is called.
func round(v0, v1, v2, v3 uint64) (w0, w1, w2, w3 uint64) {
	v0 += v1
	v2 += v3
	v1 = bits.RotateLeft64(v1, 13) ^ v0
	v3 = bits.RotateLeft64(v3, 16) ^ v2
	v0 = bits.RotateLeft64(v0, 32) + v3
	v2 += v1
	v3 = bits.RotateLeft64(v3, 21) ^ v0
	v1 = bits.RotateLeft64(v1, 17) ^ v2
	return v0, v1, bits.RotateLeft64(v2, 32), v3
}
