package receiver

import (
	"context"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/patch"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/delta"
	"mft.dev/mft/transfer/receiver/landing"
	"mft.dev/mft/transfer/staging/publish"
)

// bigFile is the file that content belongs to.
type bigFile struct {
	*landing.Landing
	it item
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
	final := it.final
	order := landing.Order{
		Index: start.Index, Item: it.item, Final: final, Key: protocol.KeyOf(&it.item), Area: r.area,
		Moved: func(n int64) { r.in.Meter.Moved(0, n) },
		There: it.there != nil, Kept: it.kept, Digest: it.digest, Old: r.shelf.Old(start.Index),
		Blind: r.in.Parcel, Remember: r.keeper.Wants(it.item.Size), Forget: func() error { return r.keeper.Forget(final) },
	}
	l, err := landing.Begin(ctx, order, start.Offset)
	if err != nil {
		return err
	}
	r.big = &bigFile{l, *it}
	return nil
}

// hearBig takes what belongs to the current big file.
func (r *receiver) hearBig(ctx context.Context, kind protocol.FrameKind, payload []byte) error {
	b := r.big
	if b == nil {
		return transfer.Nonsense("a frame of kind %v came outside of a file", kind)
	}
	switch kind {
	case protocol.FrameHole:
		n, err := protocol.ParseHole(payload)
		if err != nil {
			return err
		}
		return b.Hole(ctx, n)
	case protocol.FrameCopy:
		old, err := patch.ParseCopy(payload)
		if err != nil {
			return err
		}
		return b.Copy(ctx, delta.Range(old))
	case protocol.FrameCheck:
		d, err := protocol.ParseCheck(payload)
		if err != nil {
			return err
		}
		return b.Check(ctx, d)
	}
	end, err := protocol.ParseFileEnd(payload)
	if err != nil {
		return err
	}
	return r.landEnd(ctx, end)
}

// landEnd verifies a big file as a whole and stages it.
func (r *receiver) landEnd(ctx context.Context, end protocol.FileEnd) error {
	b := r.big
	r.big = nil
	if err := b.Verify(ctx, end); err != nil {
		return err
	}
	// First: not everywhere can a file be replaced that is open.
	if err := r.nextDelta(b.Index); err != nil {
		return err
	}
	r.decide(b.Index, protocol.Delivered, end.Digest)
	b.it.digest = end.Digest
	if b.Held() {
		return r.keep(b.Index, &b.it)
	}
	f, err := b.Finish(ctx)
	switch {
	case err == nil:
		r.keeper.Staged(b.Index, b.Final, b.Record(), f.File)
		r.stageFile(b.Index, &b.it, f)
	case publish.ItemLevel(err):
		return r.giveUp(b.Index, b.it.item.Path, err)
	}
	return err
}

// landFail takes note of an item that the sender cannot send after all.
func (r *receiver) landFail(ctx context.Context, fail protocol.ItemFail) error {
	var it mft.Item
	if b := r.big; b != nil && b.Index == fail.Index {
		r.big = nil
		if err := b.Fail(ctx); err != nil {
			return err
		}
		it = b.it.item
	} else {
		due, err := r.due(fail.Index)
		if err != nil {
			return err
		}
		it = due.item
	}
	if fail.Again {
		r.decide(fail.Index, protocol.Superseded, mft.Digest{})
		r.in.Meter.Found(-1, -it.Size)
		return r.nextDelta(fail.Index)
	}
	r.decide(fail.Index, protocol.Failed, mft.Digest{})
	r.failures.Add(fail.Code, fail.Detail)
	r.in.Note(mft.EventItem, fail.Code, fmt.Sprintf("%q was not sent: %s", it.Path, fail.Detail))
	return r.nextDelta(fail.Index)
}

// abandonBig keeps what has been verified of a file that was interrupted.
func (r *receiver) abandonBig() {
	if r.big != nil {
		r.big.Abandon()
		r.big = nil
	}
}
