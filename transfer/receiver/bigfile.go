package receiver

import (
	"context"
	"fmt"
	"io"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/staging"
)

// Big files.
const (
	savePartialEvery = 128 << 20 // content between two durable resume points
	writebackEvery   = 8 << 20   // content between two nudges to the disk
)

// A bigLanding takes the content of one big file. The goroutine that reads the
// connection puts steps into a channel; another hashes and writes, so that
// decrypting and hashing overlap.
type bigLanding struct {
	r     *receiver
	index uint64
	it    item
	key   protocol.Key
	file  *staging.File // nil when the item cannot be delivered: content is only hashed
	fault error         // why it cannot be delivered
	kept  bool          // the file at the destination is what would come

	steps chan bigStep
	pool  chan []byte
	ended chan struct{} // the goroutine has returned
	err   error         // why, when it failed; read after ended

	// Owned by the goroutine until it ended.
	broken             bool // a flush failed: what is in the file cannot be trusted
	hash               transfer.Hash
	pos, wrote, synced int64
	verified, saved    int64 // end of the last good CHECK, of the last durable one
}

type bigStep struct {
	content []byte
	hole    int64
	check   bool
	digest  mft.Digest
}

// landBig begins a big file.
func (r *receiver) landBig(ctx context.Context, start protocol.FileStart) error {
	if r.big != nil {
		return transfer.Nonsense("item %d began within another", start.Index)
	}
	it, err := r.due(start.Index)
	if err != nil {
		return err
	}
	b := &bigLanding{
		r: r, index: start.Index, it: it, key: protocol.KeyOf(&it.item), hash: transfer.NewHash(),
		steps: make(chan bigStep, transfer.ReadAhead), pool: make(chan []byte, transfer.ReadAhead+2), ended: make(chan struct{}),
	}
	if err := b.open(ctx, start.Offset); err != nil {
		if !staging.ItemLevel(err) {
			return err
		}
		b.fault = err
	}
	for range cap(b.pool) {
		b.pool <- make([]byte, transfer.Chunk)
	}
	r.big = b
	go b.run(ctx)
	return nil
}

// open prepares the temporary file: anew, or where the resume point said.
func (b *bigLanding) open(ctx context.Context, offset int64) error {
	if b.it.there != nil && offset == b.it.item.Size {
		b.kept, b.pos, b.wrote = true, offset, offset
		return nil
	}
	area := b.r.area
	if offset != 0 && b.it.kept {
		return b.reuse(ctx, offset)
	}
	part, ok := area.Partial(b.key)
	if offset != 0 && (!ok || part.Offset != offset) {
		return transfer.Nonsense("item %d resumes at %d, which was not offered", b.index, offset)
	}
	var err error
	if offset == 0 {
		b.file, err = area.File(ctx, b.it.final, b.key)
		return err
	}
	if b.file, err = area.Resume(ctx, b.it.final, part); err != nil {
		return err
	}
	// The digest of these bytes was offered; they are hashed again here only
	// because the hash state could not be kept.
	if err := b.hash.WriteFrom(ctx, b.file.File, offset); err != nil {
		return err
	}
	if err := b.file.Truncate(offset); err != nil {
		return mft.Fail(confine.CodeFor(err), "resume", b.it.final, err)
	}
	b.pos, b.wrote, b.synced, b.verified, b.saved = offset, offset, offset, offset, offset
	b.r.in.Meter.Moved(0, offset)
	return nil
}

// reuse takes the file that an earlier attempt left whole.
func (b *bigLanding) reuse(ctx context.Context, offset int64) error {
	if offset != b.it.item.Size {
		return transfer.Nonsense("item %d resumes at %d, which was not offered", b.index, offset)
	}
	var err error
	if b.file, err = b.r.area.Reuse(b.it.final); err != nil {
		return err
	}
	if err := b.hash.WriteFrom(ctx, b.file.File, offset); err != nil {
		return err
	}
	b.pos, b.wrote, b.synced, b.verified, b.saved = offset, offset, offset, offset, offset
	b.r.in.Meter.Moved(0, offset)
	return nil
}

// step hands one step to the goroutine.
func (b *bigLanding) step(ctx context.Context, s bigStep) error {
	select {
	case b.steps <- s:
		return nil
	case <-b.ended:
		return b.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *bigLanding) run(ctx context.Context) {
	defer close(b.ended)
	for s := range b.steps {
		if b.err = b.take(ctx, s); b.err != nil {
			return
		}
		if s.content != nil {
			b.pool <- s.content[:cap(s.content)]
		}
	}
}

func (b *bigLanding) take(ctx context.Context, s bigStep) error {
	n := int64(len(s.content)) + s.hole
	if b.pos+n > b.it.item.Size {
		return transfer.Nonsense("item %d is longer than the %d bytes announced", b.index, b.it.item.Size)
	}
	switch {
	case s.check:
		if b.hash.Sum() != s.digest {
			return corrupt(b.it.item.Path)
		}
		b.verified = b.pos
		if b.verified-b.saved >= savePartialEvery {
			return b.save(ctx)
		}
		return nil
	case s.hole > 0:
		if err := b.hash.WriteZeros(ctx, s.hole); err != nil {
			return err
		}
	default:
		b.hash.Write(s.content)
		if b.file != nil {
			if _, err := b.file.WriteAt(s.content, b.pos); err != nil {
				return mft.Fail(confine.CodeFor(err), "write", b.it.final, err)
			}
			b.wrote = b.pos + n
		}
	}
	b.pos += n
	if b.file != nil && b.wrote-b.synced >= writebackEvery {
		confine.StartWriteback(b.file.File, b.synced, b.wrote-b.synced)
		b.synced = b.wrote
	}
	return nil
}

// save makes what has been verified durable, and then the resume point.
func (b *bigLanding) save(ctx context.Context) error {
	if b.file == nil || b.verified <= b.saved {
		return nil
	}
	err := b.r.area.SavePartial(ctx, b.file, b.key, b.verified)
	switch {
	case err == nil:
		b.saved = b.verified
	case mft.CodeOf(err) != mft.CodeJournal:
		b.broken = true
	}
	return err
}

// stop ends the goroutine and returns why it failed, if it did.
func (b *bigLanding) stop() error {
	close(b.steps)
	<-b.ended
	return b.err
}

// landData takes content of the current big file from the connection.
func (r *receiver) landData(ctx context.Context, frames *protocol.FrameReader, size int) error {
	b := r.big
	if b == nil {
		return transfer.Nonsense("content came outside of a file")
	}
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
		if _, err := io.ReadFull(frames, buf); err != nil {
			return transfer.Disconnected("read from", err)
		}
		size -= len(buf)
		r.in.Meter.Moved(0, int64(len(buf)))
		if err := b.step(ctx, bigStep{content: buf}); err != nil {
			return err
		}
	}
	return nil
}

func (r *receiver) landHole(ctx context.Context, n int64) error {
	if r.big == nil {
		return transfer.Nonsense("a hole came outside of a file")
	}
	r.in.Meter.Moved(0, n)
	return r.big.step(ctx, bigStep{hole: n})
}

func (r *receiver) landCheck(ctx context.Context, d mft.Digest) error {
	if r.big == nil {
		return transfer.Nonsense("a check came outside of a file")
	}
	return r.big.step(ctx, bigStep{check: true, digest: d})
}

// landEnd verifies a big file as a whole and stages it.
func (r *receiver) landEnd(ctx context.Context, end protocol.FileEnd) error {
	b := r.big
	if b == nil {
		return transfer.Nonsense("the end of a file came outside of one")
	}
	r.big = nil
	if err := b.stop(); err != nil {
		b.discard(ctx)
		return err
	}
	if end.Size != b.it.item.Size || b.pos != end.Size {
		b.discard(ctx)
		return transfer.Nonsense("item %d has %d bytes, %d were announced", b.index, b.pos, b.it.item.Size)
	}
	if b.sum() != end.Digest {
		b.discard(ctx)
		return corrupt(b.it.item.Path)
	}
	r.decide(b.index, protocol.Delivered, end.Digest)
	b.it.digest = end.Digest
	if b.kept {
		return r.keep(b.index, &b.it)
	}
	err := b.fault
	if err == nil {
		err = b.finish()
	}
	if err != nil {
		b.discard(ctx)
		if staging.ItemLevel(err) {
			return r.giveUp(b.index, b.it.item.Path, err)
		}
		return err
	}
	r.stageFile(b.index, &b.it, b.key, b.file)
	return nil
}

// sum is the digest of what there is of the file.
func (b *bigLanding) sum() mft.Digest {
	if b.kept {
		return b.it.digest
	}
	return b.hash.Sum()
}

// finish gives the file its length, which a hole at its end did not, and its
// attributes.
func (b *bigLanding) finish() error {
	if b.wrote < b.it.item.Size {
		if err := b.file.Truncate(b.it.item.Size); err != nil {
			return mft.Fail(confine.CodeFor(err), "write", b.it.final, err)
		}
	}
	if err := b.r.area.Finish(b.file, &b.it.item); err != nil {
		return err
	}
	return b.r.area.Settle(b.file, b.it.final)
}

// landFail takes note of an item that the sender cannot send after all.
func (r *receiver) landFail(ctx context.Context, fail protocol.ItemFail) error {
	var it item
	if b := r.big; b != nil && b.index == fail.Index {
		r.big = nil
		err := b.stop()
		b.discard(ctx)
		if err != nil {
			return err
		}
		it = b.it
	} else {
		var err error
		if it, err = r.due(fail.Index); err != nil {
			return err
		}
	}
	if fail.Again {
		r.decide(fail.Index, protocol.Superseded, mft.Digest{})
		r.in.Meter.Found(-1, -it.item.Size)
		return nil
	}
	r.decide(fail.Index, protocol.Failed, mft.Digest{})
	r.failures.Add(fail.Code, fail.Detail)
	r.in.Note(mft.EventItem, fail.Code, fmt.Sprintf("%q was not sent: %s", it.item.Path, fail.Detail))
	return nil
}

// discard throws away what came of a file.
func (b *bigLanding) discard(ctx context.Context) {
	if b.file == nil {
		return
	}
	b.file.Close()
	b.r.area.Drop(ctx, b.file.Temp, b.key, b.saved > 0)
	b.file = nil
}

// saveTimeout bounds what an attempt that was interrupted still does for the
// next one.
const saveTimeout = 30 * time.Second

// abandonBig keeps what has been verified of a file that was interrupted.
func (r *receiver) abandonBig() {
	b := r.big
	if b == nil {
		return
	}
	r.big = nil
	err := b.stop()
	ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
	defer cancel()
	if b.broken || mft.CodeOf(err) == mft.CodeCorrupt {
		b.discard(ctx)
		return
	}
	if b.file == nil {
		return
	}
	// A flush that fails here only means that the next attempt begins earlier.
	_ = b.save(ctx)
	b.file.Close()
}
