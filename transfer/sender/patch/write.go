package patch

import (
	"context"
	"iter"

	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/patch"
	"mft.dev/mft/transfer/delta"
)

// A writer turns pieces into frames.
type writer struct {
	*sending
	pos  int64
	join delta.Joiner
	buf  []byte

	next   func() (confine.Extent, error, bool)
	extent confine.Extent // that pos is in, or one before
}

func (w *writer) run(ctx context.Context) error {
	var stop func()
	w.next, stop = iter.Pull2(confine.Extents(w.file.File, w.file.Size))
	defer stop()
	fine := delta.NewMatcher(w.key)
	for {
		p, ok, err := next(ctx, w, w.found)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if p.answer == nil {
			if err := w.add(ctx, p.Piece); err != nil {
				return err
			}
			continue
		}
		if err := w.refine(ctx, fine, p); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := w.emit(ctx, w.join.Flush()); err != nil {
		return err
	}
	return w.line.Flush()
}

// next takes what comes next out of a channel. What was gathered is sent before
// it is waited for: the other end may have to read that first.
func next[T any](ctx context.Context, w *writer, c <-chan T) (x T, ok bool, err error) {
	select {
	case x, ok = <-c:
		return x, ok, nil
	default:
	}
	if err := w.line.Flush(); err != nil {
		return x, false, err
	}
	select {
	case x, ok = <-c:
		return x, ok, nil
	case <-ctx.Done():
		return x, false, ctx.Err()
	}
}

// refine resolves a gap with the answer about it, which is waited for.
func (w *writer) refine(ctx context.Context, fine *delta.Matcher, p foundPiece) error {
	defer w.fine.Release(p.cost)
	marks, _, err := next(ctx, w, p.answer)
	if err != nil {
		return err
	}
	if len(marks) == 0 {
		return w.add(ctx, delta.Piece{Kind: delta.Literal, New: p.New})
	}
	for q, err := range fine.Refine(ctx, w.old, p.Piece, marks, w.file) {
		if err == nil {
			err = w.add(ctx, q)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) add(ctx context.Context, p delta.Piece) error {
	return w.emit(ctx, w.join.Join(p))
}

// emit writes a piece: holes of the file as holes whatever they could be
// copied from, and a CHECK wherever one is due.
func (w *writer) emit(ctx context.Context, p delta.Piece) error {
	for {
		if skip := min(w.pos-p.New.Offset, p.New.Length); skip > 0 { // the receiver has it
			p = behind(p, skip)
		}
		if p.New.Length == 0 {
			return nil
		}
		x, err := w.here()
		if err != nil {
			return err
		}
		n := min(p.New.Length, x.Offset+x.Length-w.pos, nextCheck(w.pos)-w.pos)
		switch {
		case x.Hole:
			err = w.line.Gather(protocol.FrameHole, protocol.AppendHole(nil, n))
		case p.Kind == delta.Copy:
			err = w.line.Gather(protocol.FrameCopy, patch.AppendCopy(nil, &patch.Range{Offset: p.Old.Offset, Length: n}))
		default:
			n = min(n, int64(len(w.buf)))
			if err = readFull(w.file, w.buf[:n], w.pos); err == nil {
				err = w.line.Gather(protocol.FrameData, w.buf[:n])
			}
		}
		if err != nil {
			return err
		}
		w.line.Moved(n)
		w.pos += n
		if err := w.check(ctx); err != nil {
			return err
		}
	}
}

// behind returns what is left of p without its first n bytes.
func behind(p delta.Piece, n int64) delta.Piece {
	p.New.Offset, p.New.Length = p.New.Offset+n, p.New.Length-n
	p.Old.Offset, p.Old.Length = p.Old.Offset+n, p.Old.Length-n
	return p
}

// here returns the extent that the position is in.
func (w *writer) here() (confine.Extent, error) {
	for w.extent.Offset+w.extent.Length <= w.pos {
		x, err, ok := w.next()
		if err != nil {
			return x, err
		}
		if !ok { // never: the extents add up to the size
			return confine.Extent{Offset: w.pos, Length: w.file.Size - w.pos}, nil
		}
		w.extent = x
	}
	return w.extent, nil
}

// check writes the digest of what comes before the position, if one is due
// there. It may have to be waited for.
func (w *writer) check(ctx context.Context) error {
	if w.pos%protocol.CheckEvery != 0 {
		return nil
	}
	d, ok := w.hashed.checks.take()
	for !ok {
		if _, _, err := next(ctx, w, w.hashed.checks.more); err != nil {
			return err
		}
		d, ok = w.hashed.checks.take()
	}
	if err := w.file.Unchanged(); err != nil {
		return err
	}
	return w.line.Gather(protocol.FrameCheck, protocol.AppendCheck(nil, d))
}
