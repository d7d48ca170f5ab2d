// Package landing takes the content of one big file: it writes it to a
// temporary file, verifies it as it comes and as a whole, and keeps what was
// verified when it is interrupted.
//
//	l, err := landing.Begin(ctx, order, offset)
//	err = l.Data(ctx, frames, size) // and Hole, Copy, Check, in the order of the frames
//	err = l.Verify(ctx, end)
//	file, err := l.Finish(ctx)
//
// Or Fail, or Abandon, in place of these two. It gives no file its final name.
package landing

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/delta"
	"mft.dev/mft/transfer/receiver/rebuild"
	"mft.dev/mft/transfer/staging"
	"mft.dev/mft/transfer/staging/publish"
)

// Limits.
const (
	savePartialEvery = 128 << 20 // content between two durable resume points
	writebackEvery   = 8 << 20   // content between two nudges to the disk
)

// An Order says what lands.
type Order struct {
	Index uint64
	Item  mft.Item
	Final string
	Key   protocol.Key
	Area  *staging.Area
	Moved func(n int64) // told of content that has come
	// There says that the file at the destination may have the content, and
	// Kept that an earlier attempt left all of it, with Digest.
	There, Kept bool
	Digest      mft.Digest
	Old         *rebuild.Old // what may be copied from, or nil
	// Blind says that the sender has chosen what to copy without marks of Old. What
	// does not fit is mft.CodeOutdated then.
	Blind bool
	// Remember has the marks of the content made, if there is an Old. Forget is
	// called when those that were remembered of that were wrong.
	Remember bool
	Forget   func() error
}

// A Landing takes the content of one big file. The goroutine that reads the
// connection puts steps into a channel; another hashes, and reads what is
// copied; a third one writes. Each waits for the next only, and the last for the
// disk.
type Landing struct {
	Order
	file  *staging.File // nil when the item cannot be delivered: content is only hashed
	out   *output       // to file, and nil without one
	fault error         // why it cannot be delivered
	held  bool          // the file at the destination is what would come

	steps chan step
	pool  chan []byte
	ended chan struct{} // the goroutine has returned
	err   error         // why, when it failed; read after ended

	// Owned by the goroutine until it ended.
	broken  bool        // a flush failed: what is in the file cannot be trusted
	patched bool        // something was copied
	copies  chan []byte // buffers for that
	hash    transfer.Hash
	marker  *delta.Marker // nil if marks are not remembered
	pos     int64
	saved   int64 // end of the last good CHECK that is durable
}

type step struct {
	content []byte
	hole    int64
	old     delta.Range // copied, when not empty
	check   bool
	digest  mft.Digest
}

// Begin begins with a file at offset, which is 0 or what was offered. What
// concerns the item alone is an error of Finish.
func Begin(ctx context.Context, order Order, offset int64) (*Landing, error) {
	b := &Landing{
		Order: order, hash: transfer.NewHash(),
		steps: make(chan step, transfer.ReadAhead), pool: make(chan []byte, transfer.ReadAhead+2), ended: make(chan struct{}),
	}
	if b.Old != nil && b.Remember {
		b.marker = b.Old.Marker(b.Item.Size)
	}
	if err := b.open(ctx, offset); err != nil {
		if !publish.ItemLevel(err) {
			return nil, err
		}
		b.fault = err
	}
	for range cap(b.pool) {
		b.pool <- make([]byte, transfer.Chunk)
	}
	if b.file != nil {
		b.out = write(b.file, b.Final, b.pos)
	}
	go b.run(ctx)
	return b, nil
}

// open prepares the temporary file: anew, or where the resume point said.
func (b *Landing) open(ctx context.Context, offset int64) error {
	if b.There && offset == b.Item.Size {
		b.held, b.pos = true, offset
		return nil
	}
	if offset != 0 && b.Kept {
		if offset != b.Item.Size {
			return transfer.Nonsense("item %d resumes at %d, which was not offered", b.Index, offset)
		}
		return b.goOn(ctx, offset, func() (*staging.File, error) { return b.Area.Reuse(b.Final) })
	}
	part, ok := b.Area.Partial(b.Key)
	if offset != 0 && (!ok || part.Offset != offset) {
		return transfer.Nonsense("item %d resumes at %d, which was not offered", b.Index, offset)
	}
	if offset == 0 {
		var err error
		b.file, err = b.Area.File(ctx, b.Final, b.Key)
		return err
	}
	if err := b.goOn(ctx, offset, func() (*staging.File, error) { return b.Area.Resume(ctx, b.Final, part) }); err != nil {
		return err
	}
	if err := b.file.Truncate(offset); err != nil {
		return mft.Fail(confine.CodeFor(err), "resume", b.Final, err)
	}
	return nil
}

// goOn takes what is there of a file. Its digest was offered; it is hashed
// again only because the hash state could not be kept.
func (b *Landing) goOn(ctx context.Context, offset int64, open func() (*staging.File, error)) error {
	var err error
	if b.file, err = open(); err != nil {
		return err
	}
	var others []io.Writer
	if b.marker != nil {
		others = append(others, b.marker)
	}
	if err := b.hash.WriteFrom(ctx, b.file.File, offset, others...); err != nil {
		return err
	}
	b.pos, b.saved = offset, offset
	b.Moved(offset)
	return nil
}

// Data takes size bytes of content from r.
func (b *Landing) Data(ctx context.Context, r io.Reader, size int) error {
	for size > 0 {
		var buf []byte
		select {
		case buf = <-b.pool:
		case <-b.ended:
			return b.err
		case <-ctx.Done():
			return ctx.Err()
		}
		buf = buf[:min(cap(buf), size)]
		if _, err := io.ReadFull(r, buf); err != nil {
			return transfer.Disconnected("read from", err)
		}
		size -= len(buf)
		b.Moved(int64(len(buf)))
		if err := b.pass(ctx, step{content: buf}); err != nil {
			return err
		}
	}
	return nil
}

// Hole takes n zeros.
func (b *Landing) Hole(ctx context.Context, n int64) error {
	b.Moved(n)
	return b.pass(ctx, step{hole: n})
}

// Copy takes content from the old version.
func (b *Landing) Copy(ctx context.Context, r delta.Range) error {
	if b.Old == nil && b.Blind {
		return b.outdated(errors.New("no file of that size is there"))
	}
	if b.Old == nil {
		return transfer.Nonsense("item %d is to be copied, which does not come as a delta", b.Index)
	}
	if err := delta.CheckCopy(r, b.Old.Size); err != nil {
		return err
	}
	return b.pass(ctx, step{old: r})
}

// Check takes the digest of what came so far.
func (b *Landing) Check(ctx context.Context, d mft.Digest) error {
	return b.pass(ctx, step{check: true, digest: d})
}

// pass hands one step to the goroutine.
func (b *Landing) pass(ctx context.Context, s step) error {
	select {
	case b.steps <- s:
		return nil
	case <-b.ended:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *Landing) run(ctx context.Context) {
	defer close(b.ended)
	for s := range b.steps {
		if b.err = b.take(ctx, s); b.err != nil {
			return
		}
	}
}

func (b *Landing) take(ctx context.Context, s step) error {
	n := int64(len(s.content)) + s.hole + s.old.Length
	if n > b.Item.Size-b.pos {
		return transfer.Nonsense("item %d is longer than the %d bytes announced", b.Index, b.Item.Size)
	}
	switch {
	case s.check:
		if b.hash.Sum() != s.digest {
			return b.wrong()
		}
		return b.checked(ctx)
	case s.hole > 0:
		return b.zeros(ctx, s.hole)
	case s.old.Length > 0:
		return b.copy(ctx, s.old)
	}
	return b.write(ctx, s.content, b.pool)
}

// see hashes content, and makes its marks while it is in the processor's cache.
func (b *Landing) see(content []byte) {
	b.hash.Write(content)
	if b.marker != nil {
		b.marker.Write(content)
	}
}

// zeros takes a hole.
func (b *Landing) zeros(ctx context.Context, n int64) error {
	zeros := make([]byte, min(n, transfer.Chunk))
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := zeros[:min(n, int64(len(zeros)))]
		b.see(p)
		b.pos += int64(len(p))
		n -= int64(len(p))
	}
	return nil
}

// write takes content that is in memory, in a buffer that goes home afterwards.
func (b *Landing) write(ctx context.Context, content []byte, home chan<- []byte) error {
	b.see(content)
	at := b.pos
	b.pos += int64(len(content))
	if b.out == nil {
		home <- content[:cap(content)]
		return nil
	}
	return b.out.put(ctx, chunk{at: at, content: content, home: home})
}

// copy takes content that is in the old version. What is written is what was
// hashed: it is read once.
func (b *Landing) copy(ctx context.Context, r delta.Range) error {
	if !b.patched {
		b.patched = true
		b.copies = make(chan []byte, outputAhead+1)
		for range cap(b.copies) {
			b.copies <- make([]byte, transfer.Chunk)
		}
	}
	if b.marker != nil {
		b.Old.Copied(b.marker, r)
	}
	for r.Length > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := <-b.copies // the output gives all back
		p = p[:min(r.Length, transfer.Chunk)]
		if _, err := b.Old.ReadAt(p, r.Offset); err != nil {
			err = fmt.Errorf("it changed meanwhile: %w", err)
			if b.Blind {
				return b.outdated(err)
			}
			return mft.Fail(mft.CodeCorrupt, opCopy, b.Item.Path, err)
		}
		n := int64(len(p))
		if err := b.write(ctx, p, b.copies); err != nil {
			return err
		}
		b.Moved(n)
		r.Offset, r.Length = r.Offset+n, r.Length-n
	}
	return nil
}

// checked takes note of a good CHECK, and makes it a resume point when much has
// come since the last one.
func (b *Landing) checked(ctx context.Context) error {
	if b.out == nil {
		return nil
	}
	if err := b.out.put(ctx, chunk{at: b.pos, good: true}); err != nil || b.pos-b.saved < savePartialEvery {
		return err
	}
	if err := b.out.wait(ctx); err != nil {
		return err
	}
	return b.save(ctx)
}

// save makes what has been verified durable, and then the resume point. The
// output must rest.
func (b *Landing) save(ctx context.Context) error {
	if b.out == nil || b.out.verified <= b.saved {
		return nil
	}
	err := b.Area.SavePartial(ctx, b.file, b.Key, b.out.verified)
	switch {
	case err == nil:
		b.saved = b.out.verified
	case mft.CodeOf(err) != mft.CodeJournal:
		b.broken = true
	}
	return err
}

// stop ends the goroutines and returns why they failed, if they did.
func (b *Landing) stop() error {
	close(b.steps)
	<-b.ended
	if b.out == nil {
		return b.err
	}
	if err := b.out.stop(); b.err == nil {
		b.err = err
	}
	return b.err
}

// saveTimeout bounds what an attempt that was interrupted still does for the
// next one.
const saveTimeout = 30 * time.Second

const opCopy = "copy from the old version of"

// outdated is the error of an old version that is not the sender's.
func (b *Landing) outdated(cause error) error {
	return mft.Fail(mft.CodeOutdated, opCopy, b.Item.Path, cause)
}

// wrong is the error of content that does not have its digest.
func (b *Landing) wrong() error {
	if b.patched && b.Blind {
		return b.outdated(errors.New("what came of it does not have the digest that was sent with it"))
	}
	return Corrupt(b.Item.Path)
}

// Corrupt is the error of content that does not have its digest.
func Corrupt(path string) error {
	return mft.Fail(mft.CodeCorrupt, "receive", path, errors.New("the content does not have the digest that was sent with it"))
}
