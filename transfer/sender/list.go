package sender

import (
	"context"
	"sync"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/internal/ring"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/scan"
)

// item is one announced item at the sender.
type item struct {
	entry  scan.Entry
	source *scan.Source
	tries  int // how often its content was read and had changed

	answered bool // the peer gave its verdict
	sent     bool // its contribution to the manifest is known
	hashed   bool // and has been added
	settled  bool // the peer delivered it, or nobody will

	outcome protocol.Outcome
	digest  mft.Digest
}

// list is what the sender's goroutines share: the window of announced
// items, and the peer's wants that have not been served.
//
// announce adds to it, listen answers and settles, content takes wants and
// marks them sent. All methods are safe for concurrent use.
type list struct {
	mu      sync.Mutex
	changed sync.Cond // any of the following
	items   *ring.Ring[item]
	wants   []protocol.Want // in the order in which the peer asked
	open    int             // announced without a verdict
	again   []item          // to be announced once more, because they changed
	passing int             // taken from again and not yet added
	scanned bool            // the sources have nothing more
	allSent bool            // content has finished
	err     error           // why everything stops

	manifest *protocol.Manifest
	hashedTo uint64
	total    mft.Count                             // delivered or already there, as far as known
	failed   int64                                 // could not be read; what the peer refuses is its own to count
	took     func(rel string, id confine.Identity) // of Outgoing
}

func newList() *list {
	l := &list{items: ring.New[item](transfer.Window), manifest: protocol.NewManifest()}
	l.changed.L = &l.mu
	return l
}

// stop makes every waiting method return err.
func (l *list) stop(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
	l.changed.Broadcast()
}

// hasRoom reports whether add would not have to wait.
func (l *list) hasRoom() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !(l.items.Room() == 0)
}

// add puts an item into the window, waiting while it is full, and returns its
// index. There is one caller, so that indexes are given in order of sending.
func (l *list) add(it item) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for (l.items.Room() == 0) && l.err == nil {
		l.changed.Wait()
	}
	if l.err != nil {
		return 0, l.err
	}
	l.open++
	if it.tries > 0 {
		l.passing--
	}
	return l.items.Push(it), nil
}

// scanDone tells that the sources have nothing more.
func (l *list) scanDone() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.scanned = true
	l.changed.Broadcast()
}

// supersede puts a file that changed while it was read back to be announced
// with what it is now. It does not wait: announce, not content, waits for room.
func (l *list) supersede(i uint64, it item) {
	l.mu.Lock()
	l.again = append(l.again, item{entry: it.entry, source: it.source, tries: it.tries + 1})
	l.mu.Unlock()
	l.done(i, protocol.Superseded, mft.Digest{})
}

// nextAgain waits for an item to announce anew. ok is false when content has
// sent everything.
func (l *list) nextAgain() (it item, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.again) == 0 && !l.allSent && l.err == nil {
		l.changed.Wait()
	}
	if l.err != nil || len(l.again) == 0 {
		return item{}, false, l.err
	}
	it = l.again[0]
	l.again = l.again[1:]
	l.passing++
	return it, true, nil
}

// want notes the peer's verdict on a range of items.
func (l *list) want(w protocol.Want) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := w.First; i < w.First+w.Count; i++ {
		it := l.items.At(i)
		if it == nil || it.answered {
			return transfer.Nonsense("a verdict on item %d, which has none to get", i)
		}
		it.answered = true
		l.open--
		switch w.Verdict {
		case protocol.Have:
			l.resolve(it, protocol.Delivered, w.Digest)
			it.settled = true
		case protocol.Same:
			l.resolve(it, protocol.Unchanged, mft.Digest{})
			it.settled = true
		case protocol.Refuse:
			l.resolve(it, protocol.Failed, mft.Digest{})
			it.settled = true
		default:
			if it.entry.Item.Type != mft.ItemFile {
				l.resolve(it, protocol.Delivered, mft.Digest{})
			}
		}
	}
	switch w.Verdict {
	case protocol.Send, protocol.Resume, protocol.Delta:
		l.wants = append(l.wants, w)
	}
	l.advance()
	return nil
}

// settle notes that the peer will say no more about an item, and returns it.
func (l *list) settle(i uint64) (item, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	it := l.items.At(i)
	if it == nil || it.settled || !it.answered {
		return item{}, transfer.Nonsense("item %d was settled out of turn", i)
	}
	it.settled = true
	settled := *it
	l.advance()
	return settled, nil
}

// done notes what became of an item's content. An item that the peer does not
// hear more of is settled by this.
func (l *list) done(i uint64, o protocol.Outcome, d mft.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	it := l.items.At(i)
	if it == nil {
		return
	}
	l.resolve(it, o, d)
	if o != protocol.Delivered {
		it.settled = true
	}
	if o == protocol.Failed {
		l.failed++
	}
	l.advance()
}

// resolve fixes an item's contribution to the manifest.
func (l *list) resolve(it *item, o protocol.Outcome, d mft.Digest) {
	it.sent, it.outcome, it.digest = true, o, d
	if o == protocol.Delivered {
		l.total.Items++
		l.total.Bytes += it.entry.Item.Size
	}
}

// advance hashes what can be hashed in order and lets settled items go.
func (l *list) advance() {
	for l.hashedTo < l.items.Next() {
		it := l.items.At(l.hashedTo)
		if !it.sent {
			break
		}
		l.manifest.Add(&it.entry.Item, it.outcome, it.digest)
		it.hashed = true
		if l.took != nil && it.entry.Item.Type == mft.ItemFile && (it.outcome == protocol.Delivered || it.outcome == protocol.Unchanged) {
			l.took(it.entry.Rel, it.entry.Identity)
		}
		l.hashedTo++
	}
	l.items.PopWhile(func(it *item) bool { return it.hashed && it.settled })
	l.changed.Broadcast()
}

// nextWant returns the oldest want that has not been served. ok is false when
// there never will be one again. idle is called, without the lock, before
// waiting: what has been packed so far should go out then.
func (l *list) nextWant(ctx context.Context, idle func() error) (w protocol.Want, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.err != nil:
			return w, false, transfer.Cause(ctx, l.err)
		case len(l.wants) > 0:
			w = l.wants[0]
			l.wants = l.wants[1:]
			return w, true, nil
		case l.noMoreWants():
			l.allSent = true
			l.changed.Broadcast()
			return w, false, nil
		}
		l.mu.Unlock()
		err := idle()
		l.mu.Lock()
		if err != nil {
			return w, false, err
		}
		if len(l.wants) == 0 && l.err == nil && !l.noMoreWants() {
			l.changed.Wait()
		}
	}
}

// noMoreWants reports whether every item has its verdict and none will come.
func (l *list) noMoreWants() bool {
	return l.scanned && l.open == 0 && len(l.again) == 0 && l.passing == 0
}

// item returns what is known of an item in the window.
func (l *list) item(i uint64) (item, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	it := l.items.At(i)
	if it == nil {
		return item{}, false
	}
	return *it, true
}

// next is the index that the next item gets.
func (l *list) next() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.items.Next()
}

// compared adds to the manifest a listing with its answer.
func (l *list) compared(k *listing.Listing, a listing.Answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.manifest.Compared(listing.Append(nil, k), uint8(a))
}

// listed adds to the manifest the payload of a LISTED or MATCHED frame.
func (l *list) listed(payload []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.manifest.Listed(payload)
}

// seal sums up; everything announced has been sent or has failed.
func (l *list) seal(unannounced int64, whole bool) mft.Seal {
	l.mu.Lock()
	defer l.mu.Unlock()
	return mft.Seal{Sent: l.total, Manifest: l.manifest.Sum(), Failed: l.failed + unannounced, Whole: whole}
}
