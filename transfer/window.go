package transfer

import "context"

// A window holds what is known of the items that have been announced and are
// not yet settled, by their index. Indexes are given in order from zero and
// leave in order; the window is as large as windowItems and no larger.
//
// It is not safe for concurrent use: each end guards its own.
type window[T any] struct {
	slots []T
	first uint64 // index of the oldest slot
	next  uint64 // index that the next push gets
}

func newWindow[T any]() *window[T] { return &window[T]{} }

func (w *window[T]) full() bool { return w.next-w.first == windowItems }

// push adds a slot and returns its index. The caller has seen that the window
// is not full.
func (w *window[T]) push(v T) uint64 {
	n := w.next - w.first
	if n == uint64(len(w.slots)) {
		w.grow()
	}
	w.slots[w.next%uint64(len(w.slots))] = v
	w.next++
	return w.next - 1
}

// grow doubles the ring, so that a transfer of one file costs one slot.
func (w *window[T]) grow() {
	size := max(16, 2*len(w.slots))
	slots := make([]T, size)
	for i := w.first; i < w.next; i++ {
		slots[i%uint64(size)] = w.slots[i%uint64(len(w.slots))]
	}
	w.slots = slots
}

// at returns the slot of index i, or nil when i is not in the window: the peer
// named an item that was never announced or is long settled.
func (w *window[T]) at(i uint64) *T {
	if i < w.first || i >= w.next {
		return nil
	}
	return &w.slots[i%uint64(len(w.slots))]
}

// popWhile lets the oldest slots go for as long as f says so.
func (w *window[T]) popWhile(f func(*T) bool) {
	var zero T
	for w.first < w.next {
		slot := w.at(w.first)
		if !f(slot) {
			return
		}
		*slot = zero
		w.first++
	}
}

// firstError returns the first that is not nil of a cause set on ctx and err:
// when a helper fails, the others only report that they were cancelled.
func firstError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
