// Package route decides by which way a peer is reached: over the direct link, or
// through an exchange.
//
// A [Table] is asked before an attempt and told when the link did not come
// about. A peer that could not be reached directly is not dialled anew for each
// of its transfers: what keeps links up does so anyway, and [Table.Up] ends the
// wait.
//
// The package opens nothing and has no clock.
package route

import (
	"sync"
	"time"

	"mft.dev/mft"
)

// Wait is for how long a peer that could not be reached directly is not dialled
// again while the exchange is another way.
const Wait = time.Minute

// A Table knows the way to each peer. Methods may be called concurrently.
type Table struct {
	exchange bool
	paths    map[mft.AgentName]mft.Path

	mu    sync.Mutex // guards what follows
	apart map[mft.AgentName]time.Time
	bound map[mft.TransferID]mft.Path
}

// New returns a table of the paths that are configured; a peer that is not in
// it, or has none, is on mft.PathAuto. Without an exchange that is
// mft.PathDirect.
func New(exchange bool, paths map[mft.AgentName]mft.Path) *Table {
	return &Table{exchange: exchange, paths: paths, apart: map[mft.AgentName]time.Time{}, bound: map[mft.TransferID]mft.Path{}}
}

// Path returns what is configured for a peer, complete.
func (t *Table) Path(peer mft.AgentName) mft.Path {
	switch p := t.paths[peer]; {
	case p == mft.PathDirect, p == mft.PathRelay:
		return p
	case !t.exchange:
		return mft.PathDirect
	}
	return mft.PathAuto
}

// Bind has a transfer take one way, mft.PathDirect or mft.PathRelay, and no other, until
// free is called.
func (t *Table) Bind(id mft.TransferID, p mft.Path) (free func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bound[id] = p
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.bound, id)
	}
}

// pathOf returns the way of a transfer to a peer.
func (t *Table) pathOf(peer mft.AgentName, id mft.TransferID) mft.Path {
	t.mu.Lock()
	p, bound := t.bound[id]
	t.mu.Unlock()
	if bound {
		return p
	}
	return t.Path(peer)
}

// Direct reports whether the link to a peer is to be tried for a transfer at the time now.
func (t *Table) Direct(peer mft.AgentName, id mft.TransferID, now time.Time) bool {
	switch t.pathOf(peer, id) {
	case mft.PathDirect:
		return true
	case mft.PathRelay:
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	since, is := t.apart[peer]
	return !is || now.Sub(since) >= Wait || now.Before(since)
}

// Apart says that the link to a peer could not be had for a transfer, and reports
// whether the exchange is to be tried.
func (t *Table) Apart(peer mft.AgentName, id mft.TransferID, now time.Time) bool {
	if t.pathOf(peer, id) != mft.PathAuto {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.apart[peer] = now
	return true
}

// Up says that the link to a peer is there.
func (t *Table) Up(peer mft.AgentName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.apart, peer)
}
