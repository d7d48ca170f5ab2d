package link

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/entrance"
	"mft.dev/mft/link/wire"
	"mft.dev/mft/protocol"
)

// In these tests the network is net.Pipe and the clock jumps when everybody
// waits, so they can wait for anything.

// pipeListener is a listener that hands out one end of pipes.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// dial returns the other end of a pipe that Accept returns.
func (l *pipeListener) dial(ctx context.Context, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, errors.New("nobody listens")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// bubblePair is pair, over pipes.
func bubblePair(t *testing.T) (erp, ledger *node) {
	t.Helper()
	ln := newPipeListener()
	erp, ledger = newNode(t, "erp"), newNode(t, "ledger")
	erp.dial = ln.dial
	erp.serve(t, nil)
	ledger.serve(t, ln)
	ledger.address = "ledger:7420"
	erp.trusts(t, ledger.asPeer())
	ledger.trusts(t, erp.asPeer())
	return erp, ledger
}

func TestIdleConnectionStaysUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		erp, ledger := bubblePair(t)
		a, b := converse(t, erp, ledger, transferID(1))
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		send(t, b, protocol.KindDecision, "yes")
		receive(t, a, protocol.KindDecision, "yes")
	})
}

// bubbleRogue connects a peer to ledger that does nothing by itself.
func bubbleRogue(t *testing.T, ledger *node, dial func(context.Context, string) (net.Conn, error)) net.Conn {
	t.Helper()
	r := newNode(t, "rogue")
	r.trusts(t, ledger.asPeer())
	ledger.trusts(t, r.asPeer())
	conn, err := dial(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	config, _ := r.controlTLS(r.keys.Certificate(), "ledger")
	secure := tls.Client(conn, config)
	if _, err := r.exchangeHello(t.Context(), secure, "ledger", true); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	if !ledger.Peers()[0].Connected {
		t.Fatal("the rogue is not connected")
	}
	return secure
}

func bubbleLedger(t *testing.T) (*node, *pipeListener) {
	t.Helper()
	ln := newPipeListener()
	ledger := newNode(t, "ledger").serve(t, ln)
	ledger.address = "ledger:7420"
	return ledger, ln
}

func TestSilentPeerIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, ln := bubbleLedger(t)
		began := time.Now()
		conn := bubbleRogue(t, ledger, ln.dial)
		// It takes what it is sent and never answers.
		var reader sync.WaitGroup
		reader.Go(func() { _, _ = io.Copy(io.Discard, conn) })
		<-ledger.connected("rogue").wire.Done()
		if after := time.Since(began); after != wire.DeadAfter {
			t.Errorf("it was taken for gone after %v, want %v", after, wire.DeadAfter)
		}
		synctest.Wait()
		if s := ledger.Peers()[0]; s.Connected || s.LastError == nil {
			t.Errorf("Peers: %+v", s)
		}
		conn.Close()
		reader.Wait()
	})
}

func TestPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, ln := bubbleLedger(t)
		conn := bubbleRogue(t, ledger, ln.dial)
		c, err := ledger.Open(t.Context(), "rogue", transferID(1), "")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		wantCode(t, "Send", c.Send(t.Context(), protocol.KindOffer, []byte("offer")), mft.CodeDisconnected)
		if after := time.Since(began); after > wire.WriteWithin {
			t.Errorf("Send took %v, want at most %v", after, wire.WriteWithin)
		}
		receiveCode(t, c, mft.CodeDisconnected)
		synctest.Wait()
		conn.Close()
	})
}

func TestStopDoesNotWaitForAPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, ln := bubbleLedger(t)
		conn := bubbleRogue(t, ledger, ln.dial)
		c, err := ledger.Open(t.Context(), "rogue", transferID(1), "")
		if err != nil {
			t.Fatal(err)
		}
		sent := make(chan error, 1)
		ctx := t.Context()
		go func() { sent <- c.Send(ctx, protocol.KindOffer, []byte("offer")) }()
		synctest.Wait() // it hangs
		began := time.Now()
		if err := ledger.stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("Serve took %v to end", took)
		}
		wantCode(t, "Send", <-sent, mft.CodeDisconnected)
		conn.Close()
	})
}

// A greeting that does not come is not waited for longer than entrance.GreetWithin.
func TestSlowGreeting(t *testing.T) {
	stages := []struct {
		name string
		// speak says something, then nothing more.
		speak func(t *testing.T, r *node, conn net.Conn) net.Conn
	}{
		{"nothing", func(_ *testing.T, _ *node, conn net.Conn) net.Conn { return conn }},
		{"half a record", func(t *testing.T, _ *node, conn net.Conn) net.Conn {
			if _, err := conn.Write([]byte{0x16, 3, 1}); err != nil {
				t.Fatal(err)
			}
			return conn
		}},
		{"no hello", func(t *testing.T, r *node, conn net.Conn) net.Conn {
			config, _ := r.controlTLS(r.keys.Certificate(), "ledger")
			secure := tls.Client(conn, config)
			if err := secure.Handshake(); err != nil {
				t.Fatal(err)
			}
			return secure
		}},
		{"half a hello", func(t *testing.T, r *node, conn net.Conn) net.Conn {
			config, _ := r.controlTLS(r.keys.Certificate(), "ledger")
			secure := tls.Client(conn, config)
			if _, err := secure.Write([]byte{byte(protocol.ControlHello), 0}); err != nil {
				t.Fatal(err)
			}
			return secure
		}},
		{"no join request", func(t *testing.T, r *node, conn net.Conn) net.Conn {
			secure := tls.Client(conn, joinTLS(r.keys.Certificate()))
			if err := secure.Handshake(); err != nil {
				t.Fatal(err)
			}
			return secure
		}},
	}
	for _, tt := range stages {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ledger, ln := bubbleLedger(t)
				r := newNode(t, "rogue")
				r.trusts(t, ledger.asPeer())
				ledger.trusts(t, r.asPeer())
				if _, err := ledger.invites.NewInvite(time.Now(), identity.Terms{Address: "ledger:7420"}); err != nil {
					t.Fatal(err)
				}
				conn, err := ln.dial(t.Context(), "")
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				conn = tt.speak(t, r, conn)
				_, _ = io.Copy(io.Discard, conn) // until ledger closes it
				if took := time.Since(began); took < entrance.GreetWithin || took > entrance.GreetWithin+6*time.Second {
					t.Errorf("it was closed after %v, want %v", took, entrance.GreetWithin)
				}
				conn.Close()
				// That was no hindrance to others.
				erp := newNode(t, "erp")
				erp.dial = ln.dial
				erp.serve(t, nil)
				erp.trusts(t, ledger.asPeer())
				ledger.trusts(t, erp.asPeer())
				converse(t, erp, ledger, transferID(1))
			})
		})
	}
}

func TestDialIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		erp, ledger := newNode(t, "erp"), newNode(t, "ledger")
		ledger.address = "ledger:7420"
		erp.trusts(t, ledger.asPeer())
		far := make(chan net.Conn, 1)
		erp.dial = func(context.Context, string) (net.Conn, error) { // accepts and says nothing
			a, b := net.Pipe()
			far <- b
			return a, nil
		}
		erp.serve(t, nil)
		began := time.Now()
		_, err := erp.Open(t.Context(), "ledger", transferID(1), "")
		wantCode(t, "Open", err, mft.CodeUnreachable)
		if took := time.Since(began); took != dialWithin {
			t.Errorf("Open took %v, want %v", took, dialWithin)
		}
		(<-far).Close()
	})
}

func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		erp, _ := bubblePair(t)
		dial := erp.dial
		var mu sync.Mutex
		var attempts []time.Time
		down := true
		erp.dial = func(ctx context.Context, address string) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			attempts = append(attempts, time.Now())
			if down {
				return nil, errors.New("no route")
			}
			return dial(ctx, address)
		}
		ctx, cancel := context.WithCancel(t.Context())
		kept := make(chan error, 1)
		go func() { kept <- erp.Keep(ctx, "ledger") }()
		time.Sleep(10 * time.Minute)
		mu.Lock()
		for i, pause := range gaps(attempts) {
			most := min(firstPause<<i, longestPause)
			if pause < most/2 || pause > most {
				t.Errorf("pause %d is %v, want %v to %v", i, pause, most/2, most)
			}
		}
		if len(attempts) < 12 {
			t.Errorf("%d attempts within ten minutes", len(attempts))
		}
		down = false
		mu.Unlock()
		time.Sleep(2 * longestPause)
		for range 3 { // each time it comes back soon
			if !erp.Peers()[0].Connected {
				t.Fatal("not connected")
			}
			time.Sleep(2 * longestPause)
			erp.cut()
			synctest.Wait()
			time.Sleep(firstPause)
			synctest.Wait()
		}
		cancel()
		if err := <-kept; !errors.Is(err, context.Canceled) {
			t.Errorf("Keep: %v, want that of the context", err)
		}
		if !erp.Peers()[0].Connected {
			t.Error("the end of Keep ended the connection")
		}
	})
}

func gaps(times []time.Time) []time.Duration {
	var out []time.Duration
	for i := 1; i < len(times); i++ {
		out = append(out, times[i].Sub(times[i-1]))
	}
	return out
}

func TestKeepEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		erp, ledger := bubblePair(t)
		wantCode(t, "Keep of an unknown peer", erp.Keep(t.Context(), "nobody"), mft.CodeUnknownPeer)
		silent := newNode(t, "silent")
		erp.trusts(t, silent.asPeer())
		wantCode(t, "Keep of a peer without an address", erp.Keep(t.Context(), "silent"), mft.CodeUnreachable)
		kept := make(chan error, 1)
		ctx := t.Context()
		go func() { kept <- erp.Keep(ctx, "ledger") }()
		synctest.Wait()
		if err := erp.trust.Remove("ledger"); err != nil {
			t.Fatal(err)
		}
		erp.Drop("ledger")
		wantCode(t, "Keep of a peer that was removed", <-kept, mft.CodeUnknownPeer)
		synctest.Wait()
		if s := ledger.Peers()[0]; s.Connected {
			t.Errorf("Peers: %+v", s)
		}
	})
}

// Both dial at once: there are two connections, and both ends can talk.
func TestBothDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		erp, ledger := bubblePair(t)
		back := newPipeListener()
		erp2 := newNode(t, "erp") // with a listener of its own
		erp2.dial = erp.dial
		erp2.serve(t, back)
		erp2.address = "erp2:7420"
		ledger.dial = back.dial
		if err := ledger.trust.Remove("erp"); err != nil {
			t.Fatal(err)
		}
		ledger.trusts(t, erp2.asPeer())
		erp2.trusts(t, ledger.asPeer())
		var all sync.WaitGroup
		for _, ends := range [][2]*node{{erp2, ledger}, {ledger, erp2}} {
			all.Go(func() {
				_, err := ends[0].Open(t.Context(), ends[1].name(), transferID(1), "")
				if err != nil {
					t.Errorf("Open: %v", err)
				}
			})
		}
		all.Wait()
		converse(t, erp2, ledger, transferID(2))
		converse(t, ledger, erp2, transferID(3))
	})
}

func TestSurplusConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger, ln := bubbleLedger(t)
		r := newNode(t, "rogue")
		r.trusts(t, ledger.asPeer())
		ledger.trusts(t, r.asPeer())
		var all sync.WaitGroup
		var conns []net.Conn
		for range 3 * maxConnections {
			conn, err := ln.dial(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			config, _ := r.controlTLS(r.keys.Certificate(), "ledger")
			secure := tls.Client(conn, config)
			if _, err := r.exchangeHello(t.Context(), secure, "ledger", true); err != nil {
				t.Fatal(err)
			}
			all.Go(func() { _, _ = io.Copy(io.Discard, secure) })
			conns = append(conns, secure)
			synctest.Wait()
		}
		ledger.mu.Lock()
		if got := len(ledger.peers["rogue"].up); got != maxConnections {
			t.Errorf("%d connections, want %d", got, maxConnections)
		}
		ledger.mu.Unlock()
		for _, c := range conns {
			c.Close()
		}
		all.Wait()
	})
}

func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		erp, ledger := bubblePair(t)
		var rotated []identity.Pin
		ledger.c.Rotated = func(peer mft.AgentName, pin identity.Pin) {
			if peer != "erp" {
				t.Errorf("Rotated was told of %q", peer)
			}
			rotated = append(rotated, pin)
		}
		a, b := converse(t, erp, ledger, transferID(1))
		before := erp.keys.Pin()
		if err := erp.keys.Rotate(time.Now(), 0); err != nil {
			t.Fatal(err)
		}
		// What is under way goes on with the old key.
		time.Sleep(time.Hour)
		send(t, a, protocol.KindSeal, "seal")
		receive(t, b, protocol.KindSeal, "seal")
		if b.Opening().KeyID != before.KeyID() {
			t.Error("the opening was not signed with the old key")
		}
		if p, _ := ledger.trust.Peer("erp"); len(p.Pins) != 1 {
			t.Errorf("Peer = %+v, want the old pin alone while the connection lasts", p)
		}
		// When nothing is, the connection ends, and the next shows the new key.
		a.Close()
		b.Close()
		first := erp.connected("ledger")
		time.Sleep(wire.PingEvery)
		synctest.Wait()
		select {
		case <-first.wire.Done():
		default:
			t.Fatal("the connection outlives the key")
		}
		_, b = converse(t, erp, ledger, transferID(2))
		if b.Opening().KeyID != erp.keys.KeyID() {
			t.Error("the opening was not signed with the new key")
		}
		p, _ := ledger.trust.Peer("erp")
		if len(p.Pins) != 2 || p.Pins[0].Until.IsZero() || p.Pins[1].Pin != erp.keys.Pin() {
			t.Errorf("Peer = %+v, want the new pin beside the old", p)
		}
		if !slices.Equal(rotated, []identity.Pin{erp.keys.Pin()}) {
			t.Errorf("Rotated was told of %v, want the new key once", rotated)
		}
		// The other end rotates, and is the one that is dialled.
		if err := ledger.keys.Rotate(time.Now(), 0); err != nil {
			t.Fatal(err)
		}
		b.Close()
		time.Sleep(2 * wire.PingEvery)
		converse(t, erp, ledger, transferID(3))
	})
}

func TestConversationOutlivesItsKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		erp, ledger := bubblePair(t)
		a, _ := converse(t, erp, ledger, transferID(1))
		if err := erp.keys.Rotate(time.Now(), time.Hour); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		wantCode(t, "Send", a.Send(t.Context(), protocol.KindSeal, nil), mft.CodeUntrusted)
	})
}

func TestRemovedPeerIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		erp, ledger := bubblePair(t)
		a, _ := converse(t, erp, ledger, transferID(1))
		if err := ledger.trust.Remove("erp"); err != nil {
			t.Fatal(err)
		}
		// Nobody calls Drop: the link finds out by itself.
		time.Sleep(wire.PingEvery)
		synctest.Wait()
		receiveCode(t, a, mft.CodeDisconnected)
	})
}

// A removed peer that sends before the link finds out is cut off at once.
func TestRemovedPeerIsNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		erp, ledger := bubblePair(t)
		a, _ := converse(t, erp, ledger, transferID(1))
		if err := ledger.trust.Remove("erp"); err != nil {
			t.Fatal(err)
		}
		// It may or may not learn that it is not heard.
		_ = a.Send(t.Context(), protocol.KindCancel, []byte("stop"))
		receiveCode(t, a, mft.CodeDisconnected)
		wantUnopened(t, ledger)
	})
}

// TestTrustIsAskedAgain: a pin that the configuration no longer has ends
// connections like a removal.
func TestTrustIsAskedAgain(t *testing.T) {
	l := New(Config{Name: "ledger", Trust: func() *identity.Trust {
		trust, err := identity.OpenTrust(filepath.Join(t.TempDir(), "peers.json"), nil)
		if err != nil {
			t.Fatal(err)
		}
		return trust
	}()})
	c := &control{link: l, peer: "erp"}
	wantCode(t, "outlived", c.outlived(), mft.CodeUntrusted)
}
