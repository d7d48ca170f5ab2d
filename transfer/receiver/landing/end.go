package landing

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/delta"
	"mft.dev/mft/transfer/staging"
)

// Held reports whether the file at the destination turned out to be what would
// have come. There is nothing to Finish then.
func (b *Landing) Held() bool { return b.held }

// Verify compares what came with what was announced and sent. Its error ends
// the attempt; what the next one can use of the file is kept.
func (b *Landing) Verify(ctx context.Context, end protocol.FileEnd) error {
	err := b.stop()
	switch {
	case err != nil:
	case end.Size != b.Item.Size || b.pos != end.Size:
		err = transfer.Nonsense("item %d has %d bytes, %d were announced", b.Index, b.pos, b.Item.Size)
	case b.sum() != end.Digest:
		err = b.wrong()
	}
	if err != nil {
		b.end(ctx, err)
	}
	return err
}

// Finish returns the file that was verified, with its attributes, to be staged.
// When the error is not for the item alone, it ends the attempt.
func (b *Landing) Finish(ctx context.Context) (*staging.File, error) {
	err := b.fault
	if err == nil {
		err = b.finish()
	}
	if err != nil {
		b.discard(ctx)
		return nil, err
	}
	return b.file, nil
}

// Record returns the marks of a file that was verified, or nil.
func (b *Landing) Record() *delta.Record {
	if b.marker == nil {
		return nil
	}
	return b.marker.Record()
}

// sum is the digest of what there is of the file.
func (b *Landing) sum() mft.Digest {
	if b.held {
		return b.Digest
	}
	return b.hash.Sum()
}

// finish gives the file its length, which a hole at its end did not, and its
// attributes.
func (b *Landing) finish() error {
	if b.out.wrote < b.Item.Size {
		if err := b.file.Truncate(b.Item.Size); err != nil {
			return mft.Fail(confine.CodeFor(err), "write", b.Final, err)
		}
	}
	if err := b.Area.Finish(b.file, &b.Item); err != nil {
		return err
	}
	return b.Area.Settle(b.file, b.Final)
}

// Fail ends a file whose sender cannot send it after all.
func (b *Landing) Fail(ctx context.Context) error {
	err := b.stop()
	if err == nil {
		b.discard(ctx)
	} else {
		b.end(ctx, err)
	}
	return err
}

// Abandon keeps what has been verified of a file that was interrupted.
func (b *Landing) Abandon() {
	err := b.stop()
	ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
	defer cancel()
	if b.broken || mft.CodeOf(err) == mft.CodeCorrupt {
		b.giveUp(ctx, err)
		return
	}
	b.keep(ctx)
}

// end ends a file that went wrong. That an old version is not the one that the
// sender meant says nothing against what has been verified.
func (b *Landing) end(ctx context.Context, cause error) {
	if b.broken || mft.CodeOf(cause) != mft.CodeOutdated || b.out == nil || b.out.verified == 0 {
		b.giveUp(ctx, cause)
		return
	}
	b.keep(ctx)
}

// keep keeps what has been verified.
func (b *Landing) keep(ctx context.Context) {
	if b.file == nil {
		return
	}
	// A flush that fails here only means that the next attempt begins earlier.
	_ = b.save(ctx)
	b.file.Close()
}

// giveUp throws away what came of a file. When the marks of its old version were
// remembered, they may be those of another content: they are forgotten, and the
// next attempt makes them anew. When its old version itself was to blame,
// because it changed or its marks fitted what they should not, a resume point
// of nothing at all is left: Whole finds it, and the next attempt does without
// the old version. Else this could go on for ever.
func (b *Landing) giveUp(ctx context.Context, cause error) {
	blamed := b.patched && mft.CodeOf(cause) == mft.CodeCorrupt
	if blamed && b.Old.Remembered && b.Forget != nil && b.Forget() == nil {
		blamed = false
	}
	if b.file == nil || !blamed {
		b.discard(ctx)
		return
	}
	if err := b.file.Truncate(0); err != nil {
		b.discard(ctx)
		return
	}
	// An error means that it is tried once more.
	_ = b.Area.SavePartial(ctx, b.file, b.Key, 0)
	b.file.Close()
	b.file = nil
}

// Whole reports whether an item must come whole: with the old version it went
// wrong.
func Whole(area *staging.Area, key protocol.Key) bool {
	part, ok := area.Partial(key)
	return ok && part.Offset == 0
}

// discard throws away what came of a file.
func (b *Landing) discard(ctx context.Context) {
	if b.file == nil {
		return
	}
	b.file.Close()
	b.Area.Drop(ctx, b.file.Temp, b.Key, b.saved > 0)
	b.file = nil
}
