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

	plain  []byte // of the part that is being filled
	next   int    // its number
	unread int    // bytes at its beginning that are staged and not in plain
	cut    int    // how many of its bytes were there at the last Cut
	known  Known
	free   chan []byte
	hands  sync.WaitGroup
	// window has a value for each part behind the first that is not staged, and
	// that one: a part that takes long does not let much be staged behind it, which
	// would count for nothing after a crash.
	window chan struct{}

	mu    sync.Mutex
	done  map[int]bool // staged, behind a gap
	whole int          // parts staged without a gap
	err   error        // the first
}

// NewWriter returns a writer that goes on at part first, which is 0 for a new
// parcel. At most atOnce parts are staged at a time, and as many more kept in
// memory.
func NewWriter(ctx context.Context, form Form, first, atOnce int, stage Stage) *Writer {
	w := &Writer{form: form, stage: stage, next: first, whole: first, done: map[int]bool{}}
	w.ctx, w.stop = context.WithCancel(ctx)
	w.free, w.window = make(chan []byte, atOnce), make(chan struct{}, 2*atOnce)
	for range atOnce {
		w.free <- nil // allocated when it is needed
	}
	return w
}

// Position is how many bytes come before the next one that is written.
func (w *Writer) Position() int64 { return int64(w.next)*int64(w.form.Part) + int64(len(w.plain)) }

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
		if w.plain == nil {
			w.plain = make([]byte, 0, w.form.Part)
		}
		k := min(len(p), w.form.Part-len(w.plain))
		w.plain = append(w.plain, p[:k]...)
		p = p[k:]
		if len(w.plain) < w.form.Part {
			break
		}
		if err := w.pass(); err != nil {
			return n - len(p), err
		}
	}
	return n, w.failure()
}

// pass seals the part that is full, or the last one, and has it staged.
func (w *Writer) pass() error {
	number := w.next
	if number >= MaxParts {
		return mft.Fail(mft.CodeTooLarge, "write parcel", "", fmt.Errorf("it would have more than %d parts of %d bytes", MaxParts, w.form.Part))
	}
	staged, err := w.recognize()
	if err != nil {
		return err
	}
	var sealed []byte
	select {
	case w.window <- struct{}{}:
	case <-w.ctx.Done():
		return w.stopped()
	}
	if staged {
		w.advance()
		w.staged(number, nil)
		return nil
	}
	select {
	case sealed = <-w.free:
	case <-w.ctx.Done():
		return w.stopped()
	}
	if sealed == nil {
		sealed = make([]byte, 0, w.form.Part+Overhead)
	}
	sealed, err = w.form.Seal(sealed[:0], number, w.plain)
	if err != nil {
		return err
	}
	print := w.print()
	full := len(w.plain) == w.form.Part
	w.advance()
	w.hands.Go(func() {
		err := w.stage(w.ctx, number, sealed)
		if err == nil && full && w.known.Note != nil {
			err = w.known.Note(print)
		}
		w.staged(number, err)
		w.free <- sealed
	})
	return nil
}

// advance begins the next part.
func (w *Writer) advance() { w.plain, w.next, w.unread, w.cut = w.plain[:0], w.next+1, 0, 0 }

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
	if len(w.plain) > 0 || e.Parts == 0 {
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
