package parcel

import (
	"context"
	"fmt"
	"sync"

	"mft.dev/mft"
)

// A Stage keeps one sealed part under its number, from 0. It may be called by
// several goroutines at once, for different numbers, and keeps nothing of part
// when it returns.
type Stage func(ctx context.Context, number int, part []byte) error

// A Writer seals a stream of bytes. Write, Position, Staged and Close are for
// one goroutine. Close must be called.
type Writer struct {
	form  Form
	ctx   context.Context
	stop  context.CancelFunc
	stage Stage

	part  []byte // being filled: room for its salt, and content; nil before there is any
	next  int    // its number
	free  chan []byte
	slots chan struct{} // has a value for each part that is being staged
	hands sync.WaitGroup
	// window has a value for each part behind the first that is not staged, and
	// that one: a part that takes long does not let much be staged behind it, which
	// would count for nothing after a crash. It is one less than twice the slots,
	// for the next part may begin before it is noted that the first is staged.
	window chan struct{}

	mu    sync.Mutex
	done  map[int]bool // staged, behind a gap
	whole int          // parts staged without a gap
	err   error        // the first
}

// NewWriter returns a writer that goes on at part first, which is 0 for a new
// parcel. At most atOnce parts are sealed and staged at a time, and one more is
// kept in memory.
func NewWriter(ctx context.Context, form Form, first, atOnce int, stage Stage) *Writer {
	w := &Writer{form: form, stage: stage, next: first, whole: first, done: map[int]bool{}}
	w.ctx, w.stop = context.WithCancel(ctx)
	w.free, w.slots, w.window = make(chan []byte, atOnce+1), make(chan struct{}, atOnce), make(chan struct{}, 2*atOnce-1)
	for range cap(w.free) {
		w.free <- nil // allocated when it is needed
	}
	return w
}

// Position is how many bytes come before the next one that is written.
func (w *Writer) Position() int64 { return int64(w.next)*int64(w.form.Part) + int64(w.filled()) }

// filled is the content of the part that is being filled.
func (w *Writer) filled() int { return max(len(w.part)-saltSize, 0) }

// Staged is how many bytes, from the first on, are in parts that are staged.
func (w *Writer) Staged() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int64(w.whole) * int64(w.form.Part)
}

// Write takes content. Its error is the first of a Stage, and stays.
func (w *Writer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		w.begin()
		k := min(len(p), w.form.Part-w.filled())
		w.part = append(w.part, p[:k]...)
		p = p[k:]
		if w.filled() < w.form.Part {
			break
		}
		if err := w.pass(); err != nil {
			return n - len(p), err
		}
	}
	return n, w.failure()
}

// begin has memory for a part be there. There is some: no more parts than have a
// slot are under way, and there is one more.
func (w *Writer) begin() {
	if w.part == nil {
		w.part = <-w.free
	}
	if w.part == nil {
		w.part = w.form.room()
	}
}

// pass has the part that is full, or the last one, be sealed and staged.
func (w *Writer) pass() error {
	number := w.next
	if number >= MaxParts {
		return mft.Fail(mft.CodeTooLarge, "write parcel", "", fmt.Errorf("it would have more than %d parts of %d bytes", MaxParts, w.form.Part))
	}
	for _, turn := range []chan struct{}{w.window, w.slots} {
		select {
		case turn <- struct{}{}:
		case <-w.ctx.Done():
			return w.stopped()
		}
	}
	w.begin() // of nothing, where the parcel is empty
	part := w.part
	w.part, w.next = nil, number+1
	w.hands.Go(func() {
		sealed, err := w.form.sealInPlace(number, part)
		if err == nil {
			err = w.stage(w.ctx, number, sealed)
		}
		w.staged(number, err)
		w.free <- part[:saltSize]
		<-w.slots
	})
	return nil
}

// staged notes how staging a part ended.
func (w *Writer) staged(number int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		if w.err == nil {
			w.err = err
			w.stop()
		}
		return
	}
	w.done[number] = true
	for w.done[w.whole] {
		delete(w.done, w.whole)
		w.whole++
		<-w.window
	}
}

// stopped is why the context ended.
func (w *Writer) stopped() error {
	if err := w.failure(); err != nil {
		return err
	}
	return context.Cause(w.ctx)
}

func (w *Writer) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Finish seals what is left as the last part, waits until everything is staged,
// and returns the extent of the parcel.
func (w *Writer) Finish() (Extent, error) {
	e := Extent{Parts: w.next, Size: w.Position()}
	if w.filled() > 0 || e.Parts == 0 {
		if err := w.pass(); err != nil {
			return Extent{}, err
		}
		e.Parts++
	}
	w.hands.Wait()
	return e, w.failure()
}

// Close ends staging and waits for it. What has been staged stays.
func (w *Writer) Close() {
	w.stop()
	w.hands.Wait()
}
