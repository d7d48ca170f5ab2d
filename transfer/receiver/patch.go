package receiver

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/patch"
	"mft.dev/mft/transfer/receiver/landing"
	"mft.dev/mft/transfer/receiver/rebuild"
	"mft.dev/mft/transfer/resident"
)

// noteOld remembers what stands at the place of a file, if that may help to
// make the file.
func noteOld(slot *item, found *resident.Found) {
	if slot.item.Type == mft.ItemFile && found.Item.Type == mft.ItemFile && rebuild.Worth(found.Item.Size, slot.item.Size) {
		slot.old = found
	}
}

// contentOf says how the content of a file is to come: from the beginning, from
// where an earlier attempt left it, or as a delta, from the one or the other.
func (r *receiver) contentOf(ctx context.Context, slot *item, key protocol.Key) protocol.Want {
	w := r.resumePoint(ctx, slot, key)
	if slot.old != nil && !slot.kept && !landing.Whole(r.area, key) && w.Offset < slot.item.Size {
		w.Verdict = protocol.Delta
	}
	return w
}

// startDelta completes a verdict Delta; it becomes another one when the old
// version cannot be read any more. There are few at a time: one that has to
// wait is answered, and its content due, when another file has ended.
func (r *receiver) startDelta(w *protocol.Want) (now bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slot := r.items.At(w.First)
	if !r.shelf.Room() {
		slot.wanted = false
		r.queue = append(r.queue, *w)
		return false
	}
	slot.wanted = true
	f, err := r.place.Open(slot.final, slot.old)
	if err != nil {
		if w.Verdict = protocol.Send; w.Offset > 0 {
			w.Verdict = protocol.Resume
		}
		return true
	}
	w.Old = slot.old.Item.Size
	w.Seed = r.shelf.Put(w.First, f, w.Old)
	return true
}

// nextDelta makes room when a file has ended, for those that wait.
func (r *receiver) nextDelta(ended uint64) error {
	if !r.shelf.Remove(ended) {
		return nil
	}
	var answer []byte
	for len(r.queue) > 0 && r.shelf.Room() {
		w := r.queue[0]
		r.queue = r.queue[1:]
		r.startDelta(&w)
		answer = protocol.AppendWant(answer, &w)
	}
	if len(answer) == 0 {
		return nil
	}
	err := r.line.Write(protocol.FrameWant, answer)
	r.shelf.Release()
	return err
}

// hearAsk queues a question about an old version.
func (r *receiver) hearAsk(payload []byte) error {
	a, err := patch.ParseAsk(payload)
	if err != nil {
		return err
	}
	return r.shelf.Ask(a)
}
