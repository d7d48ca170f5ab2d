package receiver

import (
	"context"
	"fmt"
	"path"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/staging"
	"mft.dev/mft/transfer/staging/publish"
	"mft.dev/mft/transfer/staging/versions"
)

// plan decides for a run of announced items which content is wanted, and
// makes what has no content: directories and symlinks.
func (r *receiver) plan(ctx context.Context, first uint64, items []mft.Item) error {
	r.mu.Lock()
	next, room := r.items.Next(), r.items.Room()
	r.mu.Unlock()
	if first != next || uint64(len(items)) > room {
		return transfer.Nonsense("items %d to %d are out of turn", first, first+uint64(len(items)))
	}
	var ready []staging.Item
	for i := range items {
		index := first + uint64(i)
		if r.mirror != nil {
			r.mirror.Announced(index, items[i].Path)
		}
		w, made, err := r.verdict(ctx, index, &items[i])
		if err != nil {
			return err
		}
		if made != nil {
			ready = append(ready, *made)
		}
		r.verdicts.Add(index, w)
	}
	if err := r.line.Gather(protocol.FrameWant, r.verdicts.Take()); err != nil {
		return err
	}
	r.untold += len(items)
	r.shelf.Release()
	// Not before: they might be committed at once, and the sender must have
	// heard the verdict first.
	for i := range ready {
		r.stage(ready[i])
	}
	r.mu.Lock()
	r.hurry()
	r.mu.Unlock()
	return r.resolve(ctx)
}

// verdict admits one item to the window. An error ends the attempt; what
// concerns the item alone is a refusal. What has no content has been made, and is
// returned to be staged.
func (r *receiver) verdict(ctx context.Context, index uint64, it *mft.Item) (w protocol.Want, made *staging.Item, err error) {
	final, err := r.area.Final(index, it)
	if err != nil {
		return w, nil, err
	}
	slot := &r.slot
	*slot = item{item: *it, final: final}
	digest, ok := r.known.Digest(it)
	if r.area.WasDelivered(final, it, digest) || ok {
		slot.decided, slot.settled = true, true
		slot.digest = digest
		w = protocol.Want{Verdict: protocol.Have, Digest: digest}
		if _, moved := publish.Moved(digest); moved {
			slot.outcome, w = protocol.Unchanged, protocol.Want{Verdict: protocol.Same}
		}
		r.push(slot, it.Size)
		r.area.Had(final, it, r.mirror.Set)
		return w, nil, nil
	}
	if w, made, err = r.judge(ctx, index, slot); err != nil {
		return w, nil, err
	}
	r.push(slot, 0)
	return w, made, nil
}

// judge is consider, with the refusal of what cannot be.
func (r *receiver) judge(ctx context.Context, index uint64, slot *item) (protocol.Want, *staging.Item, error) {
	w, made, err := r.consider(ctx, index, slot)
	if err == nil || !publish.ItemLevel(err) {
		return w, made, err
	}
	reason := mft.ReasonOf(err)
	slot.decided, slot.settled, slot.wanted, slot.outcome = true, true, false, protocol.Failed
	r.itemFailed(slot.item.Path, reason)
	return protocol.Want{Verdict: protocol.Refuse, Code: reason.Code, Detail: reason.Detail}, nil, nil
}

// consider decides on an item that this transfer has not delivered before. What
// has no content is made, and returned to be staged.
func (r *receiver) consider(ctx context.Context, index uint64, slot *item) (protocol.Want, *staging.Item, error) {
	if err := r.area.MayOwn(&slot.item); err != nil {
		return protocol.Want{}, nil, err
	}
	if w, done, err := r.recognise(ctx, index, slot); done || err != nil {
		return w, nil, err
	}
	if r.mirror != nil && !r.area.Aside(slot.final) {
		r.mirror.Touch(path.Dir(slot.final))
	}
	wanted := protocol.Want{Verdict: protocol.Send}
	switch it := &slot.item; it.Type {
	case mft.ItemDir:
		slot.decided = true
		made, err := r.area.MakeDir(slot.final, it)
		if err != nil {
			return wanted, nil, err
		}
		staged := &staging.Item{Index: index}
		if made {
			staged.Entry = r.entryOf(slot, "")
		}
		return wanted, staged, nil
	case mft.ItemSymlink:
		slot.decided = true
		if err := r.area.MayTake(slot.final, r.in.Offer.Overwrite); err != nil {
			return wanted, nil, err
		}
		temp, err := r.area.Link(ctx, slot.final, it)
		if err != nil {
			return wanted, nil, err
		}
		staged := &staging.Item{Index: index}
		if !r.area.Aside(slot.final) {
			staged.Entry = r.entryOf(slot, temp)
		}
		return wanted, staged, nil
	default:
		if err := r.area.MayTake(slot.final, r.in.Offer.Overwrite); err != nil {
			return wanted, nil, err
		}
		slot.wanted = true
		return r.contentOf(ctx, index, slot), nil, nil
	}
}

func (r *receiver) entryOf(slot *item, temp string) *journal.Entry {
	return &journal.Entry{
		Key: protocol.KeyOf(&slot.item), Temp: temp, Final: slot.final, Digest: slot.digest,
		Size: slot.item.Size, Type: slot.item.Type, Overwrite: versions.Policy(r.in.Offer.Overwrite, r.in.Landing.Versions),
	}
}

// resumePoint offers to go on where an earlier attempt left a file.
func (r *receiver) resumePoint(ctx context.Context, slot *item) protocol.Want {
	offset, digest, whole := r.area.ResumePoint(ctx, slot.final, &slot.item)
	if offset == 0 {
		return protocol.Want{Verdict: protocol.Send}
	}
	if whole {
		slot.kept, slot.digest = true, digest
	}
	return protocol.Want{Verdict: protocol.Resume, Offset: offset, Digest: digest}
}

// push puts an item into the window. size counts for what was had before.
func (r *receiver) push(slot *item, had int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.items.Push(*slot)
	if !slot.settled {
		r.open++
	}
	r.in.Meter.Found(1, slot.item.Size)
	if slot.settled && slot.outcome == protocol.Delivered {
		r.delivered.Items++
		r.delivered.Bytes += had
		r.in.Meter.Moved(1, had)
	}
	if slot.outcome == protocol.Unchanged {
		r.unchanged.Items++
		r.unchanged.Bytes += slot.item.Size
		r.in.Meter.Same(1, slot.item.Size)
	}
	r.advance()
}

// advance hashes what can be hashed in order and lets settled items go. The
// caller holds mu.
func (r *receiver) advance() {
	for r.hashedTo < r.items.Next() {
		it := r.items.At(r.hashedTo)
		if !it.decided {
			break
		}
		r.manifest.Add(&it.item, it.outcome, it.digest)
		it.hashed = true
		r.hashedTo++
	}
	r.items.PopWhile(func(it *item) bool { return it.hashed && it.settled })
}

// due returns an item whose content is due, and marks it as no longer due. It
// stays where it is until it has been settled, which waits for the caller, and
// what was announced of it is not changed.
func (r *receiver) due(index uint64) (*item, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	it := r.items.At(index)
	if it == nil || !it.wanted {
		return nil, transfer.Nonsense("content of item %d, which is not due", index)
	}
	it.wanted = false
	return it, nil
}

// decide fixes what an item contributes to the manifest.
func (r *receiver) decide(index uint64, o protocol.Outcome, d mft.Digest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	it := r.items.At(index)
	it.decided, it.outcome, it.digest = true, o, d
	if o != protocol.Delivered {
		r.settle(it)
	}
	r.advance()
}

// settle notes that nothing more happens to an item of the window. The caller
// holds mu.
func (r *receiver) settle(it *item) {
	if !it.settled {
		it.settled = true
		r.open--
	}
}

// giveUp notes that an item whose content came cannot be delivered, and tells
// the sender. The item has been decided.
func (r *receiver) giveUp(index uint64, name string, cause error) error {
	r.itemFailed(name, mft.ReasonOf(cause))
	return r.tellFailed(index, cause)
}

// tellFailed settles an item that has been counted as failed.
func (r *receiver) tellFailed(index uint64, cause error) error {
	reason := mft.ReasonOf(cause)
	r.mu.Lock()
	if it := r.items.At(index); it != nil {
		r.settle(it)
	}
	r.advance()
	r.mu.Unlock()
	fail := protocol.ItemFail{Index: index, Code: reason.Code, Detail: reason.Detail}
	return r.line.Write(protocol.FrameItemFail, protocol.AppendItemFail(nil, &fail))
}

func (r *receiver) itemFailed(name string, reason mft.Reason) {
	r.fail(reason, fmt.Sprintf("%q was not delivered: %s", name, reason.Detail))
}

// fail counts a failure.
func (r *receiver) fail(reason mft.Reason, told string) {
	r.mu.Lock()
	r.failed++
	r.mu.Unlock()
	r.failures.Add(reason.Code, reason.Detail)
	r.in.Note(mft.EventItem, reason.Code, told)
}
