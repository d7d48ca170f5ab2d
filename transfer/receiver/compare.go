package receiver

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/receiver/reply"
	"mft.dev/mft/transfer/resident"
	"mft.dev/mft/transfer/staging"
	"mft.dev/mft/transfer/staging/publish"
)

// compare answers listings of the sender with what is at the destination.
func (r *receiver) compare(ctx context.Context, payload []byte) error {
	answers, err := r.place.AnswerAll(ctx, payload, r.holdListing, r.answered)
	if err != nil {
		return err
	}
	return r.line.Gather(protocol.FrameAnswers, answers)
}

// answered takes note of the answer to a listing.
func (r *receiver) answered(l *listing.Listing, a listing.Answer) {
	r.mu.Lock()
	r.manifest.Compared(listing.Append(nil, l), uint8(a))
	r.mu.Unlock()
	if a == listing.Same {
		r.same(mft.Count{Items: l.Entries, Bytes: l.Bytes})
	}
}

// same counts what is the same at both ends, without having been announced.
func (r *receiver) same(n mft.Count) {
	if r.mirror != nil {
		r.mirror.There(n.Items)
	}
	r.in.Meter.Found(n.Items, n.Bytes)
	r.countSame(n.Items, n.Bytes)
}

func (r *receiver) countSame(items, size int64) {
	r.mu.Lock()
	r.unchanged.Items += items
	r.unchanged.Bytes += size
	r.mu.Unlock()
	r.in.Meter.Same(items, size)
}

// recognise looks whether what an item would become is there already. done is
// false if it has to be sent or made.
func (r *receiver) recognise(ctx context.Context, index uint64, slot *item) (w protocol.Want, done bool, err error) {
	found, err := r.place.Find(ctx, slot.final, &slot.item)
	if err != nil {
		return w, false, err
	}
	switch found.Finding {
	case resident.Same, resident.Adjusted:
		slot.decided, slot.settled, slot.outcome = true, true, protocol.Unchanged
		return protocol.Want{Verdict: protocol.Same}, true, nil
	case resident.Content:
		there := found // on the heap only here
		slot.there, slot.digest, slot.wanted = &there, found.Digest, true
		noteOld(slot, found)
		return protocol.Want{Verdict: protocol.Resume, Offset: slot.item.Size, Digest: found.Digest}, true, nil
	case resident.SetDir:
		r.area.Had(slot.final, &slot.item, r.mirror.Set)
	case resident.Nothing:
		if found.Item.Type == 0 && r.holdItem(index, slot) {
			return protocol.Want{Verdict: reply.HeldBack}, true, nil
		}
		noteOld(slot, found)
	}
	return w, false, nil
}

// landSame takes a small file that the sender found to be the one that is
// there.
func (r *receiver) landSame(index uint64, it *item, digest mft.Digest) error {
	if digest != it.digest {
		return transfer.Nonsense("item %d is said to be there already, with another digest", index)
	}
	r.decide(index, protocol.Delivered, digest)
	return r.keep(index, it)
}

// keep leaves a file where it is, with the attributes of its item.
func (r *receiver) keep(index uint64, it *item) error {
	err := r.place.Keep(it.final, &it.item, it.there)
	switch {
	case err != nil && publish.ItemLevel(err):
		return r.giveUp(index, it.item.Path, err)
	case err != nil:
		return err
	}
	r.mu.Lock()
	r.items.At(index).found = true
	r.mu.Unlock()
	r.countSame(1, it.item.Size)
	r.stage(staging.Item{Index: index})
	return nil
}
