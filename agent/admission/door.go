package admission

import (
	"sync"

	"mft.dev/mft"
)

// A Door counts the receives that are under way. Its methods may be called
// concurrently.
type Door struct {
	limit int

	mu     sync.Mutex // guards inside
	inside map[mft.AgentName]int
}

// NewDoor returns a door for an agent that sends up to maxTransfers at once: it
// lets in twice as many and no fewer than eight, half of them of one peer.
func NewDoor(maxTransfers int) *Door {
	return &Door{limit: max(8, 2*maxTransfers), inside: map[mft.AgentName]int{}}
}

// Enter counts a receive from peer in and reports whether there was room. One
// that takes the place of another is always let in.
func (d *Door) Enter(peer mft.AgentName, replaces bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := 0
	for _, n := range d.inside {
		all += n
	}
	if !replaces && (all >= d.limit || d.inside[peer] >= d.limit/2) {
		return false
	}
	d.inside[peer]++
	return true
}

// Leave counts out what Enter counted in.
func (d *Door) Leave(peer mft.AgentName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inside[peer]--; d.inside[peer] == 0 {
		delete(d.inside, peer)
	}
}
