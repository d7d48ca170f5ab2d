package receiver

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/patch"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/delta"
	"mft.dev/mft/transfer/receiver/landing"
	"mft.dev/mft/transfer/receiver/rebuild"
	"mft.dev/mft/transfer/receiver/reply"
	"mft.dev/mft/transfer/resident"
)

// noteOld remembers what stands at the place of a file, if that may help to
// make the file.
func noteOld(slot *item, found resident.Found) {
	if slot.item.Type == mft.ItemFile && found.Item.Type == mft.ItemFile && delta.Worth(found.Item.Size, slot.item.Size) {
		old := found
		slot.old = &old
	}
}

// contentOf says how the content of a file is to come: from the beginning, from
// where an earlier attempt left it, or as a delta, from the one or the other.
func (r *receiver) contentOf(ctx context.Context, index uint64, slot *item) protocol.Want {
	w := r.resumePoint(ctx, slot)
	if r.in.Parcel || slot.old == nil || slot.kept || landing.Whole(r.area, protocol.KeyOf(&slot.item)) {
		return w
	}
	w.First, w.Count = index, 1
	if !r.shelf.Room() {
		// There are few at a time. This one is answered, and its content due,
		// when another file has ended.
		slot.wanted = false
		r.queue = append(r.queue, w)
		return protocol.Want{Verdict: reply.HeldBack}
	}
	return r.startDelta(slot, w)
}

// startDelta makes a delta of a verdict, unless the old version is not there
// any more.
func (r *receiver) startDelta(slot *item, w protocol.Want) protocol.Want {
	f, err := r.place.Open(slot.final, slot.old)
	if err != nil {
		return w
	}
	w.Verdict, w.Old = protocol.Delta, slot.old.Item.Size
	w.Seed = r.shelf.Put(w.First, rebuild.NewOld(f, w.Old, r.keeper.Recall(slot.final, f)))
	return w
}

// hearBasis takes up the old version that a parcel copies from, if it still has
// the size that it had. Whether it has the content too shows in what is made of
// it.
func (r *receiver) hearBasis(payload []byte) error {
	b, err := patch.ParseBasis(payload)
	if err != nil {
		return err
	}
	r.mu.Lock()
	slot := r.items.At(b.Index)
	r.mu.Unlock()
	switch {
	case !r.in.Parcel || r.big != nil:
		return transfer.Nonsense("item %d is to be copied from what nobody asked for", b.Index)
	case slot == nil || !slot.wanted || r.shelf.Old(b.Index) != nil:
		return transfer.Nonsense("an old version for item %d, which needs none", b.Index)
	case slot.old == nil || slot.old.Item.Size != b.Size:
		return nil // it is an error when it is copied from
	}
	if f, err := r.place.Open(slot.final, slot.old); err == nil {
		r.shelf.Lend(b.Index, rebuild.NewOld(f, b.Size, nil))
	}
	return nil
}

// nextDelta makes room when a file has ended, for those that wait.
func (r *receiver) nextDelta(ended uint64) error {
	old := r.shelf.Remove(ended)
	if old == nil {
		return nil
	}
	r.keeper.PartWith(old)
	if len(r.queue) == 0 {
		return nil
	}
	for len(r.queue) > 0 && r.shelf.Room() {
		w := r.queue[0]
		r.queue = r.queue[1:]
		r.mu.Lock()
		slot := r.items.At(w.First)
		slot.wanted = true
		r.mu.Unlock()
		r.verdicts.Add(w.First, r.startDelta(slot, w))
	}
	if err := r.line.Write(protocol.FrameWant, r.verdicts.Take()); err != nil {
		return err
	}
	r.shelf.Release()
	return nil
}

// hearAsk queues a question about an old version.
func (r *receiver) hearAsk(payload []byte) error {
	a, err := patch.ParseAsk(payload)
	if err != nil {
		return err
	}
	return r.shelf.Ask(a)
}
