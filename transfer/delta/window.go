package delta

import (
	"context"
	"fmt"
	"io"
)

// readSize is how much of the new version is read at a time, at least.
const readSize = 1 << 20

// A window is the part of the new version that is in memory.
type window struct {
	r     io.ReaderAt
	end   int64 // nothing is read from here on
	start int64
	buf   []byte
}

// open makes w a window of what comes before end in r, that holds two blocks at
// least.
func (w *window) open(r io.ReaderAt, end int64, block int) {
	if n := block + max(block, readSize); cap(w.buf) < n {
		w.buf = make([]byte, 0, n)
	}
	w.r, w.end, w.start, w.buf = r, end, 0, w.buf[:0]
}

// at returns what stands at pos: at least low bytes, which must be in the file
// and no more than two blocks, and at most high. It is valid until the next
// call.
func (w *window) at(ctx context.Context, pos int64, low, high int) ([]byte, error) {
	skip := pos - w.start
	if skip < 0 || skip+int64(low) > int64(len(w.buf)) {
		if err := w.move(ctx, pos); err != nil {
			return nil, err
		}
		skip = 0
	}
	p := w.buf[skip:]
	if len(p) < low {
		return nil, fmt.Errorf("reading the new version: %d bytes at %d are not before %d", low, pos, w.end)
	}
	return p[:min(len(p), high)], nil
}

// move fills the window from pos on, keeping what it has of that.
func (w *window) move(ctx context.Context, pos int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	kept := 0
	if skip := pos - w.start; skip >= 0 && skip < int64(len(w.buf)) {
		kept = copy(w.buf, w.buf[skip:])
	}
	n := int(max(int64(kept), min(int64(cap(w.buf)), w.end-pos)))
	w.start, w.buf = pos, w.buf[:kept]
	full := w.buf[:n]
	got, err := w.r.ReadAt(full[kept:], pos+int64(kept))
	if kept+got < n {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("reading the new version at %d: %w", pos+int64(kept+got), err)
	}
	w.buf = full
	return nil
}
