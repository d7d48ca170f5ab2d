// Package path judges the way to a peer by what the kernel has measured on a
// connection that is there already, and decides what suits it: which congestion
// control, and how many connections for one transfer.
//
// It sends nothing to find out. Where the kernel says nothing, every path is a
// near one.
package path

import (
	"net"
	"time"
)

// farAway is the round trip from which a path is taken for a long one.
const farAway = 5 * time.Millisecond

// A Path is what is known of the way to a peer.
type Path struct {
	// RoundTrip is the shortest that was measured of late, zero for none.
	RoundTrip time.Duration
	// BBR is set when this process may choose that congestion control. It is
	// only looked at far away.
	BBR bool
	// Loss is the share of bytes that had to be sent again, 0 to 1, see Tally.
	Loss float64
}

// Far reports whether the path is a long one.
func (p Path) Far() bool { return p.RoundTrip >= farAway }

const (
	// withoutBBR is how many connections a transfer gets far away where loss
	// is taken for congestion: each gets the share of the path that loss leaves
	// it, whatever the bandwidth.
	withoutBBR = 8
	// overLoss is how many it gets with BBR where packets are lost. One of them
	// may be unlucky and settle far below what the path can do, and recovers slowly.
	// Where nothing is lost one fills the path, and several only crowd its queue.
	overLoss = 4
	// lossy is the share of bytes sent again from which a path counts as one
	// that loses packets.
	lossy = 0.003
)

// Streams decides how many data connections a transfer should have whose
// content goes out over the path, when others use it at the same time: together
// they are several already.
func (p Path) Streams(others int) int {
	streams := 1
	switch {
	case !p.Far():
	case !p.BBR:
		streams = withoutBBR
	case p.Loss >= lossy:
		streams = overLoss
	}
	return max(1, streams/(1+others))
}

// A measured connection is one that another process has the socket of.
type measured interface{ RoundTrip() time.Duration }

// apart finds a connection whose path was measured elsewhere.
func apart(conn net.Conn) (measured, bool) {
	for {
		if m, ok := conn.(measured); ok {
			return m, true
		}
		over, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil, false
		}
		conn = over.NetConn()
	}
}
