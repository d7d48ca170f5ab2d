package path

import (
	"net"
	"sync"
)

const (
	// tallyFrom is how many bytes must have been sent for loss to mean
	// something, and tallyMost from where on older ones count for less.
	tallyFrom = 256 << 10
	tallyMost = 64 << 20
)

// A Tally counts what connections over one path have lost. The zero value is
// empty. It is safe for concurrent use.
type Tally struct {
	mu          sync.Mutex
	sent, again uint64 // bytes
}

// Add counts a connection that is about to be closed.
func (t *Tally) Add(conn net.Conn) { t.add(traffic(conn)) }

func (t *Tally) add(sent, again uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent += sent
	t.again += again
	if t.sent > tallyMost {
		t.sent /= 2
		t.again /= 2
	}
}

// Loss returns the share of bytes that were sent again, 0 when too little was
// sent to say.
func (t *Tally) Loss() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sent < tallyFrom {
		return 0
	}
	return float64(t.again) / float64(t.sent)
}
