package sender

import (
	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/scan"
)

// An ask is one listing that was sent to the receiver.
type ask struct {
	listing  protocol.Listing
	folder   scan.Folder
	dirs     []string // directories in it, sorted
	unfit    bool     // something in it does not travel
	answered bool
	answer   protocol.Answer
	// Those of announce: it has done what the answer asks for, and the
	// receiver had nothing at all there.
	served, fresh bool
}

func (k *ask) isFresh() bool { return k != nil && k.fresh }

// asking notes a listing that is about to be sent. There is room: see unanswered.
func (l *list) asking(k *ask) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asks.Push(k)
}

// unanswered is how many listings are in the window.
func (l *list) unanswered() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.asks.Next() - l.asks.First())
}

// answered notes the receiver's answer to listing n, and returns what need not
// be announced because of it.
func (l *list) answered(n uint64, a protocol.Answer) (same mft.Count, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slot := l.asks.At(n)
	if slot == nil || (*slot).answered {
		return same, transfer.Nonsense("an answer to listing %d, which has none to get", n)
	}
	k := *slot
	k.answered, k.answer = true, a
	l.ready = append(l.ready, k)
	l.asks.PopWhile(func(k **ask) bool {
		if (*k).answered {
			l.manifest.Compared(&(*k).listing, (*k).answer)
		}
		return (*k).answered
	})
	l.changed.Broadcast()
	if a != protocol.AnswerSame {
		return same, nil
	}
	return mft.Count{Items: k.listing.Entries, Bytes: k.listing.Bytes}, nil
}

// nextAnswered returns the listing that was answered longest ago and not taken
// yet, nil when there is none. It waits for one if it is told to and one is
// due.
func (l *list) nextAnswered(wait bool) (*ask, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.ready) == 0 && wait && l.asks.Next() > l.asks.First() && l.err == nil {
		l.changed.Wait()
	}
	if l.err != nil || len(l.ready) == 0 {
		return nil, l.err
	}
	k := l.ready[0]
	l.ready[0] = nil
	l.ready = l.ready[1:]
	return k, nil
}

// listed adds to the manifest what is about to be sent.
func (l *list) listed(d *protocol.Listed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.manifest.Listed(d)
}

// next is the index that the next item gets.
func (l *list) next() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.items.Next()
}
