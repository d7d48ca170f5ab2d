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
)

// openMirror ends the removals that an earlier attempt began.
func (r *receiver) openMirror(ctx context.Context) error {
	if !r.in.Offer.Mirror.On {
		return nil
	}
	root := r.area.Root()
	r.mirror = mirror.New(root, r.area.Dir(), r.in.Offer.Overwrite == mft.OverwriteVersion)
	var err error
	r.removed, err = mirror.Recover(ctx, r.in.Journal, r.in.Offer.Transfer, root, r.notRemoved)
	return err
}

func (r *receiver) notRemoved(cause error) {
	r.mu.Lock()
	r.failed++
	r.mu.Unlock()
	reason := mft.ReasonOf(cause)
	r.failures.Add(reason.Code, reason.Detail)
	r.in.Note(mft.EventItem, reason.Code, "not removed: "+reason.Detail)
}

// hearTree takes note of what the sender says of a tree as a whole.
func (r *receiver) hearTree(ctx context.Context, kind protocol.FrameKind, payload []byte) error {
	switch {
	case kind == protocol.FrameListings:
		return r.compare(ctx, payload)
	case kind == protocol.FrameScanned:
		if r.mirror != nil {
			r.mirror.Scanned()
		}
		_, err := protocol.ParseScanned(payload)
		return err
	case r.mirror == nil:
		return transfer.Nonsense("a frame of kind %d came, and nothing is mirrored", kind)
	case kind == protocol.FrameWalked:
		return nil
	}
	l, err := listing.ParseListed(payload)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.manifest.Listed(payload)
	next := r.items.Next()
	r.mu.Unlock()
	if !l.Whole {
		r.in.Note(mft.EventItem, mft.CodeChanged, fmt.Sprintf("%q changed while it was listed: nothing is removed there", l.Path))
	}
	return r.mirror.Listed(ctx, &l, next)
}

// touch notes that a name is about to appear in a directory.
func (r *receiver) touch(final string) {
	if r.mirror != nil && !r.area.Aside(final) {
		r.mirror.Touch(path.Dir(final))
	}
}

// removeRest removes what the source does not have.
func (r *receiver) removeRest(ctx context.Context, seal *mft.Seal) mirror.Rest {
	return r.mirror.Finish(ctx, mirror.Terms{
		Transfer: r.in.Offer.Transfer, Journal: r.in.Journal, Limits: r.in.Offer.Mirror, Before: r.removed,
		Note: r.in.Note, Failed: r.notRemoved, Step: r.area.Step,
	}, seal)
}
