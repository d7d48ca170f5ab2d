package e2e

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/rig"
)

// TestNetwork sends a stream of files over a network that cuts, stalls and
// half closes connections at random moments. Everything arrives, once.
func TestNetwork(t *testing.T) {
	for _, tt := range []struct {
		name string
		fate fate
	}{
		{name: "connections are reset", fate: reset},
		{name: "connections are closed", fate: closed},
		{name: "one direction is closed", fate: halfClosed},
		{name: "connections stall, then are reset", fate: stalled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rnd := chance(t)
			alpha, beta, between := newDistantPair(t, tt.fate, rnd.Uint64())
			c := consume(t, beta.In(), filepath.Join(beta.Dir, "kept"), false)
			s := &stream{from: alpha, to: beta, consumer: c, producer: &producer{t: t, dir: alpha.Out(), ledger: newLedger(), rnd: rnd}}
			between.breakNext(sample(10, 40))
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- s.flow(ctx) }()
			between.awaitBroken(t)
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			s.settle(t)
			c.verdict(s.producer.ledger)
		})
	}
}

// TestSilentNetwork forgets all connections in the middle of a file, as a
// firewall that is started anew does: no packet gets through, none is answered.
// The agents notice by themselves and connect again.
func TestSilentNetwork(t *testing.T) {
	if !thorough() {
		t.Skip("it takes a minute until an agent gives up a peer that says nothing")
	}
	t.Parallel()
	rnd := chance(t)
	alpha, beta, between := newDistantPair(t, silent, rnd.Uint64())
	c := consume(t, beta.In(), filepath.Join(beta.Dir, "kept"), false)
	pr := &producer{t: t, dir: alpha.Out(), ledger: newLedger(), rnd: rnd}
	between.breakNext(1)
	pr.make("big", 4*big)
	id, err := order(alpha, beta, filepath.Join(pr.dir, "big"))
	if err != nil {
		t.Fatal(err)
	}
	between.awaitBroken(t)
	s := &stream{from: alpha, to: beta, consumer: c, producer: pr, orders: []mft.TransferID{id}}
	s.settle(t)
	c.verdict(pr.ledger)
}

// newDistantPair is newPair with a network between the two that can break,
// whichever of them dials.
func newDistantPair(t *testing.T, f fate, seed uint64) (alpha, beta *host, n *network) {
	t.Helper()
	alpha, beta = newHost(t, "alpha"), newHost(t, "beta")
	n = &network{fate: f, rnd: rand.New(rand.NewPCG(seed, 2)), conns: map[net.Conn]bool{}, mute: new(atomic.Bool)}
	t.Cleanup(n.close)
	for _, h := range []*host{alpha, beta} {
		h.Public = n.listen(t, h.Addr)
		h.configure("")
		h.start()
	}
	pair(alpha, beta, beta.Public)
	return alpha, beta, n
}

// A fate is how a connection ends before its time.
type fate int

const (
	reset fate = iota
	closed
	halfClosed
	stalled // nothing moves for a while, then reset
	silent  // nothing moves, ever, on any connection that there is
)

// A network forwards connections, and breaks those it is told to.
type network struct {
	fate      fate
	listeners []net.Listener

	mu     sync.Mutex
	rnd    *rand.Rand
	broken sync.WaitGroup // counts what is yet to be broken
	left   int
	conns  map[net.Conn]bool
	mute   *atomic.Bool // swallows what the connections of now send
	wg     sync.WaitGroup
}

func (n *network) muted() *atomic.Bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mute
}

// listen returns an address that leads to target.
func (n *network) listen(t *testing.T, target string) string {
	t.Helper()
	addr, err := rig.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	n.listeners = append(n.listeners, l)
	n.wg.Go(func() { n.serve(l, target) })
	return addr
}

// close ends all connections.
func (n *network) close() {
	for _, l := range n.listeners {
		l.Close()
	}
	n.mu.Lock()
	for c := range n.conns {
		c.Close()
	}
	n.mu.Unlock()
	n.wg.Wait()
}

// breakNext has the next n connections broken that move enough bytes.
func (n *network) breakNext(count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.left += count
	n.broken.Add(count)
}

// awaitBroken waits until as many have been broken as was asked for.
func (n *network) awaitBroken(t *testing.T) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		n.broken.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(*patience):
		n.mu.Lock()
		defer n.mu.Unlock()
		t.Fatalf("%d connections are still to be broken", n.left)
	}
}

func (n *network) serve(l net.Listener, target string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", target)
		if err != nil {
			in.Close()
			continue
		}
		n.wg.Go(func() { n.forward(in.(*net.TCPConn), out.(*net.TCPConn)) })
	}
}

// forward copies both ways until either end or its fate closes it.
func (n *network) forward(in, out *net.TCPConn) {
	n.mu.Lock()
	n.conns[in], n.conns[out] = true, true
	// Some break within a handshake, some in the middle of a big file.
	limit := int64(1) << (8 + n.rnd.IntN(19))
	limit += n.rnd.Int64N(limit)
	up := n.rnd.IntN(2) == 0
	if n.fate == silent { // where the content goes, and well within it
		limit = big + n.rnd.Int64N(big)
	}
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(n.conns, in)
		delete(n.conns, out)
		n.mu.Unlock()
		in.Close()
		out.Close()
	}()
	var wg sync.WaitGroup
	mute := n.muted() // nothing gets through any more
	half := func(to, from *net.TCPConn, breaks bool) {
		if breaks {
			if m, err := io.CopyN(gate{to, mute}, from, limit); m == limit && err == nil && n.take() {
				n.strike(to, from)
			}
		}
		_, _ = io.Copy(gate{to, mute}, from)
		_ = to.CloseWrite()
	}
	wg.Go(func() { half(out, in, up || n.fate == silent) })
	wg.Go(func() { half(in, out, !up || n.fate == silent) })
	wg.Wait()
}

// A gate swallows what is written once it is mute.
type gate struct {
	to   io.Writer
	mute *atomic.Bool
}

func (g gate) Write(b []byte) (int, error) {
	if g.mute.Load() {
		return len(b), nil
	}
	return g.to.Write(b)
}

// take reports whether a connection that has moved enough is to be broken.
func (n *network) take() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.left == 0 {
		return false
	}
	n.left--
	return true
}

// strike is the fate of a connection.
func (n *network) strike(to, from *net.TCPConn) {
	defer n.broken.Done()
	switch n.fate {
	case halfClosed:
		_ = to.CloseWrite() // the other direction goes on
		return
	case silent:
		n.mu.Lock()
		n.mute.Store(true)
		n.mute = new(atomic.Bool) // for those to come
		n.mu.Unlock()
		return
	case stalled:
		<-time.After(rand.N(3 * time.Second))
		fallthrough
	case reset:
		_ = to.SetLinger(0)
		_ = from.SetLinger(0)
	}
	to.Close()
	from.Close()
}
