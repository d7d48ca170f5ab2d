package replay

import (
	"fmt"
	"sync"

	"mft.dev/mft"
	"mft.dev/mft/internal/ring"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
)

// item is one announced item.
type item struct {
	item     mft.Item
	answered bool // the receiver gave its verdict
	told     bool // the manifest has said what became of it at the sender
	hashed   bool
	settled  bool // the receiver will say no more about it

	want    protocol.Want
	outcome protocol.Outcome // at the sender
	digest  mft.Digest
}

// list is the window of announced items. All methods are safe for concurrent
// use.
type list struct {
	mu      sync.Mutex
	changed sync.Cond
	items   *ring.Ring[item]
	err     error // why everything stops

	hashedTo  uint64
	said, own *protocol.Manifest // what the sender sealed, and what the receiver was told
	twice     int64              // failed at the sender and refused by the receiver
	sent      mft.Count
}

func newList() *list {
	l := &list{items: ring.New[item](transfer.Window), said: protocol.NewManifest(), own: protocol.NewManifest()}
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

// announce admits items to the window, waiting while it is full.
func (l *list) announce(first uint64, items []mft.Item) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if first != l.items.Next() {
		return transfer.Nonsense("the manifest has item %d where %d would follow", first, l.items.Next())
	}
	for l.items.Room() < uint64(len(items)) && l.err == nil {
		l.changed.Wait()
	}
	for i := range items {
		it := item{item: items[i]}
		if it.item.Type != mft.ItemFile {
			it.told, it.outcome = true, protocol.Delivered
		}
		l.items.Push(it)
	}
	return l.err
}

// listed notes what a directory of a mirror has.
func (l *list) listed(payload []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said.Listed(payload)
	l.own.Listed(payload)
}

// want notes the receiver's verdict on a range of items.
func (l *list) want(w *protocol.Want) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := w.First; i < w.First+w.Count; i++ {
		it := l.items.At(i)
		if it == nil || it.answered {
			return transfer.Nonsense("a verdict on item %d, which has none to get", i)
		}
		if w.Verdict == protocol.Delta {
			return transfer.Nonsense("item %d cannot come as a delta from a parcel", i)
		}
		it.answered, it.want = true, *w
		it.settled = !wanted(w)
	}
	l.advance()
	return nil
}

// wanted reports whether content is to be sent.
func wanted(w *protocol.Want) bool {
	return w.Verdict == protocol.Send || w.Verdict == protocol.Resume
}

// settle notes that the receiver will say no more about a range of items.
func (l *list) settle(first, count uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := first; i < first+count; i++ {
		it := l.items.At(i)
		if it == nil || it.settled || !it.answered {
			return transfer.Nonsense("item %d was settled out of turn", i)
		}
		it.settled = true
	}
	l.advance()
	return nil
}

// await returns an item whose content the manifest has come to, once the
// receiver has given its verdict.
func (l *list) await(i uint64) (item, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.err == nil {
		it := l.items.At(i)
		switch {
		case it == nil || it.told:
			return item{}, transfer.Nonsense("the manifest has content of item %d, which has none to get", i)
		case it.answered:
			return *it, nil
		}
		l.changed.Wait()
	}
	return item{}, l.err
}

// tell notes what became of an item at the sender.
func (l *list) tell(i uint64, o protocol.Outcome, d mft.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	it := l.items.At(i)
	it.told, it.outcome, it.digest = true, o, d
	if o != protocol.Delivered {
		if o == protocol.Failed && it.want.Verdict == protocol.Refuse {
			l.twice++
		}
		it.settled = true
	}
	l.advance()
}

// advance hashes what can be hashed in order and lets settled items go. The
// caller holds mu.
func (l *list) advance() {
	for l.hashedTo < l.items.Next() {
		it := l.items.At(l.hashedTo)
		if !it.told || !it.answered {
			break
		}
		l.said.Add(&it.item, it.outcome, it.digest)
		o, d := heard(it)
		l.own.Add(&it.item, o, d)
		if o == protocol.Delivered {
			l.sent.Items++
			l.sent.Bytes += it.item.Size
		}
		it.hashed = true
		l.hashedTo++
	}
	l.items.PopWhile(func(it *item) bool { return it.hashed && it.settled })
	l.changed.Broadcast()
}

// heard is what an item is for the receiver.
func heard(it *item) (protocol.Outcome, mft.Digest) {
	switch it.want.Verdict {
	case protocol.Have:
		return protocol.Delivered, it.want.Digest
	case protocol.Same:
		return protocol.Unchanged, mft.Digest{}
	case protocol.Refuse:
		return protocol.Failed, mft.Digest{}
	}
	return it.outcome, it.digest
}

// seal waits for the last verdicts, checks that the manifest is the one that
// the sender sealed, and returns the seal for the receiver.
func (l *list) seal(sealed mft.Seal) (mft.Seal, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.err == nil && l.hashedTo < l.items.Next() {
		if it := l.items.At(l.hashedTo); !it.told {
			return mft.Seal{}, transfer.Nonsense("the manifest has no content for item %d", l.hashedTo)
		}
		l.changed.Wait()
	}
	if l.err != nil {
		return mft.Seal{}, l.err
	}
	if said := l.said.Sum(); said != sealed.Manifest {
		return mft.Seal{}, mft.Fail(mft.CodeCorrupt, "check seal", "",
			fmt.Errorf("the parcel has manifest %v, the seal says %v", said, sealed.Manifest))
	}
	own := sealed
	own.Manifest, own.Sent = l.own.Sum(), l.sent
	own.Failed -= l.twice
	return own, nil
}
