package receiver

import (
	"context"
	"crypto/rand"
	"os"
	"path"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/transfer/staging"
)

// makeBasis says what items and listings are compared by.
//
// What an earlier attempt of this transfer delivered is not unchanged, and a
// listing does not tell the two apart: after such an attempt each item is asked
// for. The attributes of a directory that is there count only where they would
// be set.
func (r *receiver) makeBasis() {
	r.basis = r.area.Basis()
	r.basis.Listings = r.basis.Present && r.in.Offer.Compare == mft.CompareQuick && r.known.len() == 0
	r.basis.Dirs = r.in.Offer.Mirror.On
	_, _ = rand.Read(r.basis.Salt[:]) // it never fails
}

// compare answers listings of the sender with what is at the destination.
func (r *receiver) compare(ctx context.Context, listings []protocol.Listing) error {
	if !r.basis.Listings {
		return transfer.Nonsense("a listing came, and there is nothing to compare with")
	}
	answer := r.answer[:0]
	for i := range listings {
		a, err := r.answerTo(ctx, &listings[i])
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.manifest.Compared(&listings[i], a)
		r.mu.Unlock()
		answer = protocol.AppendAnswers(answer, &protocol.Answers{First: r.listings, Count: 1, Answer: a})
		r.listings++
	}
	r.answer = answer
	return r.write(protocol.FrameAnswers, answer)
}

// answerTo compares one listing with the directory of that path. What cannot
// be read here is not the same; each of its items will say why.
func (r *receiver) answerTo(ctx context.Context, l *protocol.Listing) (protocol.Answer, error) {
	if r.here == nil {
		here, err := scan.OpenUnder(r.area.Root(), path.Join(".", r.area.Dir())+"/")
		if err != nil {
			return 0, err
		}
		r.here, r.lister = here, scan.ListerFor(r.basis)
	}
	mine, err := r.here.List(ctx, r.lister, l.Path)
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case mft.CodeOf(err) == mft.CodeNotFound:
		return protocol.AnswerNew, nil
	case err != nil, mine.Unfit > 0, mine.Items != l.Entries, mine.Bytes != l.Bytes, mine.Digest != l.Digest:
		return protocol.AnswerList, nil
	}
	r.countSame(l.Entries, l.Bytes)
	r.in.Meter.Found(l.Entries, l.Bytes)
	return protocol.AnswerSame, nil
}

func (r *receiver) countSame(items, size int64) {
	r.mu.Lock()
	r.unchanged.Items += items
	r.unchanged.Bytes += size
	r.mu.Unlock()
	r.in.Meter.Same(items, size)
}

// recognise looks whether what an item would become is there already. done is
// false if it has to be sent or made. What is returned to be staged got other
// attributes.
func (r *receiver) recognise(ctx context.Context, index uint64, slot *item) (w protocol.Want, adjusted *staging.Item, done bool, err error) {
	if r.in.Offer.Compare == mft.CompareNone || !r.basis.Present {
		return w, nil, false, nil
	}
	it := &slot.item
	there, err := r.area.There(slot.final, it)
	if err != nil || there == nil || there.Item.Type != it.Type {
		return w, nil, false, err
	}
	same := protocol.Want{Verdict: protocol.Same}
	alike := protocol.Alike(&there.Item, it, r.basis)
	switch it.Type {
	case mft.ItemSymlink:
		return same, nil, alike, nil
	case mft.ItemDir:
		if !alike && r.in.Offer.Mirror.On {
			r.area.SetDirectory(slot.final, it)
			return w, nil, false, nil
		}
		return same, nil, true, nil
	}
	never := r.in.Offer.Overwrite == mft.OverwriteNever
	switch {
	case there.Item.Size != it.Size:
	case r.in.Offer.Compare == mft.CompareContent && it.Size > 0:
		if never || alike || r.area.MayAdjust(there) {
			return r.offerContent(ctx, slot, there)
		}
	case alike:
		return same, nil, true, nil
	case there.Item.MTime == it.MTime && !never && r.area.MayAdjust(there):
		adjusted, err := r.area.Adjust(index, slot.final, it, there)
		if err == nil {
			return same, &adjusted, true, nil
		}
	}
	return w, nil, false, nil
}

// offerContent offers the whole of a file that is there as what need not be
// sent, if the sender finds that it has the same digest.
func (r *receiver) offerContent(ctx context.Context, slot *item, there *staging.Resident) (w protocol.Want, _ *staging.Item, done bool, err error) {
	f, err := r.area.Open(slot.final, there)
	if err != nil {
		return w, nil, false, nil
	}
	defer f.Close()
	hash := transfer.NewHash()
	if err := hash.WriteFrom(ctx, f, slot.item.Size); err != nil {
		return w, nil, false, nil
	}
	slot.there, slot.digest, slot.wanted = there, hash.Sum(), true
	return protocol.Want{Verdict: protocol.Resume, Offset: slot.item.Size, Digest: slot.digest}, nil, true, nil
}

// landSame takes a small file that the sender found to be the one that is
// there.
func (r *receiver) landSame(index uint64, it *item, digest mft.Digest) error {
	if digest != it.digest {
		return transfer.Nonsense("item %d is said to be there already, with another digest", index)
	}
	r.decide(index, protocol.Delivered, digest)
	return r.keepContent(index, it)
}

// keepContent leaves a file where it is, with the attributes of its item.
func (r *receiver) keepContent(index uint64, it *item) error {
	keep := staging.Item{Index: index, Adjusted: true}
	var err error
	if protocol.Alike(&it.there.Item, &it.item, r.basis) || r.in.Offer.Overwrite == mft.OverwriteNever {
		var f *os.File
		if f, err = r.area.Open(it.final, it.there); err == nil {
			err = f.Close()
		}
	} else {
		keep, err = r.area.Adjust(index, it.final, &it.item, it.there)
	}
	if err != nil {
		if staging.ItemLevel(err) {
			return r.giveUp(index, it.item.Path, err)
		}
		return err
	}
	r.countSame(1, it.item.Size)
	r.stage(keep)
	return nil
}
