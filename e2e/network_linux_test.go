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
			alpha, beta := newHost(t, "alpha"), newHost(t, "beta")
			alpha.start()
			beta.start()
			p := newProxy(t, beta.Addr, tt.fate, rnd.Uint64())
			pair(alpha, beta, p.listener.Addr().String())

			c := consume(t, beta.In(), filepath.Join(beta.Dir, "kept"), false)
			s := &stream{from: alpha, to: beta, consumer: c, producer: &producer{t: t, dir: alpha.Out(), ledger: newLedger(), rnd: rnd}}
			p.breakNext(sample(10, 40))
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- s.flow(ctx) }()
			p.awaitBroken(t)
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			s.settle(t)
			c.verdict(s.producer.ledger)
		})
	}
}

// TestSilentNetwork lets a connection stall for good in the middle of a file:
// no packet, no reset. The agents notice by themselves.
func TestSilentNetwork(t *testing.T) {
	t.Parallel()
	alpha, beta := newHost(t, "alpha"), newHost(t, "beta")
	alpha.start()
	beta.start()
	p := newProxy(t, beta.Addr, silent, 1)
	pair(alpha, beta, p.listener.Addr().String())
	c := consume(t, beta.In(), filepath.Join(beta.Dir, "kept"), false)
	pr := &producer{t: t, dir: alpha.Out(), ledger: newLedger(), rnd: chance(t)}
	p.breakNext(1)
	pr.make("big", 2*big)
	if _, err := order(alpha, beta, filepath.Join(pr.dir, "big")); err != nil {
		t.Fatal(err)
	}
	s := &stream{from: alpha, to: beta, consumer: c, producer: pr}
	s.settle(t)
	c.verdict(pr.ledger)
}

// A fate is how a connection ends before its time.
type fate int

const (
	reset fate = iota
	closed
	halfClosed
	stalled // nothing moves for a while, then reset
	silent  // nothing moves, ever
)

// A proxy forwards connections, and breaks those it is told to.
type proxy struct {
	listener net.Listener
	target   string
	fate     fate

	mu     sync.Mutex
	rnd    *rand.Rand
	broken sync.WaitGroup // counts what is yet to be broken
	left   int
	conns  map[net.Conn]bool
	wg     sync.WaitGroup
}

func newProxy(t testing.TB, target string, f fate, seed uint64) *proxy {
	t.Helper()
	addr, err := rig.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, fate: f, rnd: rand.New(rand.NewPCG(seed, 2)), conns: map[net.Conn]bool{}}
	p.wg.Go(p.serve)
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		for c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

// breakNext has the next n connections broken that move enough bytes.
func (p *proxy) breakNext(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left += n
	p.broken.Add(n)
}

// awaitBroken waits until as many have been broken as was asked for.
func (p *proxy) awaitBroken(t *testing.T) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		p.broken.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
		p.mu.Lock()
		defer p.mu.Unlock()
		t.Fatalf("%d connections are still to be broken", p.left)
	}
}

func (p *proxy) serve() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.target)
		if err != nil {
			in.Close()
			continue
		}
		p.wg.Go(func() { p.forward(in.(*net.TCPConn), out.(*net.TCPConn)) })
	}
}

// forward copies both ways until either end or its fate closes it.
func (p *proxy) forward(in, out *net.TCPConn) {
	p.mu.Lock()
	p.conns[in], p.conns[out] = true, true
	// Some break within a handshake, some in the middle of a big file.
	limit := int64(1) << (8 + p.rnd.IntN(19))
	limit += p.rnd.Int64N(limit)
	up := p.rnd.IntN(2) == 0
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.conns, in)
		delete(p.conns, out)
		p.mu.Unlock()
		in.Close()
		out.Close()
	}()
	var (
		wg   sync.WaitGroup
		mute atomic.Bool // nothing gets through any more
	)
	half := func(to, from *net.TCPConn, breaks bool) {
		if breaks {
			if n, err := io.CopyN(to, from, limit); n == limit && err == nil && p.take() {
				mute.Store(p.fate == silent)
				p.strike(to, from)
			}
		}
		_, _ = io.Copy(gate{to, &mute}, from)
		_ = to.CloseWrite()
	}
	wg.Go(func() { half(out, in, up) })
	wg.Go(func() { half(in, out, !up) })
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
func (p *proxy) take() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 {
		return false
	}
	p.left--
	return true
}

// strike is the fate of a connection.
func (p *proxy) strike(to, from *net.TCPConn) {
	defer p.broken.Done()
	switch p.fate {
	case halfClosed:
		_ = to.CloseWrite() // the other direction goes on
		return
	case silent:
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
