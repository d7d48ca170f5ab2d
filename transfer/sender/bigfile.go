package sender

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sync/errgroup"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
)

// A piece is one step through a big file, from the goroutine that reads and
// hashes to the one that writes to the connection.
type piece struct {
	content []byte // DATA, when not nil; returned to the pool after use
	hole    int64  // HOLE, when > 0
	check   bool   // CHECK: digest is that of everything before
	end     bool   // FILEEND
	digest  mft.Digest
}

// openBig sends a big file if it still is what was announced.
func (s *sender) openBig(ctx context.Context, p *packer, i uint64, it item, w *protocol.Want) error {
	f, id, err := it.source.OpenItem(it.entry)
	if err != nil {
		return err
	}
	defer f.Close()
	if id != it.entry.Identity {
		return errChanged
	}
	return s.sendBig(ctx, p, f, i, it, w)
}

// sendBig streams a file that does not fit a PACK.
func (s *sender) sendBig(ctx context.Context, p *packer, f *os.File, i uint64, it item, w *protocol.Want) error {
	if err := p.flush(); err != nil { // in order, and out of the way
		return err
	}
	hash, passed := s.watched(&it.entry.Item)
	offset, err := s.resumeAt(ctx, f, it, w, hash)
	if err != nil {
		return err
	}
	start := protocol.FileStart{Index: i, Offset: offset}
	if err := s.write(protocol.FrameFile, protocol.AppendFileStart(nil, &start)); err != nil {
		return err
	}
	s.out.Meter.Moved(0, offset)
	if patch := s.book.Find(i); patch != nil {
		return s.sendPatch(ctx, patch, f, i, it, offset, hash, passed)
	}
	sent := offset
	g, gctx := errgroup.WithContext(ctx)
	pieces := make(chan piece, transfer.ReadAhead)
	pool := make(chan []byte, transfer.ReadAhead+2)
	for range cap(pool) {
		pool <- make([]byte, transfer.Chunk)
	}
	g.Go(func() error {
		defer close(pieces)
		r := &bigReader{f: f, it: it, hash: hash, pieces: pieces, pool: pool, last: offset}
		return r.run(gctx, offset)
	})
	g.Go(func() error {
		for pc := range pieces {
			if pc.end {
				passed(pc.digest)
			}
			n, err := s.sendPiece(pc, it.entry.Item.Size)
			if err != nil {
				return err
			}
			sent += n
			s.out.Meter.Moved(0, n)
			if pc.content != nil {
				pool <- pc.content[:cap(pc.content)]
			}
			if pc.end {
				s.list.done(i, protocol.Delivered, pc.digest)
			}
		}
		return nil
	})
	err = g.Wait()
	if err != nil && !ends(ctx, err) { // else the next attempt resumes there
		s.out.Meter.Moved(0, -sent)
	}
	return err
}

// watched returns the hash of a file, and whom to tell of its digest.
func (s *sender) watched(it *mft.Item) (transfer.Hash, func(mft.Digest)) {
	if s.out.Watch != nil {
		if w := s.out.Watch(it); w != nil {
			return transfer.NewWitnessed(w), w.Passed
		}
	}
	return transfer.NewHash(), func(mft.Digest) {}
}

func (s *sender) sendPiece(pc piece, size int64) (int64, error) {
	switch {
	case pc.end:
		end := protocol.FileEnd{Size: size, Digest: pc.digest}
		return 0, s.write(protocol.FrameFileEnd, protocol.AppendFileEnd(nil, &end))
	case pc.check:
		return 0, s.write(protocol.FrameCheck, pc.digest[:])
	case pc.hole > 0:
		return pc.hole, s.write(protocol.FrameHole, protocol.AppendHole(nil, pc.hole))
	}
	return int64(len(pc.content)), s.write(protocol.FrameData, pc.content)
}

// resumeAt returns where content begins: behind what the receiver has, when
// our own content up to there has the same digest. hash then covers it.
func (s *sender) resumeAt(ctx context.Context, f *os.File, it item, w *protocol.Want, hash transfer.Hash) (int64, error) {
	if w.Verdict == protocol.Send || w.Offset <= 0 || w.Offset > it.entry.Item.Size {
		return 0, nil
	}
	err := hash.WriteFrom(ctx, f, w.Offset)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return 0, errChanged
	case err != nil:
		return 0, err
	}
	if hash.Sum() != w.Digest {
		hash.Reset()
		return 0, nil
	}
	return w.Offset, nil
}

// bigReader reads a file from an offset to its end, hashes what it reads, and
// passes it on in pieces. Reading and hashing share a goroutine so that a
// piece is still in the processor's cache when it is hashed; the network is
// served by another.
type bigReader struct {
	f      *os.File
	it     item
	hash   transfer.Hash // covers everything before the offset
	pieces chan<- piece
	pool   <-chan []byte
	last   int64 // position of the last CHECK
}

func (r *bigReader) run(ctx context.Context, offset int64) error {
	size := r.it.entry.Item.Size
	for x, err := range confine.Extents(r.f, size) {
		if err != nil {
			return mft.Fail(confine.CodeFor(err), "read", r.it.entry.Item.Path, err)
		}
		if x.Offset+x.Length <= offset {
			continue
		}
		if x.Offset < offset {
			x.Length -= offset - x.Offset
			x.Offset = offset
		}
		if x.Hole {
			err = r.hole(ctx, x)
		} else {
			err = r.extent(ctx, x)
		}
		if err != nil {
			return err
		}
	}
	if err := unchanged(r.f, r.it); err != nil {
		return err
	}
	return r.pass(ctx, piece{end: true, digest: r.hash.Sum()})
}

func (r *bigReader) extent(ctx context.Context, x confine.Extent) error {
	for pos, end := x.Offset, x.Offset+x.Length; pos < end; {
		var buf []byte
		select {
		case buf = <-r.pool:
		case <-ctx.Done():
			return ctx.Err()
		}
		buf = buf[:min(int64(cap(buf)), end-pos)]
		n, err := r.f.ReadAt(buf, pos)
		if n < len(buf) {
			if err == nil || errors.Is(err, io.EOF) {
				return errChanged
			}
			return mft.Fail(confine.CodeFor(err), "read", r.it.entry.Item.Path, err)
		}
		r.hash.Write(buf)
		if err := r.pass(ctx, piece{content: buf}); err != nil {
			return err
		}
		pos += int64(n)
		if err := r.check(ctx, pos); err != nil {
			return err
		}
	}
	return nil
}

func (r *bigReader) hole(ctx context.Context, x confine.Extent) error {
	if err := r.hash.WriteZeros(ctx, x.Length); err != nil {
		return err
	}
	if err := r.pass(ctx, piece{hole: x.Length}); err != nil {
		return err
	}
	return r.check(ctx, x.Offset+x.Length)
}

// check sends the digest so far when enough has gone since the last one.
func (r *bigReader) check(ctx context.Context, pos int64) error {
	if pos-r.last < checkEvery {
		return nil
	}
	r.last = pos
	return r.pass(ctx, piece{check: true, digest: r.hash.Sum()})
}

func (r *bigReader) pass(ctx context.Context, p piece) error {
	select {
	case r.pieces <- p:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unchanged compares the open file with what was announced. Together with
// Settle before the first read it proves that what was read is one version.
func unchanged(f *os.File, it item) error {
	fi, err := f.Stat()
	if err != nil {
		return mft.Fail(confine.CodeFor(err), "read", it.entry.Item.Path, err)
	}
	if confine.Stamp(fi) != it.entry.Identity {
		return errChanged
	}
	return nil
}
