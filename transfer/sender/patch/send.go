package patch

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/patch"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/delta"
)

// A Line is what a file is sent on.
type Line interface {
	// Gather sends one frame, at once or when Flush is called. Two goroutines
	// call both.
	Gather(kind protocol.FrameKind, payload []byte) error
	Flush() error
	// Moved is told of content that the receiver has been told how to make.
	Moved(n int64)
}

// A File is what is sent.
type File struct {
	*os.File
	Path string // for errors
	Size int64
	// Offset is where the content that is sent begins; Hash covers what comes
	// before.
	Offset int64
	Hash   transfer.Hash
	// Unchanged fails when the file is not what it was when it was opened. The
	// file is read several times; before a digest is sent, this proves that
	// all that was read of it is of one version.
	Unchanged func() error
}

// Limits.
const (
	piecesAhead = 256     // found and not yet sent
	fineAhead   = 1 << 20 // bytes of fine marks that were asked for and not yet used
	fineLeast   = fineAhead / protocol.AskWindow

	// asksGathered is how many questions go to the connection together while
	// the writer has something to do.
	asksGathered = 8
)

// A found piece is one of the coarse matcher, with the answer about it if it is
// a gap.
type foundPiece struct {
	delta.Piece
	answer <-chan []byte
	cost   int64 // of fineAhead
}

// A sending is one file under way. One goroutine reads the file, hashes what it
// reads, finds pieces and asks about gaps. Another, behind it, resolves gaps and
// writes, for which it reads what is not copied again.
type sending struct {
	*Patch
	file File
	line Line
	key  *delta.Key

	hashed hashed // what there is of the file

	gathered int // questions, since the last flush
	found    chan foundPiece
	fine     *semaphore.Weighted
}

// Send sends the content of f from its offset on, with CHECK frames, and
// returns the digest of all of it. The error is io.ErrUnexpectedEOF when f is
// shorter than it was, or that of Unchanged.
func (p *Patch) Send(ctx context.Context, f File, line Line) (mft.Digest, error) {
	s := &sending{
		Patch: p, file: f, line: line, key: delta.NewKey(p.seed),
		hashed: hashed{file: f, at: f.Offset, checks: newDigests()},
		found:  make(chan foundPiece, piecesAhead), fine: semaphore.NewWeighted(fineAhead),
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.match(ctx) })
	g.Go(func() error {
		w := &writer{sending: s, pos: f.Offset, buf: make([]byte, transfer.Chunk)}
		return w.run(ctx)
	})
	err := g.Wait()
	if err == nil {
		err = f.Unchanged()
	}
	if err != nil {
		return mft.Digest{}, s.failed(err)
	}
	return f.Hash.Sum(), nil
}

// failed gives an error of reading its code.
func (s *sending) failed(err error) error {
	var coded *mft.Error
	if errors.As(err, &coded) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return mft.Fail(confine.CodeFor(err), "read", s.file.Path, err)
}

// nextCheck returns where the CHECK behind a position stands.
func nextCheck(at int64) int64 { return at - at%protocol.CheckEvery + protocol.CheckEvery }

func readFull(r io.ReaderAt, p []byte, at int64) error {
	n, err := r.ReadAt(p, at)
	switch {
	case n == len(p):
		return nil
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// match finds what of the file is in the old version, and asks about what may
// be. All of the file is hashed when it returns.
func (s *sending) match(ctx context.Context) error {
	if err := s.find(ctx); err != nil {
		return err
	}
	return s.hashed.reach(ctx, s.file.Size)
}

func (s *sending) find(ctx context.Context) error {
	defer close(s.found)
	size := delta.FineSize(delta.BlockSize(s.old.Size()))
	for q, err := range delta.NewMatcher(s.key).Match(ctx, s.old, s.hashed.reader(ctx), s.file.Size) {
		if err != nil {
			return err
		}
		if q.New.End() <= s.file.Offset {
			continue
		}
		p := foundPiece{Piece: q}
		if q.Kind == delta.Gap {
			if err := s.ask(ctx, &p, delta.Marks(q.Old.Length, size)); err != nil {
				return err
			}
		}
		select {
		case s.found <- p:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// ask asks for the marks, of size bytes, with which p is refined. When too much
// is being asked p becomes a literal.
func (s *sending) ask(ctx context.Context, p *foundPiece, size int) error {
	p.cost = int64(max(size, fineLeast))
	if err := s.fine.Acquire(ctx, p.cost); err != nil {
		return err
	}
	if p.answer = s.book.ask(size); p.answer == nil {
		s.fine.Release(p.cost)
		p.Kind = delta.Literal
		return nil
	}
	a := patch.Ask{Index: s.index, Range: patch.Range(p.Old)}
	if err := s.line.Gather(protocol.FrameAsk, patch.AppendAsk(nil, &a)); err != nil {
		return err
	}
	if s.gathered++; s.gathered < asksGathered {
		return nil // the writer flushes before it waits for the answer
	}
	s.gathered = 0
	return s.line.Flush()
}
