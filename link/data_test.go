package link

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/dataconn"
	"mft.dev/mft/link/transport"
	"mft.dev/mft/protocol"
)

// outcome is what OpenData returned.
type outcome struct {
	conn net.Conn
	err  error
}

func openData(t *testing.T, c *Conversation, key [32]byte) <-chan outcome {
	t.Helper()
	out := make(chan outcome, 1)
	ctx := within(t)
	go func() {
		conn, err := c.OpenData(ctx, key, 1)
		out <- outcome{conn, err}
	}()
	return out
}

// ends checks that a and b are two ends of one connection.
func ends(t *testing.T, a, b net.Conn) {
	t.Helper()
	defer a.Close()
	defer b.Close()
	for _, end := range [][2]net.Conn{{a, b}, {b, a}} {
		content := bytes.Repeat([]byte("0123456789abcdef"), 100<<10/16)
		sent := make(chan error, 1)
		go func() {
			_, err := end[0].Write(content)
			sent <- err
		}()
		got := make([]byte, len(content))
		if _, err := io.ReadFull(end[1], got); err != nil || !bytes.Equal(got, content) {
			t.Errorf("what arrived differs from what was sent (%v)", err)
		}
		if err := next(t, "the end of Write", sent); err != nil {
			t.Errorf("Write: %v", err)
		}
	}
	if s, ok := a.(interface{ Flush() error }); !ok {
		t.Errorf("%T has no Flush", a)
	} else if err := s.Flush(); err != nil {
		t.Errorf("Flush: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := b.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("Read after the other end closed: %v, want io.EOF", err)
	}
}

func TestDataConnection(t *testing.T) {
	tests := []struct {
		name string
		// fromDialled: the conversation is opened by the end that was dialled.
		// waitFirst: the end that waits for the connection asks first.
		fromDialled, waitFirst bool
	}{
		{"dialler opened, late dial", false, true},
		{"dialler opened, early dial", false, false},
		{"dialled end opened, late dial", true, true},
		{"dialled end opened, early dial", true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			erp, ledger := pair(t)
			dials, waits := converse(t, erp, ledger, transferID(1))
			if tt.fromDialled {
				waits, dials = converse(t, ledger, erp, transferID(1))
			}
			for range 3 { // streams
				if tt.waitFirst {
					waiting := openData(t, waits, dials.DataKey())
					until(t, func() bool { return expects(ledger, waits) })
					dialled := next(t, "a connection", openData(t, dials, waits.DataKey()))
					awaited := next(t, "a connection", waiting)
					meet(t, dialled, awaited)
					continue
				}
				dialling := openData(t, dials, waits.DataKey())
				name := dataconn.ServerName(waits.transfer, waits.Opening().Nonce)
				until(t, func() bool { return ledger.data.Asked(name) || expects(ledger, waits) })
				awaited := next(t, "a connection", openData(t, waits, dials.DataKey()))
				meet(t, next(t, "a connection", dialling), awaited)
			}
			if dials.DataKey() == waits.DataKey() || dials.DataKey() == [32]byte{} {
				t.Errorf("data keys %x and %x", dials.DataKey(), waits.DataKey())
			}
		})
	}
}

func meet(t *testing.T, a, b outcome) {
	t.Helper()
	if a.err != nil || b.err != nil {
		t.Fatalf("OpenData: %v, %v", a.err, b.err)
	}
	ends(t, a.conn, b.conn)
}

// until waits for what another goroutine is about to do.
func until(t *testing.T, done func() bool) {
	t.Helper()
	for start := time.Now(); !done(); runtime.Gosched() {
		if time.Since(start) > patience {
			t.Fatal("it did not happen")
		}
	}
}

func expects(n *node, c *Conversation) bool {
	return n.data.Present(dataconn.ServerName(c.transfer, c.Opening().Nonce), c)
}

func TestSeveralStreamsAtOnce(t *testing.T) {
	erp, ledger := pair(t)
	a, b := converse(t, erp, ledger, transferID(1))
	var conns [2][]net.Conn
	var all sync.WaitGroup
	for i, end := range []struct {
		c   *Conversation
		key [32]byte
	}{{a, b.DataKey()}, {b, a.DataKey()}} {
		all.Go(func() {
			for range protocol.MaxStreams {
				conn, err := end.c.OpenData(within(t), end.key, 1)
				if err != nil {
					t.Errorf("OpenData: %v", err)
					return
				}
				conns[i] = append(conns[i], conn)
			}
		})
	}
	all.Wait()
	for _, conn := range append(conns[0], conns[1]...) {
		conn.Close()
	}
	if len(conns[0]) != protocol.MaxStreams || len(conns[1]) != protocol.MaxStreams {
		t.Errorf("%d and %d streams, want %d", len(conns[0]), len(conns[1]), protocol.MaxStreams)
	}
}

// TestBundle: several streams are one connection, over TLS and with either end
// as the one that sends; one that is cut ends it at both ends, and a later
// attempt has connections of its own.
func TestBundle(t *testing.T) {
	erp, ledger := pair(t)
	var cut []net.Conn
	var mu sync.Mutex
	dial := erp.dial
	erp.dial = func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := dial(ctx, address)
		mu.Lock()
		defer mu.Unlock()
		cut = append(cut, conn)
		return conn, err
	}
	for attempt := range 2 {
		a, b := converse(t, erp, ledger, transferID(byte(attempt+1)))
		both := make(chan outcome, 2)
		for _, end := range []struct {
			c   *Conversation
			key [32]byte
		}{{a, b.DataKey()}, {b, a.DataKey()}} {
			ctx := within(t)
			go func() {
				conn, err := end.c.OpenData(ctx, end.key, 4)
				both <- outcome{conn, err}
			}()
		}
		from, to := next(t, "a bundle", both), next(t, "a bundle", both)
		if from.err != nil || to.err != nil {
			t.Fatalf("OpenData: %v, %v", from.err, to.err)
		}
		for _, ends := range [][2]net.Conn{{from.conn, to.conn}, {to.conn, from.conn}} {
			content := bytes.Repeat([]byte("0123456789abcdef"), 1<<20/16)
			sent := make(chan error, 1)
			go func() {
				_, err := ends[0].Write(content)
				sent <- err
			}()
			got := make([]byte, len(content))
			if _, err := io.ReadFull(ends[1], got); err != nil || !bytes.Equal(got, content) {
				t.Errorf("what arrived differs from what was sent (%v)", err)
			}
			if err := next(t, "the end of Write", sent); err != nil {
				t.Errorf("Write: %v", err)
			}
		}
		if attempt == 0 {
			mu.Lock()
			cut[len(cut)-1].Close() // the first is the control connection
			mu.Unlock()
			for _, end := range []net.Conn{from.conn, to.conn} {
				_, err := end.Read(make([]byte, 1))
				wantCode(t, "Read after a cut", err, mft.CodeDisconnected)
				end.Close()
			}
			continue
		}
		from.conn.Close()
		if _, err := to.conn.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("Read after the other end closed: %v, want io.EOF", err)
		}
		to.conn.Close()
	}
}

// TestOldAttempt: a connection for a conversation that is over is not let in.
func TestOldAttempt(t *testing.T) {
	erp, ledger := pair(t)
	dials, waits := converse(t, erp, ledger, transferID(1))
	waiting := openData(t, waits, dials.DataKey())
	meet(t, next(t, "OpenData", openData(t, dials, waits.DataKey())), next(t, "OpenData", waiting))
	waits.Close()
	ctx, cancel := context.WithCancel(within(t))
	late := make(chan error, 1)
	go func() {
		_, err := dials.OpenData(ctx, waits.DataKey(), 1)
		late <- err
	}()
	until(t, func() bool { return ledger.data.Asked(dataconn.ServerName(waits.transfer, waits.Opening().Nonce)) })
	cancel()
	if err := next(t, "the end of OpenData", late); err == nil {
		t.Error("a connection of an old attempt was let in")
	}
}

func TestDataConnectionWithWrongFingerprint(t *testing.T) {
	erp, ledger := pair(t)
	t.Run("of the end that waits", func(t *testing.T) {
		dials, waits := converse(t, erp, ledger, transferID(1))
		waiting := openData(t, waits, dials.DataKey())
		got := next(t, "OpenData", openData(t, dials, [32]byte{1}))
		wantCode(t, "OpenData", got.err, mft.CodeUntrusted)
		waits.Close()
		wantCode(t, "OpenData of the other end", next(t, "OpenData", waiting).err, mft.CodeCancelled)
	})
	t.Run("of the end that dials", func(t *testing.T) {
		dials, waits := converse(t, erp, ledger, transferID(2))
		waiting := openData(t, waits, [32]byte{1})
		if got := next(t, "OpenData", openData(t, dials, waits.DataKey())); got.err == nil {
			_, err := got.conn.Read(make([]byte, 1))
			wantCode(t, "Read", err, mft.CodeDisconnected)
			got.conn.Close()
		}
		select {
		case got := <-waiting:
			t.Errorf("OpenData of the other end = %v, %v", got.conn, got.err)
		default:
		}
		dials.Close()
		waits.Close()
		next(t, "OpenData", waiting)
	})
	t.Run("changed within a conversation", func(t *testing.T) {
		dials, waits := converse(t, erp, ledger, transferID(3))
		waiting := openData(t, waits, dials.DataKey())
		meet(t, next(t, "OpenData", openData(t, dials, waits.DataKey())), next(t, "OpenData", waiting))
		wantCode(t, "OpenData", next(t, "OpenData", openData(t, dials, [32]byte{1})).err, mft.CodeInternal)
	})
}

// strangerDials makes a TLS connection for data to n.
func strangerDials(ctx context.Context, t *testing.T, n *node, name string) (*tls.Conn, error) {
	t.Helper()
	own, _, err := identity.EphemeralCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	config := transport.TLS(transport.Data, &own, func(tls.ConnectionState) error { return nil })
	config.ServerName = name
	d := tls.Dialer{Config: config}
	conn, err := d.DialContext(ctx, "tcp", n.address)
	if err != nil {
		return nil, err
	}
	return conn.(*tls.Conn), nil
}

// Who sees the server name of a data connection, which is public, gets
// nothing by it, and does not take the place of the honest end.
func TestStrangerWithTheServerName(t *testing.T) {
	erp, ledger := pair(t)
	dials, waits := converse(t, erp, ledger, transferID(1))
	waiting := openData(t, waits, dials.DataKey())
	until(t, func() bool { return expects(ledger, waits) })
	for range 3 {
		conn, err := strangerDials(within(t), t, ledger, dataconn.ServerName(waits.transfer, waits.Opening().Nonce))
		if err != nil {
			continue
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("a stranger was served")
		}
		conn.Close()
	}
	meet(t, next(t, "OpenData", openData(t, dials, waits.DataKey())), next(t, "OpenData", waiting))
}

func TestUnknownServerName(t *testing.T) {
	ledger := startNode(t, "ledger")
	for _, name := range []string{"", "t-00.00.mft", dataconn.ServerName(transferID(1), protocol.Nonce{1})} {
		ctx, cancel := context.WithCancel(within(t))
		failed := make(chan error, 1)
		go func() {
			_, err := strangerDials(ctx, t, ledger, name)
			failed <- err
		}()
		until(t, func() bool { return ledger.data.Asked(name) }) // it waits for its conversation
		cancel()
		if err := next(t, "the end of the handshake", failed); err == nil {
			t.Errorf("%q was served", name)
		}
	}
}

func TestNobodyDials(t *testing.T) {
	erp, ledger := pair(t)
	_, waits := converse(t, erp, ledger, transferID(1))
	ctx, cancel := context.WithCancel(context.Background())
	out := make(chan error, 1)
	go func() {
		_, err := waits.OpenData(ctx, [32]byte{1}, 1)
		out <- err
	}()
	cancel()
	wantCode(t, "OpenData", next(t, "OpenData", out), mft.CodeCancelled)

	waiting := openData(t, waits, [32]byte{1})
	until(t, func() bool { return expects(ledger, waits) })
	erp.cut()
	wantCode(t, "OpenData", next(t, "OpenData", waiting).err, mft.CodeDisconnected)
	until(t, func() bool { return !expects(ledger, waits) })
	_, err := waits.OpenData(within(t), [32]byte{1}, 1)
	wantCode(t, "OpenData of a conversation that is over", err, mft.CodeDisconnected)
	if expects(ledger, waits) {
		t.Error("a conversation that is over is still expected")
	}
}

// The times are those of a clock that jumps when everybody waits.
func TestNobodyDialsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{})
		c := newConversation(&control{link: l, peer: "erp"}, transferID(1), "")
		c.opening.Store(&protocol.Envelope{})
		began := time.Now()
		_, err := c.OpenData(t.Context(), [32]byte{1}, 1)
		wantCode(t, "OpenData", err, mft.CodeTimeout)
		if waited := time.Since(began); waited != dialWithin {
			t.Errorf("OpenData waited %v, want %v", waited, dialWithin)
		}
		c.Close()
	})
}

func TestControlDialsWhereTheControlConnectionWent(t *testing.T) {
	erp, ledger := pair(t)
	dials, waits := converse(t, erp, ledger, transferID(1))
	erp.dial = func(ctx context.Context, address string) (net.Conn, error) {
		if address != ledger.address {
			t.Errorf("dialled %s, want %s", address, ledger.address)
		}
		return nil, io.ErrUnexpectedEOF
	}
	got := next(t, "OpenData", openData(t, dials, waits.DataKey()))
	wantCode(t, "OpenData", got.err, mft.CodeUnreachable)
}

// An end that dials in vain says so, and the other does not wait any longer.
func TestAbortEndsTheWait(t *testing.T) {
	abort := func(t *testing.T, c *Conversation, code mft.Code, detail string) {
		t.Helper()
		f := protocol.Failure{Code: code, Detail: detail}
		send(t, c, protocol.KindAbort, string(protocol.AppendFailure(nil, &f)))
	}
	t.Run("of the end that was dialled", func(t *testing.T) {
		erp, ledger := pair(t)
		dials, waits := converse(t, erp, ledger, transferID(1))
		erp.dial = func(context.Context, string) (net.Conn, error) { return nil, io.ErrUnexpectedEOF }
		waiting := openData(t, waits, dials.DataKey())
		until(t, func() bool { return expects(ledger, waits) })
		wantCode(t, "OpenData", next(t, "OpenData", openData(t, dials, waits.DataKey())).err, mft.CodeUnreachable)
		abort(t, dials, mft.CodeUnreachable, "the firewall")
		got := next(t, "OpenData of the other end", waiting)
		wantCode(t, "OpenData of the other end", got.err, mft.CodeUnreachable)
		if got.err == nil || !strings.Contains(got.err.Error(), "the firewall") {
			t.Errorf("OpenData of the other end: %v, want what the peer said", got.err)
		}
		wantCode(t, "Send", waits.Send(within(t), protocol.KindDecision, nil), mft.CodeUnreachable)
	})
	t.Run("of the end that dials", func(t *testing.T) {
		erp, ledger := pair(t)
		dials, waits := converse(t, erp, ledger, transferID(1))
		dialling := openData(t, dials, waits.DataKey())
		until(t, func() bool { return ledger.data.Asked(dataconn.ServerName(waits.transfer, waits.Opening().Nonce)) })
		abort(t, waits, mft.CodeNoSpace, "full")
		wantCode(t, "OpenData", next(t, "OpenData", dialling).err, mft.CodeNoSpace)
	})
}

func TestAbort(t *testing.T) {
	for _, tt := range []struct {
		name string
		body []byte
		want mft.Code
	}{
		{"with a reason", protocol.AppendFailure(nil, &protocol.Failure{Code: mft.CodeChanged, Detail: "again"}), mft.CodeChanged},
		{"with a reason of its own", protocol.AppendFailure(nil, &protocol.Failure{Code: mft.CodeOther}), mft.CodeOther},
		{"without a reason", protocol.AppendFailure(nil, &protocol.Failure{}), mft.CodeProtocol},
		{"of nonsense", []byte("?"), mft.CodeProtocol},
	} {
		t.Run(tt.name, func(t *testing.T) {
			erp, ledger := pair(t)
			a, b := converse(t, erp, ledger, transferID(1))
			other, otherAtLedger := converse(t, erp, ledger, transferID(2))
			send(t, b, protocol.KindDecision, "first")
			send(t, b, protocol.KindAbort, string(tt.body))
			receive(t, a, protocol.KindDecision, "first")
			receiveCode(t, a, tt.want)
			_, err := a.OpenData(within(t), [32]byte{1}, 1)
			wantCode(t, "OpenData", err, tt.want)
			// The connection and its other conversations go on.
			send(t, otherAtLedger, protocol.KindDecision, "yes")
			receive(t, other, protocol.KindDecision, "yes")
		})
	}
}
