// Package ring holds a bounded run of consecutively numbered values.
//
// Values are given numbers in order from zero and leave in order; between the
// two they are reached by number. The ring grows to what is needed and never
// beyond its bound. It is not safe for concurrent use.
package ring

// A Ring is a run of values. The zero value is an empty ring without room; see
// [New].
type Ring[T any] struct {
	bound uint64
	slots []T
	first uint64 // number of the oldest value
	next  uint64 // number that the next push gets
}

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
	n := r.next - r.first
	if n == r.bound {
		panic("ring: push without room")
	}
	if n == uint64(len(r.slots)) {
		r.grow()
	}
	r.slots[r.next%uint64(len(r.slots))] = v
	r.next++
	return r.next - 1
}

// grow doubles the ring, so that few values cost little.
func (r *Ring[T]) grow() {
	size := max(16, 2*len(r.slots))
	slots := make([]T, size)
	for i := r.first; i < r.next; i++ {
		slots[i%uint64(size)] = r.slots[i%uint64(len(r.slots))]
	}
	r.slots = slots
}

// At returns the value of number i, to be read or changed until the next Push,
// or nil when it is not in the ring: never pushed, or gone.
func (r *Ring[T]) At(i uint64) *T {
	if i < r.first || i >= r.next {
		return nil
	}
	return &r.slots[i%uint64(len(r.slots))]
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
	}
}
