package link

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/internal/post"
	"mft.dev/mft/internal/restrict"
	"mft.dev/mft/link/dataconn"
	"mft.dev/mft/link/network"
	"mft.dev/mft/protocol"
)

// An exposed is a network process in this one, with what ends it.
type exposed struct {
	t  *testing.T
	ln net.Listener // nil for one that only dials

	mu   sync.Mutex
	end  context.CancelFunc
	runs sync.WaitGroup
}

// open starts it, as a supervisor does.
func (e *exposed) open(context.Context) (*post.Conn, error) {
	here, there, err := post.Pair()
	if err != nil {
		return nil, err
	}
	conn, err := post.Open(there)
	if err != nil {
		return nil, err
	}
	var ln net.Listener
	if e.ln != nil {
		f, err := e.ln.(*net.TCPListener).File()
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if ln, err = net.FileListener(f); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	e.mu.Lock()
	e.end = cancel
	e.mu.Unlock()
	e.runs.Go(func() {
		defer conn.Close()
		_ = network.Serve(ctx, conn, ln, restrict.Report{Role: restrict.RoleNetwork}, slog.New(slog.DiscardHandler))
	})
	return here, nil
}

// kill ends the one that runs.
func (e *exposed) kill() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.end()
}

// startApart makes a node whose connections another process makes.
func startApart(t *testing.T, name mft.AgentName, listens bool) (*node, *exposed) {
	t.Helper()
	e := &exposed{t: t, end: func() {}}
	t.Cleanup(func() { e.kill(); e.runs.Wait() })
	if listens {
		e.ln = listen(t)
		t.Cleanup(func() { e.ln.Close() })
	}
	n := newNode(t, name, func(c *Config) {
		c.Network = network.NewClient(e.open, c.Log)
	}).serve(t, nil)
	if listens {
		n.address = e.ln.Addr().String()
	}
	return n, e
}

// apart are the ways in which two ends can have their networks.
func apart(t *testing.T, each func(t *testing.T, erp, ledger *node)) {
	for _, tt := range []struct {
		name       string
		erp, other bool
	}{{"who dials", true, false}, {"who is dialled", false, true}, {"both", true, true}} {
		t.Run(tt.name, func(t *testing.T) {
			var erp, ledger *node
			if tt.erp {
				erp, _ = startApart(t, "erp", false)
			} else {
				erp = newNode(t, "erp").serve(t, nil)
			}
			if tt.other {
				ledger, _ = startApart(t, "ledger", true)
			} else {
				ledger = startNode(t, "ledger")
			}
			each(t, erp, ledger)
		})
	}
}

// TestApart: conversations, data connections of both kinds and rotated keys are the same when
// another process makes the connections.
func TestApart(t *testing.T) {
	apart(t, func(t *testing.T, erp, ledger *node) {
		erp.trusts(t, ledger.asPeer())
		ledger.trusts(t, erp.asPeer())
		a, b := converse(t, erp, ledger, transferID(1))
		send(t, b, protocol.KindDecision, "decision")
		receive(t, a, protocol.KindDecision, "decision")
		dialling := openData(t, a, b.DataKey())
		waited := next(t, "a connection", openData(t, b, a.DataKey()))
		meet(t, next(t, "a connection", dialling), waited)

		c, d := converse(t, ledger, erp, transferID(2))
		raws := make(chan *dataconn.Raw, 1)
		ctx := within(t)
		go func() {
			raw, err := c.OpenRaw(ctx)
			if err != nil {
				t.Errorf("OpenRaw: %v", err)
			}
			raws <- raw
		}()
		dialling = openData(t, d, c.DataKey())
		raw := next(t, "a connection as it is", raws)
		if _, ok := raw.Conn.(*net.TCPConn); !ok || len(raw.Heard) == 0 {
			t.Errorf("the connection is a %T of which %d bytes were heard", raw.Conn, len(raw.Heard))
		}
		raw.Close()
		if end := next(t, "the end of the handshake", dialling); end.err == nil {
			t.Error("the handshake was done by nobody")
		}
	})
}

// TestApartJoin: so is pairing, and the address by which a guest was seen.
func TestApartJoin(t *testing.T) {
	apart(t, func(t *testing.T, erp, ledger *node) {
		i := invite(t, ledger, identity.Terms{})
		if _, err := erp.Join(within(t), i, identity.Peer{}); err != nil {
			t.Fatal(err)
		}
		next(t, "the guest", ledger.joined)
		converse(t, erp, ledger, transferID(1))
		_, err := erp.Join(within(t), i, identity.Peer{})
		wantCode(t, "Join with an invitation that was used", err, mft.CodeInvite)
	})
}

// TestApartUntrusted: either end's refusal is told by its code.
func TestApartUntrusted(t *testing.T) {
	apart(t, func(t *testing.T, erp, ledger *node) {
		erp.trusts(t, ledger.asPeer())
		_, err := erp.Open(within(t), "ledger", transferID(1), "")
		wantCode(t, "Open to a peer that does not know this one", err, mft.CodeUntrusted)
		stranger := ledger.asPeer()
		stranger.Pins = newNode(t, "ledger").asPeer().Pins
		if err := erp.trust.Remove("ledger"); err != nil {
			t.Fatal(err)
		}
		ledger.trusts(t, erp.asPeer())
		erp.trusts(t, stranger)
		_, err = erp.Open(within(t), "ledger", transferID(1), "")
		wantCode(t, "Open to a peer with another key", err, mft.CodeUntrusted)
		nobody := newNode(t, "nobody").asPeer()
		nobody.Address = "127.0.0.1:1"
		erp.trusts(t, nobody)
		_, err = erp.Open(within(t), "nobody", transferID(1), "")
		wantCode(t, "Open to nobody", err, mft.CodeUnreachable)
	})
}

// TestApartEnds: when the process ends all connections do, and there are new ones by the next.
func TestApartEnds(t *testing.T) {
	erp, e := startApart(t, "erp", true)
	ledger := newNode(t, "ledger").serve(t, nil)
	erp.trusts(t, ledger.asPeer())
	ledger.trusts(t, erp.asPeer())
	for range 2 {
		a, b := converse(t, ledger, erp, transferID(1))
		e.kill()
		receiveCode(t, a, mft.CodeDisconnected)
		receiveCode(t, b, mft.CodeDisconnected)
	}
}
