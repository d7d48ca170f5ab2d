package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"mft.dev/mft"
	"mft.dev/mft/internal/blake3"
	"mft.dev/mft/internal/confine"
)

// A Hash computes the digest of a file as its content goes by. Its Sum may be
// taken at any point and is the digest of what went by so far.
type Hash struct {
	h       *blake3.Hasher
	witness Witness
}

// A Witness is shown what a Hash is given, in the same order, while it is in the
// processor's cache.
type Witness interface {
	Write(content []byte) (int, error) // it never fails
	Reset()                            // what was written does not count
}

// NewHash returns the hash of nothing.
func NewHash() Hash { return Hash{h: blake3.New()} }

// NewWitnessed returns the hash of nothing, which shows w everything; nil is
// nobody.
func NewWitnessed(w Witness) Hash { return Hash{blake3.New(), w} }

// Write adds content. It never fails.
func (h Hash) Write(b []byte) (int, error) {
	if h.witness != nil {
		_, _ = h.witness.Write(b)
	}
	return h.h.Write(b)
}

// Reset begins anew.
func (h Hash) Reset() {
	h.h.Reset()
	if h.witness != nil {
		h.witness.Reset()
	}
}

// Sum returns the digest of what was written.
func (h Hash) Sum() mft.Digest { return h.h.Sum() }

// WriteZeros adds n zero bytes, as which a hole counts.
func (h Hash) WriteZeros(ctx context.Context, n int64) error {
	zeros := make([]byte, min(n, Chunk))
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		k := min(n, int64(len(zeros)))
		_, _ = h.Write(zeros[:k])
		n -= k
	}
	return nil
}

// WriteFrom adds the first n bytes of f, and writes them to whoever else wants
// them and never fails. It fails with io.ErrUnexpectedEOF when there are fewer.
func (h Hash) WriteFrom(ctx context.Context, f *os.File, n int64, others ...io.Writer) error {
	buf := make([]byte, Chunk)
	for pos := int64(0); pos < n; {
		if err := ctx.Err(); err != nil {
			return err
		}
		k, err := f.ReadAt(buf[:min(n-pos, Chunk)], pos)
		_, _ = h.Write(buf[:k])
		for _, w := range others {
			_, _ = w.Write(buf[:k])
		}
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
