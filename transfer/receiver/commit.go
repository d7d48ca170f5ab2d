package receiver

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/receiver/outcome"
	"mft.dev/mft/transfer/receiver/reply"
	"mft.dev/mft/transfer/staging"
)

// stage adds an item to the batch, waiting while that is far too large.
func (r *receiver) stage(it staging.Item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.batch.Full() && !r.stopped {
		r.roomy.Wait()
	}
	r.area.Add(&r.batch, it)
	r.hurry()
}

// hurry has the committer look if waiting for a larger batch would gain nothing.
// The caller holds mu.
func (r *receiver) hurry() {
	if !r.batch.Grown() && !r.pressed() {
		return
	}
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// pressed reports whether the window fills up behind items of which most wait in
// the batch for company: the sender is about to wait for them. The caller holds
// mu.
func (r *receiver) pressed() bool {
	n := r.batch.Len()
	return n > 0 && 2*n >= r.open && r.items.Room() < transfer.Window/2
}

// take returns the batch when it is ripe, or in any case. A canary appears only for the
// moment between the seal and the receipt.
func (r *receiver) take(anyway bool) staging.Batch {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !anyway && (r.area.Canary() || !r.batch.Ripe() && !r.pressed()) {
		return staging.Batch{}
	}
	b := r.batch
	r.batch = staging.Batch{}
	r.roomy.Broadcast()
	return b
}

// commitAll commits batch after batch until everything has landed, and then
// the last one together with the receipt.
func (r *receiver) commitAll(ctx context.Context, landed <-chan struct{}) (mft.Receipt, error) {
	tick := time.NewTicker(staging.BatchAge / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return mft.Receipt{}, context.Cause(ctx)
		case <-tick.C:
		case <-r.kick:
		case <-landed:
			select {
			case seal := <-r.seal:
				return r.commitLast(ctx, seal)
			case <-ctx.Done():
				return mft.Receipt{}, context.Cause(ctx)
			}
		}
		b := r.take(false)
		if b.Len() == 0 {
			continue
		}
		good, bad, err := r.deliver(ctx, &b, nil)
		if err != nil {
			return mft.Receipt{}, err
		}
		r.countRefused(bad)
		if err := r.tellCommitted(good, bad); err != nil {
			return mft.Receipt{}, err
		}
		r.keeper.Tidy()
	}
}

// deliver commits a batch, if this end may deliver the transfer at all. What it is
// not allowed to commit goes with the attempt.
func (r *receiver) deliver(ctx context.Context, b *staging.Batch, last staging.Ending) ([]staging.Item, []staging.Refusal, error) {
	if r.in.Own != nil && !r.owned {
		if err := r.in.Own(ctx); err != nil {
			b.Close()
			return nil, nil, err
		}
		r.owned = true
	}
	return r.area.Commit(ctx, b, last)
}

// commitRest commits what had landed when the attempt was interrupted, so that
// even a network that breaks after every few files gets somewhere. After an
// order to stop, or when the peer is not to be trusted, nothing more appears.
func (r *receiver) commitRest(cause error) {
	if code := mft.CodeOf(cause); !code.Retryable() || code == mft.CodeCorrupt || code == mft.CodeElsewhere || r.area.Canary() {
		return
	}
	b := r.take(true)
	if b.Len() == 0 {
		return
	}
	// The next attempt finds in the journal how far this came.
	_, _, _ = r.deliver(context.Background(), &b, nil)
}

// commitLast checks that what came is what the sender sealed, and commits the
// last batch together with the receipt.
func (r *receiver) commitLast(ctx context.Context, seal mft.Seal) (receipt mft.Receipt, err error) {
	b := r.take(true)
	r.mu.Lock()
	sum := r.manifest.Sum()
	r.mu.Unlock()
	if sum != seal.Manifest {
		b.Close()
		return receipt, mft.Fail(mft.CodeCorrupt, "check seal", "",
			fmt.Errorf("what came has manifest %v, the seal says %v", sum, seal.Manifest))
	}
	r.in.Note(mft.EventVerified, mft.CodeOK, "")
	if err := r.place.Flush(); err != nil {
		b.Close()
		return receipt, err
	}
	good, bad, err := r.deliver(ctx, &b, func(good []staging.Item, bad []staging.Refusal) (ledger.Change, error) {
		r.countRefused(r.area.WithBare(bad))
		rest := r.mirror.Finish(ctx, r.terms(), &seal)
		receipt = r.receipt(&seal, good)
		rest.Apply(&receipt)
		return ledger.Change{Removed: rest.Done(), Receipt: &receipt}, cmp.Or(rest.Err, r.area.Withdraw(receipt.Received.Items > 0))
	})
	if err != nil {
		return mft.Receipt{}, err
	}
	return receipt, r.tellCommitted(good, bad)
}

func (r *receiver) countRefused(bad []staging.Refusal) {
	for i := range bad {
		r.itemFailed(bad[i].Entry.Final, mft.ReasonOf(bad[i].Cause))
	}
}

// receipt sums up the transfer, the last batch included.
func (r *receiver) receipt(seal *mft.Seal, last []staging.Item) mft.Receipt {
	r.mu.Lock()
	defer r.mu.Unlock()
	received := r.delivered
	for i := range last {
		if !r.kept(last[i].Index) {
			received.Items++
			received.Bytes += last[i].Size
		}
	}
	return outcome.Receipt(mft.Receipt{
		Transfer: r.in.Offer.Transfer, Received: received, Unchanged: r.unchanged, Failed: r.failed,
	}, seal, r.failures.First())
}

// kept reports whether an item was found to be there, and has been counted. The
// caller holds mu.
func (r *receiver) kept(index uint64) bool {
	slot := r.items.At(index)
	return slot != nil && slot.found
}

// tellCommitted lets the sender and this end's window know.
func (r *receiver) tellCommitted(good []staging.Item, bad []staging.Refusal) error {
	var committed reply.Committed
	var moved int64
	r.mu.Lock()
	for i := range bad {
		r.keeper.Refused(bad[i].Index)
	}
	for i := range good {
		it := &good[i]
		slot := r.items.At(it.Index)
		if slot != nil {
			r.settle(slot)
		}
		r.keeper.Committed(it.Index)
		if !r.kept(it.Index) {
			moved++
			r.delivered.Items++
			r.delivered.Bytes += it.Size
		}
		committed.Add(it.Index)
	}
	r.advance()
	r.mu.Unlock()
	r.in.Meter.Moved(moved, 0)
	for i := range bad {
		if err := r.tellFailed(bad[i].Index, bad[i].Cause); err != nil {
			return err
		}
	}
	if len(good) == 0 {
		return nil
	}
	return r.line.Write(protocol.FrameCommitted, committed.Payload())
}
