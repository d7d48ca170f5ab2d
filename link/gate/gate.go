// Package gate bounds the connections that have been accepted and are not
// useful yet, so that whoever opens connections and leaves them hanging takes
// neither memory nor the place of others.
//
// It counts and closes; it accepts nothing itself and knows no time.
package gate

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
)

// A Gate admits connections. When there are too many, the oldest makes room:
// an honest handshake is over in moments, and one that was left hanging must
// not keep others out. A Gate is safe for concurrent use.
type Gate struct {
	max   int // of everybody
	maxOf int // of one network address

	mu      sync.Mutex
	waiting list.List // of *Visitor, the oldest in front
	of      map[netip.Prefix]int
}

// New returns a gate for at most max connections, and maxOf from one IPv4
// address or one IPv6 network of 64 bits.
func New(max, maxOf int) *Gate {
	return &Gate{max: max, maxOf: maxOf, of: map[netip.Prefix]int{}}
}

// A Visitor is one connection at the gate.
type Visitor struct {
	from  netip.Prefix
	close func()
	place *list.Element // nil once it has left
}

// Enter admits a connection from this address. If it has to make room before
// it leaves, close is called, once and while the gate is locked.
func (g *Gate) Enter(from net.Addr, close func()) *Visitor {
	v := &Visitor{from: network(from), close: close}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.of[v.from] >= g.maxOf:
		g.turnAway(func(o *Visitor) bool { return o.from == v.from })
	case g.waiting.Len() >= g.max:
		g.turnAway(func(*Visitor) bool { return true })
	}
	v.place = g.waiting.PushBack(v)
	g.of[v.from]++
	return v
}

// turnAway closes the oldest visitor that match picks. The caller holds mu.
func (g *Gate) turnAway(match func(*Visitor) bool) {
	for e := g.waiting.Front(); e != nil; e = e.Next() {
		if v := e.Value.(*Visitor); match(v) {
			v.close()
			g.remove(v)
			return
		}
	}
}

// Leave tells that a connection has become useful, or is gone. It may be
// called more than once.
func (g *Gate) Leave(v *Visitor) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.remove(v)
}

func (g *Gate) remove(v *Visitor) {
	if v.place == nil {
		return
	}
	g.waiting.Remove(v.place)
	v.place = nil
	if g.of[v.from]--; g.of[v.from] == 0 {
		delete(g.of, v.from)
	}
}

// network returns what counts as one address: one IPv4 address, or an IPv6
// network of 64 bits, all of which one host commonly has.
func network(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap()
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	prefix, _ := ip.WithZone("").Prefix(bits) // both lengths are valid
	return prefix
}
