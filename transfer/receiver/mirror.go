package receiver

import (
	"context"
	"fmt"
	"path"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/mirror"
	"mft.dev/mft/transfer/staging"
	"mft.dev/mft/trigger/selection"
)

// openMirror ends the removals that an earlier attempt began.
func (r *receiver) openMirror(ctx context.Context) error {
	if !r.in.Offer.Mirror.On {
		return nil
	}
	root := r.area.Root()
	leave, err := selection.Leaves(r.in.Offer.Rules)
	if err != nil {
		return transfer.Nonsense("the rules of the offer cannot be used: %v", err)
	}
	r.mirror = mirror.New(root, r.area.Dir(), r.in.Offer.Overwrite == mft.OverwriteVersion, leave)
	r.removed, err = r.mirror.Recover(ctx, r.in.Ledger, r.notRemoved)
	return err
}

func (r *receiver) notRemoved(cause error) {
	reason := mft.ReasonOf(cause)
	r.fail(reason, "not removed: "+reason.Detail)
}

// hearTree takes note of what the sender says of a tree as a whole.
func (r *receiver) hearTree(ctx context.Context, kind protocol.FrameKind, payload []byte) error {
	switch {
	case kind == protocol.FrameListings:
		if err := r.compare(ctx, payload); err != nil {
			return err
		}
		return r.resolve(ctx)
	case kind == protocol.FrameScanned:
		if err := r.place.Scanned(); err != nil {
			return err
		}
		if r.mirror != nil {
			r.mirror.Scanned()
		}
		_, err := protocol.ParseScanned(payload)
		return err
	case kind == protocol.FrameMatched:
		return r.hearMatched(payload)
	case kind == protocol.FrameLinked:
		r.listed(payload)
		return r.area.Linked(payload, r.in.Offer.Overwrite, r.mirror.Touch)
	case r.mirror == nil:
		return transfer.Nonsense("a frame of kind %d came, and nothing is mirrored", kind)
	case kind == protocol.FrameWalked:
		r.mirror.Walked()
		return r.resolve(ctx)
	}
	l, err := listing.ParseListed(payload)
	if err != nil {
		return err
	}
	next := r.listed(payload)
	if !l.Whole {
		r.in.Note(mft.EventItem, mft.CodeChanged, fmt.Sprintf("%q changed while it was listed: nothing is removed there", l.Path))
	}
	seen, err := r.place.Seen(l.Path)
	if err != nil {
		return err
	}
	if err := r.mirror.Listed(ctx, &l, next, seen); err != nil {
		return err
	}
	return r.resolve(ctx)
}

// listed adds a payload to the manifest and returns the next index.
func (r *receiver) listed(payload []byte) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manifest.Listed(payload)
	return r.items.Next()
}

// hearMatched takes note of what of a directory that differs is the same.
func (r *receiver) hearMatched(payload []byte) error {
	m, err := listing.ParseMatched(payload)
	if err != nil {
		return err
	}
	same, err := r.place.Matched(&m)
	if err != nil {
		return err
	}
	r.listed(payload)
	r.same(same)
	return nil
}

func (r *receiver) holdItem(index uint64, slot *item) bool {
	// A parcel is played in its own order: its content does not wait for what comes
	// behind it. Where there was nothing there is nothing to rename, and the sender lists nothing.
	if r.mirror == nil || r.in.Parcel || !r.place.Basis().Present || slot.held || r.in.Offer.Compare != mft.CompareQuick || r.area.Aside(slot.final) {
		return false
	}
	slot.held = r.mirror.HoldItem(index, slot.final, &slot.item)
	return slot.held
}

func (r *receiver) holdListing(n uint64, l *listing.Listing, a listing.Answer) bool {
	return r.mirror != nil && r.mirror.HoldListing(n, l, a, r.area.Aside(path.Join(r.area.Dir(), l.Path)))
}

// resolve gives the verdicts and answers that were held back, if it is time.
func (r *receiver) resolve(ctx context.Context) error {
	r.mu.Lock()
	room := r.items.Room()
	r.mu.Unlock()
	if r.mirror == nil || !r.mirror.Due(room) {
		return nil
	}
	items, answers, err := r.mirror.Resolve(ctx, r.terms(), mirror.Looks{List: r.place.List, Alike: r.place.Alike})
	if err != nil {
		return err
	}
	var ready []staging.Item
	for i := range items {
		w, made, err := r.letGo(ctx, &items[i])
		if err != nil {
			return err
		}
		r.verdicts.Add(items[i].Index, w)
		if made != nil {
			ready = append(ready, *made)
		}
	}
	if err := r.line.Write(protocol.FrameWant, r.verdicts.Take()); err != nil {
		return err
	}
	r.shelf.Release()
	for i := range ready {
		r.stage(ready[i])
	}
	payload, err := r.place.Settle(answers, r.answered)
	if err != nil {
		return err
	}
	return r.line.Write(protocol.FrameAnswers, payload)
}

// letGo decides on an item that was held back.
func (r *receiver) letGo(ctx context.Context, held *mirror.HeldItem) (w protocol.Want, made *staging.Item, err error) {
	r.mu.Lock()
	slot := *r.items.At(held.Index)
	r.mu.Unlock()
	if held.Moved {
		slot.decided, slot.settled, slot.outcome = true, true, protocol.Unchanged
		w.Verdict = protocol.Same
		r.area.Had(slot.final, &slot.item, r.mirror.Set)
		r.countSame(1, slot.item.Size)
	} else if w, made, err = r.judge(ctx, held.Index, &slot); err != nil {
		return w, nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	*r.items.At(held.Index) = slot
	r.advance()
	return w, made, nil
}

func (r *receiver) terms() mirror.Terms {
	return mirror.Terms{
		Ledger: r.in.Ledger, Limits: r.in.Offer.Mirror, Before: r.removed,
		Note: r.in.Note, Failed: r.notRemoved, Step: r.area.Step,
	}
}
