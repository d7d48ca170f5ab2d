// Package ring holds a bounded run of consecutively numbered values.
//
// Values are given numbers in order from zero and leave in order; between the
// two they are reached by number. The ring grows to what is needed and never
// beyond its bound. It is not safe for concurrent use.
package ring

import "slices"

// A Ring is a run of values, held in pieces: one that has been left by its
// values is used again for the next ones. See [New].
type Ring[T any] struct {
	bound  uint64
	pieces []*piece[T] // the first has value number first
	spare  []*piece[T]
	first  uint64 // number of the oldest value
	next   uint64 // number that the next push gets
}

// pieceLen is how many values a piece has, in which those stand whose numbers
// divided by it are the same.
const pieceLen = 128

type piece[T any] [pieceLen]T

// New returns an empty ring for at most bound values.
func New[T any](bound int) *Ring[T] { return &Ring[T]{bound: uint64(bound)} }

// Room returns how many values can be pushed.
func (r *Ring[T]) Room() uint64 { return r.bound - (r.next - r.first) }

// First is the number of the oldest value in the ring, Next the one that the
// next push gets. They are equal when the ring is empty.
func (r *Ring[T]) First() uint64 { return r.first }

// Next is described at First.
func (r *Ring[T]) Next() uint64 { return r.next }

// Push adds a value and returns its number. It panics when there is no room:
// the caller looks first.
func (r *Ring[T]) Push(v T) uint64 {
	if r.Room() == 0 {
		panic("ring: push without room")
	}
	if r.next/pieceLen-r.first/pieceLen == uint64(len(r.pieces)) {
		r.grow()
	}
	*r.slot(r.next) = v
	r.next++
	return r.next - 1
}

// grow adds a piece.
func (r *Ring[T]) grow() {
	if n := len(r.spare); n > 0 {
		r.pieces, r.spare = append(r.pieces, r.spare[n-1]), r.spare[:n-1]
		return
	}
	r.pieces = append(r.pieces, new(piece[T]))
}

// slot returns the place of value i, for which there is a piece.
func (r *Ring[T]) slot(i uint64) *T {
	return &r.pieces[i/pieceLen-r.first/pieceLen][i%pieceLen]
}

// At returns the value of number i, to be read or changed until it is let go, or
// nil when it is not in the ring: never pushed, or gone.
func (r *Ring[T]) At(i uint64) *T {
	if i < r.first || i >= r.next {
		return nil
	}
	return r.slot(i)
}

// PopWhile lets the oldest values go for as long as f says so.
func (r *Ring[T]) PopWhile(f func(*T) bool) {
	var zero T
	for r.first < r.next {
		slot := r.At(r.first)
		if !f(slot) {
			return
		}
		*slot = zero
		r.first++
		if r.first%pieceLen == 0 {
			r.spare = append(r.spare, r.pieces[0])
			r.pieces = slices.Delete(r.pieces, 0, 1)
		}
	}
}
