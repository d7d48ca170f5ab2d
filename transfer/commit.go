package transfer

// The commit is why mft exists; its order is the promise. For a batch of
// staged items, in this order and no other:
//
//	flush    content, attributes and temporary names are on stable storage
//	prepare  the journal says PREPARED with every temporary and final name
//	publish  each item is renamed to its final name
//	names    the directories that hold the final names are on stable storage
//	commit   the journal says COMMITTED; for the last batch also the receipt
//	tell     only now does the sender hear of it
//
// After a crash the journal tells where it was. Without PREPARED nothing was
// visible: staged content is thrown away. With PREPARED, an item whose
// temporary name is there still has to be published; one whose temporary name
// is gone was published, even if its final name is gone as well, because a
// consumer may take a file away the moment it appears.
//
// From this follow two rules. When a flush fails, the temporary files are
// thrown away and never flushed again: the kernel may have dropped the pages
// that it could not write. When the journal fails to say PREPARED, nothing is
// thrown away: it may have said so and only failed to tell.

import (
	"context"
	"fmt"
	"os"
	"path"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
)

// Bounds of a batch. A batch is committed when it has batchItems or
// batchBytes, or is older than batchAge; landing waits when it has grown to
// twice as much while the one before is being committed.
const (
	batchItems = 2048
	batchBytes = 64 << 20
	batchAge   = 100 * time.Millisecond
	// fewFiles are flushed one by one; for more, the whole file system is.
	fewFiles = 16
	// fewDirs are synced one by one.
	fewDirs = 8
)

// A stepper runs one step of the commit by its name. Tests put one in that
// fails a step, before it is done or after.
type stepper func(step string, do func() error) error

func (s stepper) run(step string, do func() error) error {
	if s == nil {
		return do()
	}
	return s(step, do)
}

// staged is an item that is ready to be committed.
type staged struct {
	index uint64
	made  bool // false: a directory that was there already
	file  *os.File
	entry journal.Entry
}

// A batch collects staged items. The receiver's mutex guards it.
type batch struct {
	items []staged
	open  int // items whose file is still open
	bytes int64
	since time.Time
}

// age starts the clock of a batch.
func (b *batch) age() {
	if b.since.IsZero() {
		b.since = time.Now()
	}
}

func (b *batch) ripe() bool {
	return len(b.items) >= batchItems || b.bytes >= batchBytes ||
		len(b.items) > 0 && time.Since(b.since) >= batchAge
}

// discard closes what is open; the temporary files go with the staging.
func (b *batch) discard() {
	for i := range b.items {
		b.items[i].close()
	}
	*b = batch{}
}

func (s *staged) close() {
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}

// stage adds an item to the batch, waiting while that is far too large.
func (r *receiver) stage(s staged) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for (len(r.batch.items) >= 2*batchItems || r.batch.bytes >= 2*batchBytes) && !r.stopped {
		r.roomy.Wait()
	}
	b := &r.batch
	b.age()
	b.bytes += s.entry.Size
	if s.file != nil {
		b.open++
	}
	b.items = append(b.items, s)
	if b.open == fewFiles+1 {
		// Too many to be flushed one by one: none needs to stay open, unless
		// it is on another file system.
		for i := range b.items {
			r.place.release(&b.items[i])
		}
	} else if b.open > fewFiles {
		r.place.release(&b.items[len(b.items)-1])
	}
	if len(b.items) >= batchItems || b.bytes >= batchBytes {
		select {
		case r.kick <- struct{}{}:
		default:
		}
	}
}

// take returns the batch when it is ripe, or in any case.
func (r *receiver) take(anyway bool) batch {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !anyway && !r.batch.ripe() {
		return batch{}
	}
	b := r.batch
	r.batch = batch{}
	r.roomy.Broadcast()
	return b
}

// commitAll commits batch after batch until everything has landed, and then
// the last one together with the receipt.
func (r *receiver) commitAll(ctx context.Context, landed <-chan struct{}) (mft.Receipt, error) {
	tick := time.NewTicker(batchAge / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return mft.Receipt{}, firstError(ctx, ctx.Err())
		case <-tick.C:
		case <-r.kick:
		case <-landed:
			select {
			case seal := <-r.seal:
				return r.commitLast(ctx, seal)
			case <-ctx.Done():
				return mft.Receipt{}, firstError(ctx, ctx.Err())
			}
		}
		if b := r.take(false); len(b.items) > 0 {
			if _, err := r.commit(ctx, &b, nil); err != nil {
				return mft.Receipt{}, err
			}
		}
	}
}

// commitLast checks that what came is what the sender sealed.
func (r *receiver) commitLast(ctx context.Context, seal mft.Seal) (mft.Receipt, error) {
	b := r.take(true)
	r.mu.Lock()
	sum := r.manifest.Sum()
	r.mu.Unlock()
	if sum != seal.Manifest {
		b.discard()
		return mft.Receipt{}, mft.Fail(mft.CodeCorrupt, "check seal", "",
			fmt.Errorf("what came has manifest %v, the seal says %v", sum, seal.Manifest))
	}
	r.in.Note(mft.EventVerified, mft.CodeOK, "")
	return r.commit(ctx, &b, &seal)
}

// commit brings a batch from the staging directory to its final names. seal is
// nil but for the last batch, which also makes the receipt.
func (r *receiver) commit(ctx context.Context, b *batch, seal *mft.Seal) (receipt mft.Receipt, err error) {
	// Nothing of this is left half done because somebody lost patience.
	ctx = context.WithoutCancel(ctx)
	id := r.in.Offer.Transfer
	defer b.discard()
	if err := r.step.run("flush", func() error { return r.place.flush(b) }); err != nil {
		for i := range b.items {
			if t := b.items[i].entry.Temp; t != "" {
				b.items[i].close()
				r.place.remove(t)
			}
		}
		return receipt, err
	}
	entries := make([]journal.Entry, 0, len(b.items))
	for i := range b.items {
		if b.items[i].made {
			entries = append(entries, b.items[i].entry)
		}
	}
	var n int64
	if len(entries) > 0 {
		err := r.step.run("prepare", func() error {
			return r.in.Journal.Update(ctx, func(tx *journal.Tx) error {
				n, err = tx.Prepare(id, entries)
				return err
			})
		})
		if err != nil {
			return receipt, err
		}
	}
	good, bad, err := r.publish(b)
	if err != nil {
		return receipt, err
	}
	if seal != nil {
		if err := r.step.run("directories", r.place.setDirs); err != nil {
			return receipt, err
		}
	}
	if err := r.step.run("names", func() error { return r.place.syncNames(entries) }); err != nil {
		return receipt, err
	}
	if seal != nil {
		receipt = r.receipt(seal, good)
		// A refused item's temporary file must outlive PREPARED: its absence
		// would mean that it was published.
		if len(bad) == 0 {
			if err := r.step.run("clear", r.place.clear); err != nil {
				return receipt, err
			}
		}
	}
	err = r.step.run("commit", func() error {
		return r.in.Journal.Update(ctx, func(tx *journal.Tx) error {
			if err := commitBatch(tx, id, n, good, len(bad) > 0); err != nil || seal == nil {
				return err
			}
			return r.journalReceipt(tx, receipt, len(bad) == 0)
		})
	})
	if err != nil {
		return receipt, err
	}
	if seal != nil && len(bad) > 0 {
		if err := r.clearLate(ctx); err != nil {
			return receipt, err
		}
	}
	return receipt, r.tellCommitted(good, bad)
}

// clearLate removes the staging directories after the last commit.
func (r *receiver) clearLate(ctx context.Context) error {
	if err := r.place.clear(); err != nil {
		return err
	}
	return r.in.Journal.Update(ctx, func(tx *journal.Tx) error { return tx.ClearStaging(r.in.Offer.Transfer) })
}

// commitBatch journals COMMITTED for a batch of which only the good items were
// published.
func commitBatch(tx *journal.Tx, id mft.TransferID, n int64, good []staged, some bool) error {
	if n == 0 {
		return nil
	}
	if !some {
		return tx.Commit(id, n)
	}
	if err := tx.Drop(id, n); err != nil {
		return err
	}
	var entries []journal.Entry
	for i := range good {
		if good[i].made {
			entries = append(entries, good[i].entry)
		}
	}
	if len(entries) == 0 {
		return nil
	}
	n, err := tx.Prepare(id, entries)
	if err != nil {
		return err
	}
	return tx.Commit(id, n)
}

// refusedItem is a staged item whose final name could not be taken.
type refusedItem struct {
	staged
	cause error
}

// publish renames every item of a batch to its final name.
func (r *receiver) publish(b *batch) (good []staged, bad []refusedItem, err error) {
	for _, s := range b.items {
		if s.entry.Temp == "" {
			good = append(good, s)
			continue
		}
		err := r.step.run("rename", func() error { return publish(r.place.root, &s.entry) })
		switch {
		case err == nil:
			good = append(good, s)
		case itemLevel(err) && stillThere(r.place.root, s.entry.Temp):
			r.itemFailed(path.Base(s.entry.Final), mft.ReasonOf(err))
			bad = append(bad, refusedItem{s, err})
		default:
			return nil, nil, err
		}
	}
	return good, bad, nil
}

// receipt sums up the transfer, the last batch included.
func (r *receiver) receipt(seal *mft.Seal, last []staged) mft.Receipt {
	r.mu.Lock()
	defer r.mu.Unlock()
	receipt := mft.Receipt{
		Transfer: r.in.Offer.Transfer, Code: mft.CodeOK,
		Received: r.delivered, Failed: r.failed + seal.Failed, Manifest: seal.Manifest,
	}
	for i := range last {
		receipt.Received.Items++
		receipt.Received.Bytes += last[i].entry.Size
	}
	if receipt.Failed > 0 {
		first := r.failures.get()
		receipt.Code, receipt.Detail = mft.CodePartial, first.Detail
		if receipt.Received.Items == 0 && first.Code != "" {
			receipt.Code = first.Code
		}
	}
	return receipt
}

func (r *receiver) journalReceipt(tx *journal.Tx, receipt mft.Receipt, cleared bool) error {
	id := r.in.Offer.Transfer
	if err := tx.StoreReceipt(id, receipt, nil); err != nil {
		return err
	}
	if err := tx.SetProgress(id, receipt.Received, receipt.Received); err != nil {
		return err
	}
	if cleared {
		if err := tx.ClearStaging(id); err != nil {
			return err
		}
	}
	reason := mft.Reason{}
	if !receipt.Code.OK() {
		reason = mft.Reason{Code: receipt.Code, Detail: receipt.Detail}
	}
	return tx.SetState(id, mft.StateDelivered, reason, time.Now())
}

// tellCommitted lets the sender and this end's window know.
func (r *receiver) tellCommitted(good []staged, bad []refusedItem) error {
	var frame []byte
	var run protocol.Range
	r.mu.Lock()
	for i := range good {
		s := &good[i]
		if it := r.items.at(s.index); it != nil {
			it.settled = true
		}
		r.delivered.Items++
		r.delivered.Bytes += s.entry.Size
		if s.index == run.First+run.Count && run.Count > 0 {
			run.Count++
			continue
		}
		if run.Count > 0 {
			frame = protocol.AppendRange(frame, &run)
		}
		run = protocol.Range{First: s.index, Count: 1}
	}
	r.advance()
	r.mu.Unlock()
	r.in.Meter.moved(int64(len(good)), 0)
	for i := range bad {
		r.place.remove(bad[i].entry.Temp)
		if err := r.tellFailed(bad[i].index, bad[i].cause); err != nil {
			return err
		}
	}
	if run.Count > 0 {
		return r.write(protocol.FrameCommitted, protocol.AppendRange(frame, &run))
	}
	return nil
}

// publish gives one item its final name, or finds that it had it already.
func publish(root *confine.Root, e *journal.Entry) error {
	mode := confine.RenameReplace
	switch e.Overwrite {
	case mft.OverwriteNever:
		mode = confine.RenameNoReplace
	case mft.OverwriteVersion:
		if err := setAside(root, e.Final); err != nil {
			return err
		}
	}
	err := root.Rename(e.Temp, e.Final, mode)
	if err != nil && !stillThere(root, e.Temp) {
		return nil
	}
	return err
}

// stillThere reports whether a temporary name exists. When that cannot be
// found out it says yes, so that nothing is taken for delivered by mistake.
func stillThere(root *confine.Root, temp string) bool {
	_, err := root.Lstat(temp)
	return !notThere(err)
}

// maxVersions bounds the search for a free version name.
const maxVersions = 100_000

// setAside renames what is at final to the first free NAME.~N~.
func setAside(root *confine.Root, final string) error {
	for n := 1; n <= maxVersions; n++ {
		err := root.Rename(final, fmt.Sprintf("%s.~%d~", final, n), confine.RenameNoReplace)
		switch {
		case err == nil, notThere(err):
			return nil
		case mft.CodeOf(err) != mft.CodeExists:
			return err
		}
	}
	return mft.Fail(mft.CodeExists, "keep the version of", final, fmt.Errorf("%d versions are there", maxVersions))
}
