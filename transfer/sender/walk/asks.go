package walk

import (
	"slices"
	"sync"

	"mft.dev/mft"
	"mft.dev/mft/internal/ring"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/look"
	"mft.dev/mft/transfer/scan"
)

// An ask is one listing that was sent to the receiver.
type ask struct {
	number   uint64
	listing  listing.Listing
	folder   scan.Folder
	dirs     []string // directories in it, sorted
	unfit    bool     // something in it does not travel
	answered bool
	answer   listing.Answer
	prints   listing.Prints // for Differ
	seen     *look.Look     // what is in it, if that is kept; the walker's
	// Those of the walker: it has done what the answer asks for, and the
	// receiver had nothing at all there.
	served, fresh bool
}

func (k *ask) isFresh() bool { return k != nil && k.fresh }

// Asks are the listings that the receiver has not answered, and the answers
// that the walker has not obeyed. Its methods may be called by several
// goroutines at once.
type Asks struct {
	compared func(l *listing.Listing, a listing.Answer)

	mu      sync.Mutex
	changed sync.Cond // any of the following
	window  *ring.Ring[*ask]
	ready   []*ask
	prints  int   // of answers that the walker has not obeyed
	err     error // why everything stops
}

// NewAsks returns no asks. compared is told of each listing with its answer, in
// the order of the listings, by whoever calls Answered.
func NewAsks(compared func(l *listing.Listing, a listing.Answer)) *Asks {
	s := &Asks{compared: compared, window: ring.New[*ask](protocol.ListingWindow)}
	s.changed.L = &s.mu
	return s
}

// Stop makes whoever waits return err.
func (s *Asks) Stop(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
	s.changed.Broadcast()
}

// add notes a listing that is about to be sent. There is room: see unanswered.
func (s *Asks) add(k *ask) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k.number = s.window.Push(k)
}

// unanswered is how many listings are in the window.
func (s *Asks) unanswered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(s.window.Next() - s.window.First())
}

// Answered notes the receiver's answer to listing n, and returns what need not
// be announced because of it. prints are those of the answer, for Differ. It never waits. Errors: mft.CodeProtocol.
func (s *Asks) Answered(n uint64, a listing.Answer, prints listing.Prints) (same mft.Count, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := s.window.At(n)
	if slot == nil || (*slot).answered {
		return same, transfer.Nonsense("an answer to listing %d, which has none to get", n)
	}
	k := *slot
	k.answered, k.answer = true, a
	if s.prints += prints.Len(); s.prints > listing.PrintWindow {
		return same, transfer.Nonsense("more than %d prints came at once", listing.PrintWindow)
	}
	k.prints = slices.Clone(prints)
	s.ready = append(s.ready, k)
	s.window.PopWhile(func(k **ask) bool {
		if (*k).answered {
			s.compared(&(*k).listing, (*k).answer)
		}
		return (*k).answered
	})
	s.changed.Broadcast()
	if a != listing.Same {
		return same, nil
	}
	return mft.Count{Items: k.listing.Entries, Bytes: k.listing.Bytes}, nil
}

// obeyed notes that the walker needs the prints of an answer no more.
func (s *Asks) obeyed(k *ask) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prints -= k.prints.Len()
	k.prints = nil
}

// next returns the listing that was answered longest ago and not taken yet,
// nil when there is none. It waits for one if it is told to and one is due.
func (s *Asks) next(wait bool) (*ask, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.ready) == 0 && wait && s.window.Next() > s.window.First() && s.err == nil {
		s.changed.Wait()
	}
	if s.err != nil || len(s.ready) == 0 {
		return nil, s.err
	}
	k := s.ready[0]
	s.ready[0] = nil
	s.ready = s.ready[1:]
	return k, nil
}
