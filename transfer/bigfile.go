package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/zeebo/blake3"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
)

// bigReader reads a file from an offset to its end, hashes what it reads, and
// passes it on in pieces. Reading and hashing share a goroutine so that a
// piece is still in the processor's cache when it is hashed; the network is
// served by another.
type bigReader struct {
	f      *os.File
	it     outItem
	hash   *blake3.Hasher // covers everything before the offset
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
	return r.pass(ctx, piece{end: true, digest: sumOf(r.hash)})
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
	if err := hashZeros(ctx, r.hash, x.Length); err != nil {
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
	return r.pass(ctx, piece{check: true, digest: sumOf(r.hash)})
}

func (r *bigReader) pass(ctx context.Context, p piece) error {
	select {
	case r.pieces <- p:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func sumOf(h *blake3.Hasher) mft.Digest {
	var d mft.Digest
	h.Sum(d[:0])
	return d
}

// hashZeros hashes n zero bytes, as which a hole counts.
func hashZeros(ctx context.Context, h *blake3.Hasher, n int64) error {
	zeros := make([]byte, min(n, contentChunk))
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		k := min(n, int64(len(zeros)))
		h.Write(zeros[:k])
		n -= k
	}
	return nil
}

// hashRange hashes the first n bytes of f. It fails with io.ErrUnexpectedEOF
// when there are fewer.
func hashRange(ctx context.Context, f *os.File, n int64, h *blake3.Hasher) error {
	buf := make([]byte, contentChunk)
	for pos := int64(0); pos < n; {
		if err := ctx.Err(); err != nil {
			return err
		}
		k, err := f.ReadAt(buf[:min(n-pos, contentChunk)], pos)
		h.Write(buf[:k])
		pos += int64(k)
		if pos == n || err == nil {
			continue
		}
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("hashing %d bytes: %w at %d", n, io.ErrUnexpectedEOF, pos)
		}
		return mft.Fail(confine.CodeFor(err), "read", f.Name(), err)
	}
	return nil
}
