package sender

import (
	"context"
	"errors"
	"io"
	"os"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/sender/patch"
)

// A patchLine is what package patch sends a file on.
type patchLine struct {
	s    *sender
	sent int64
}

func (l *patchLine) Gather(kind protocol.FrameKind, payload []byte) error {
	return l.s.line(func() error {
		return l.s.small.Gather(func() error { return l.s.frames.WriteFrame(kind, payload) })
	})
}

func (l *patchLine) Flush() error { return l.s.line(l.s.small.Flush) }

func (l *patchLine) Moved(n int64) {
	l.sent += n
	l.s.out.Meter.Moved(0, n)
}

// sendPatch sends what is new in a big file, of which FILE has been sent. hash
// covers what comes before offset.
func (s *sender) sendPatch(ctx context.Context, p *patch.Patch, f *os.File, i uint64, it item, offset int64, hash transfer.Hash, passed func(mft.Digest)) error {
	line := &patchLine{s: s, sent: offset}
	digest, err := p.Send(ctx, patch.File{
		File: f, Path: it.entry.Item.Path, Size: it.entry.Item.Size, Offset: offset, Hash: hash,
		Unchanged: func() error { return unchanged(f, it) },
	}, line)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errChanged
	}
	if err == nil {
		passed(digest)
		s.book.Done(i)
		_, err = s.sendPiece(piece{end: true, digest: digest}, it.entry.Item.Size)
	}
	if err != nil {
		if !ends(ctx, err) { // else the next attempt resumes there
			s.out.Meter.Moved(0, -line.sent)
		}
		return err
	}
	s.list.done(i, protocol.Delivered, digest)
	return nil
}
