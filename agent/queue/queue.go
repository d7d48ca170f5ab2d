// Package queue decides which transfer runs next and what follows an attempt
// at one. It is made of decisions only: time comes in as a value, and neither
// the journal nor a transfer is touched.
//
// A [Queue] holds what wants to run. [Decide] turns the error of an attempt
// into a [Verdict], whose delay and reach go back into the queue by [Queue.Put]
// and [Queue.Shut].
//
// The package refuses to remember anything across a restart: the rows of the
// journal say what wants to run.
package queue

import (
	"bytes"
	"container/heap"
	"time"

	"mft.dev/mft"
)

// A Queue holds the transfers that want to run, oldest first within a peer.
// Entries of a peer whose gate is shut stay where they are until it opens. A
// Queue has no clock and no lock: its owner's mutex guards it.
type Queue struct {
	peers map[mft.AgentName]*peerQueue
	// turn is the peer that was served last: the next one is served first,
	// so that many transfers of one peer do not starve another.
	turn mft.AgentName
}

// A peerQueue is what waits for one peer.
type peerQueue struct {
	entries map[mft.TransferID]*Entry
	ready   pile      // may run now; by age
	later   pile      // may run after a delay; by time
	shut    time.Time // no entry runs before this time
	reason  mft.Reason
	failed  int // attempts in a row that shut the gate
	running int
}

// An Entry is one transfer that wants to run.
type Entry struct {
	ID        mft.TransferID
	NotBefore time.Time // zero for now
	// Tries counts the attempts in a row that made no progress.
	Tries int
	// Waiting is the reason that the row shows, empty when it shows none.
	Waiting mft.Code

	index int // in its pile
}

// New returns an empty queue.
func New() *Queue { return &Queue{peers: map[mft.AgentName]*peerQueue{}} }

func (q *Queue) peer(name mft.AgentName) *peerQueue {
	p := q.peers[name]
	if p == nil {
		p = &peerQueue{entries: map[mft.TransferID]*Entry{}, ready: pile{less: older}, later: pile{less: sooner}}
		q.peers[name] = p
	}
	return p
}

// Put adds a transfer, or changes one that is there.
func (q *Queue) Put(peer mft.AgentName, e Entry) {
	q.Drop(peer, e.ID)
	p := q.peer(peer)
	p.entries[e.ID] = &e
	p.push(&e)
}

func (p *peerQueue) push(e *Entry) {
	p.pileOf(e).add(e)
}

func (p *peerQueue) pileOf(e *Entry) *pile {
	if e.NotBefore.IsZero() {
		return &p.ready
	}
	return &p.later
}

// Drop removes a transfer and reports whether it was there.
func (q *Queue) Drop(peer mft.AgentName, id mft.TransferID) bool {
	p := q.peer(peer)
	e := p.entries[id]
	if e == nil {
		return false
	}
	delete(p.entries, id)
	p.pileOf(e).remove(e)
	return true
}

// Take removes the transfer that is to run now, counts it as running, and
// returns it; ok is false when there is none. Each peer has at most limit
// running.
func (q *Queue) Take(now time.Time, limit int) (peer mft.AgentName, e Entry, ok bool) {
	for name, p := range q.peers {
		p.ripen(now)
		if p.running >= limit || p.ready.Len() == 0 || now.Before(p.shut) || (!p.shut.IsZero() && p.running > 0) {
			continue // while a gate is ajar one transfer tries it for all
		}
		if !ok || after(q.turn, name, peer) {
			peer, ok = name, true
		}
	}
	if !ok {
		return "", Entry{}, false
	}
	p := q.peers[peer]
	first := p.ready.first()
	p.ready.remove(first)
	delete(p.entries, first.ID)
	p.running++
	q.turn = peer
	return peer, *first, true
}

// after reports whether, going round from turn, a comes before b.
func after(turn, a, b mft.AgentName) bool {
	if (a > turn) != (b > turn) {
		return a > turn
	}
	return a < b
}

// ripen moves what has waited long enough to what may run.
func (p *peerQueue) ripen(now time.Time) {
	for p.later.Len() > 0 && !p.later.first().NotBefore.After(now) {
		e := p.later.first()
		p.later.remove(e)
		e.NotBefore = time.Time{}
		p.push(e)
	}
}

// Ended says that a transfer that Take returned runs no longer.
func (q *Queue) Ended(peer mft.AgentName) { q.peer(peer).running-- }

// Shut keeps the transfers of a peer from running for a reason that holds for
// all of them: longer each time, until Open. Spread is as for Decide.
func (q *Queue) Shut(peer mft.AgentName, now time.Time, reason mft.Reason, spread float64) {
	p := q.peer(peer)
	p.failed++
	p.shut, p.reason = now.Add(delay(p.failed, spread)), reason
}

// Open ends what Shut began: the peer has been reached.
func (q *Queue) Open(peer mft.AgentName) {
	p := q.peer(peer)
	p.shut, p.reason, p.failed = time.Time{}, mft.Reason{}, 0
}

// Rouse lets the transfers of a peer run now whatever they wait for.
func (q *Queue) Rouse(peer mft.AgentName) {
	q.Open(peer)
	p := q.peer(peer)
	for p.later.Len() > 0 {
		e := p.later.first()
		p.later.remove(e)
		e.NotBefore = time.Time{}
		p.push(e)
	}
}

// Untold returns up to limit transfers that wait behind a shut gate though
// their rows do not say so yet, and notes that they do.
func (q *Queue) Untold(limit int) map[mft.TransferID]mft.Reason {
	out := map[mft.TransferID]mft.Reason{}
	for _, p := range q.peers {
		if p.shut.IsZero() {
			continue
		}
		for id, e := range p.entries {
			if len(out) == limit {
				return out
			}
			if e.Waiting == "" {
				e.Waiting = p.reason.Code
				out[id] = p.reason
			}
		}
	}
	return out
}

// Next returns when Take may have something that it has not now; zero for
// not before something else happens.
func (q *Queue) Next(now time.Time) time.Time {
	var first time.Time
	consider := func(t time.Time) {
		if t.After(now) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	for _, p := range q.peers {
		if len(p.entries) > 0 {
			consider(p.shut)
		}
		if p.later.Len() > 0 {
			consider(p.later.first().NotBefore)
		}
	}
	return first
}

// older orders by id: those of version 7 grow with time.
func older(a, b *Entry) bool { return bytes.Compare(a.ID[:], b.ID[:]) < 0 }

// sooner orders by when an entry may run.
func sooner(a, b *Entry) bool { return a.NotBefore.Before(b.NotBefore) }

// A pile is a heap whose entries know their place, so that any can be removed.
type pile struct {
	less    func(a, b *Entry) bool
	entries []*Entry
}

func (h *pile) add(e *Entry)    { heap.Push(h, e) }
func (h *pile) remove(e *Entry) { heap.Remove(h, e.index) }
func (h *pile) first() *Entry   { return h.entries[0] }

// The methods of heap.Interface.

func (h *pile) Len() int           { return len(h.entries) }
func (h *pile) Less(i, j int) bool { return h.less(h.entries[i], h.entries[j]) }
func (h *pile) Swap(i, j int) {
	h.entries[i], h.entries[j] = h.entries[j], h.entries[i]
	h.entries[i].index, h.entries[j].index = i, j
}

func (h *pile) Push(x any) {
	e := x.(*Entry)
	e.index = len(h.entries)
	h.entries = append(h.entries, e)
}

func (h *pile) Pop() any {
	last := len(h.entries) - 1
	e := h.entries[last]
	h.entries[last] = nil
	h.entries = h.entries[:last]
	return e
}
