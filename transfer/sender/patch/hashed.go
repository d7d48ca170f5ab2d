package patch

import (
	"context"
	"io"
	"sync"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
)

// hashed is how far a file has been hashed. What a reader of it reads is hashed
// on the way, so that this costs no read of its own, and comes while the content
// is in the processor's cache.
type hashed struct {
	file   File
	at     int64 // everything before is in file.Hash
	checks *digests
	buf    []byte
}

type readerFunc func(p []byte, at int64) (int, error)

func (f readerFunc) ReadAt(p []byte, at int64) (int, error) { return f(p, at) }

// reader returns a reader of the file. What it leaves out is read besides.
func (h *hashed) reader(ctx context.Context) io.ReaderAt {
	return readerFunc(func(p []byte, at int64) (int, error) {
		if err := h.reach(ctx, at); err != nil {
			return 0, err
		}
		n, err := h.file.ReadAt(p, at)
		if skip := h.at - at; skip < int64(n) {
			h.add(p[skip:n])
		}
		return n, err
	})
}

// reach reads and hashes what is missing before a position.
func (h *hashed) reach(ctx context.Context, to int64) error {
	for h.at < to {
		if err := ctx.Err(); err != nil {
			return err
		}
		if h.buf == nil {
			h.buf = make([]byte, transfer.Chunk)
		}
		p := h.buf[:min(int64(len(h.buf)), to-h.at)]
		if err := readFull(h.file, p, h.at); err != nil {
			return err
		}
		h.add(p)
	}
	return nil
}

// add hashes what comes next, and passes on the digests that CHECK frames need.
func (h *hashed) add(p []byte) {
	for len(p) > 0 {
		n := min(int64(len(p)), nextCheck(h.at)-h.at)
		h.file.Hash.Write(p[:n])
		h.at, p = h.at+n, p[n:]
		if h.at%protocol.CheckEvery == 0 {
			h.checks.add(h.file.Hash.Sum())
		}
	}
}

// digests are what was hashed and not yet sent. Whoever adds never waits: a
// search may go on to the end of the file before there is anything to be sent.
// They take 2 bytes for each MiB of that.
type digests struct {
	mu   sync.Mutex
	list []mft.Digest
	more chan struct{} // holds a token when there may be one
}

func newDigests() *digests { return &digests{more: make(chan struct{}, 1)} }

func (d *digests) add(x mft.Digest) {
	d.mu.Lock()
	d.list = append(d.list, x)
	d.mu.Unlock()
	select {
	case d.more <- struct{}{}:
	default:
	}
}

// take takes the oldest one, if there is any.
func (d *digests) take() (x mft.Digest, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.list) == 0 {
		return x, false
	}
	x, d.list = d.list[0], d.list[1:]
	return x, true
}
