package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/protocol"
)

func TestConversation(t *testing.T) {
	erp, ledger := pair(t)
	a, b := converse(t, erp, ledger, transferID(1))
	opening := b.Opening()
	if opening.Kind != protocol.KindOffer || string(opening.Body) != "offer" || opening.Sequence != 1 || opening.Channel != "nightly" {
		t.Errorf("Opening = %+v", opening)
	}
	if b.Peer() != "erp" || b.Transfer() != transferID(1) || a.Peer() != "ledger" || a.Transfer() != transferID(1) {
		t.Errorf("the ends are %v %v and %v %v", a.Peer(), a.Transfer(), b.Peer(), b.Transfer())
	}
	send(t, b, protocol.KindDecision, "decision")
	receive(t, a, protocol.KindDecision, "decision")
	send(t, a, protocol.KindSeal, "seal")
	receive(t, b, protocol.KindSeal, "seal")
	send(t, b, protocol.KindReceipt, "receipt")
	receive(t, a, protocol.KindReceipt, "receipt")
	a.Close()
	receiveCode(t, a, mft.CodeCancelled)
	wantCode(t, "Send after Close", a.Send(within(t), protocol.KindSeal, nil), mft.CodeCancelled)
	a.Close()
}

// The end that was dialled opens conversations over the same connection.
func TestConversationBothWays(t *testing.T) {
	erp, ledger := pair(t)
	converse(t, erp, ledger, transferID(1))
	a, b := converse(t, ledger, erp, transferID(1))
	send(t, b, protocol.KindDecision, "yes")
	receive(t, a, protocol.KindDecision, "yes")
	for _, s := range append(erp.Peers(), ledger.Peers()...) {
		if !s.Connected || s.Conversations != 2 || s.Software != "mft/test" || s.Since.IsZero() || s.LastError != nil {
			t.Errorf("Peers: %+v", s)
		}
		if s.Inbound != (s.Name == "erp") {
			t.Errorf("Peers: %+v, want it inbound at ledger only", s)
		}
	}
}

func TestLaterOpeningIsItsOwn(t *testing.T) {
	erp, ledger := pair(t)
	a, b := converse(t, erp, ledger, transferID(1))
	send(t, a, protocol.KindCancel, "stop")
	cancel := next(t, "the cancel", ledger.opened)
	if e := cancel.Opening(); e.Kind != protocol.KindCancel || e.Nonce == b.Opening().Nonce || e.Sequence != 2 {
		t.Errorf("Opening = %+v", e)
	}
	send(t, b, protocol.KindDecision, "yes") // the first goes on
	receive(t, a, protocol.KindDecision, "yes")
}

func TestSendRefuses(t *testing.T) {
	erp, ledger := pair(t)
	c, err := erp.Open(within(t), "ledger", transferID(1), "")
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, "an answer to nothing", c.Send(within(t), protocol.KindSeal, nil), mft.CodeInternal)
	wantCode(t, "too much", c.Send(within(t), protocol.KindOffer, make([]byte, protocol.MaxBody+1)), mft.CodeProtocol)
	if c.Opening() != nil {
		t.Errorf("Opening = %+v, want none", c.Opening())
	}
	_, err = c.OpenData(within(t), [32]byte{}, 1)
	wantCode(t, "OpenData before the opening", err, mft.CodeInternal)
	erp.c.NextSequence = func(context.Context, mft.AgentName) (uint64, error) {
		return 0, mft.Fail(mft.CodeJournal, "count", "", errors.New("disk"))
	}
	wantCode(t, "no sequence", c.Send(within(t), protocol.KindOffer, nil), mft.CodeJournal)
	select {
	case c := <-ledger.opened:
		t.Errorf("something was sent: %+v", c.Opening())
	default:
	}
}

func TestContextIsObeyed(t *testing.T) {
	erp, ledger := pair(t)
	a, _ := converse(t, erp, ledger, transferID(1))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := a.Receive(ctx)
	wantCode(t, "Receive", err, mft.CodeCancelled)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Receive: %v, want it to wrap the cause", err)
	}
	_, err = newNode(t, "new").Open(ctx, "ledger", transferID(1), "")
	wantCode(t, "Open of an unknown peer", err, mft.CodeUnknownPeer)
	idle := newNode(t, "idle")
	idle.trusts(t, ledger.asPeer())
	_, err = idle.Open(ctx, "ledger", transferID(1), "")
	wantCode(t, "Open before Serve", err, mft.CodeCancelled)
}

func TestDisconnectEndsConversations(t *testing.T) {
	erp, ledger := pair(t)
	a1, b1 := converse(t, erp, ledger, transferID(1))
	a2, b2 := converse(t, erp, ledger, transferID(2))
	unsent, err := erp.Open(within(t), "ledger", transferID(3), "")
	if err != nil {
		t.Fatal(err)
	}
	send(t, b1, protocol.KindDecision, "yes")
	receive(t, a1, protocol.KindDecision, "yes")
	send(t, a2, protocol.KindSeal, "last words")
	until(t, func() bool { return len(b2.inbox) == 1 })
	erp.cut()
	for _, c := range []*Conversation{a1, a2, b1} {
		receiveCode(t, c, mft.CodeDisconnected)
	}
	receive(t, b2, protocol.KindSeal, "last words")
	receiveCode(t, b2, mft.CodeDisconnected)
	wantCode(t, "Send", unsent.Send(within(t), protocol.KindOffer, nil), mft.CodeDisconnected)
	// The next conversation has a new connection.
	converse(t, erp, ledger, transferID(4))
}

func TestSlowReaderHoldsNobodyUp(t *testing.T) {
	erp, ledger := pair(t)
	slow, slowAtLedger := converse(t, erp, ledger, transferID(1))
	quick, quickAtLedger := converse(t, erp, ledger, transferID(2))
	for range inboxSize + 1 {
		send(t, slowAtLedger, protocol.KindDecision, "again")
	}
	send(t, quickAtLedger, protocol.KindDecision, "yes")
	receive(t, quick, protocol.KindDecision, "yes")
	for range inboxSize {
		receive(t, slow, protocol.KindDecision, "again")
	}
	receiveCode(t, slow, mft.CodeBusy)
}

func TestManyConversations(t *testing.T) {
	erp, ledger := pair(t)
	var all sync.WaitGroup
	for i := range 40 {
		a, b := erp, ledger
		if i%2 == 1 {
			a, b = b, a
		}
		if i == 0 { // there is a connection before ledger, which cannot dial, needs one
			converse(t, a, b, transferID(200))
		}
		all.Go(func() {
			c, err := a.Open(within(t), b.name(), transferID(byte(i)), "")
			if err != nil {
				t.Errorf("Open: %v", err)
				return
			}
			defer c.Close()
			if err := c.Send(within(t), protocol.KindOffer, fmt.Appendf(nil, "%d", i)); err != nil {
				t.Errorf("Send: %v", err)
			}
			e, err := c.Receive(within(t))
			if err != nil || e.Kind != protocol.KindDecision || string(e.Body) != fmt.Sprint(i) {
				t.Errorf("Receive = %+v, %v, want the answer to %d", e, err, i)
			}
		})
		all.Go(func() {
			c := next(t, "a conversation", b.opened)
			if err := c.Send(within(t), protocol.KindDecision, c.Opening().Body); err != nil {
				t.Errorf("Send: %v", err)
			}
		})
	}
	all.Wait()
}

func TestConversationsAreBounded(t *testing.T) {
	erp, ledger := pair(t)
	var first *Conversation
	for i := range maxConversations {
		c, err := erp.Open(within(t), "ledger", transferID(byte(i)), "")
		if err != nil {
			t.Fatalf("Open %d: %v", i, err)
		}
		if i == 0 {
			first = c
		}
	}
	_, err := erp.Open(within(t), "ledger", transferID(0), "")
	wantCode(t, "one more", err, mft.CodeBusy)
	first.Close()
	converse(t, erp, ledger, transferID(0))
}

func TestOpenFails(t *testing.T) {
	ledger, stranger, acquaintance := startNode(t, "ledger"), startNode(t, "stranger"), startNode(t, "acquaintance")
	gone := listen(t)
	gone.Close()
	deaf := listen(t) // accepts and says nothing sensible
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := deaf.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	t.Cleanup(func() { deaf.Close(); <-done })

	at := func(n *node, address string) identity.Peer {
		p := n.asPeer()
		p.Address = address
		return p
	}
	reinstalled := newNode(t, "ledger")
	tests := []struct {
		name   string
		knows  identity.Peer // as what the dialler knows ledger
		trusts bool          // ledger trusts the dialler
		want   mft.Code
	}{
		{"all is well", ledger.asPeer(), true, mft.CodeOK},
		{"not known there", ledger.asPeer(), false, mft.CodeUntrusted},
		{"nobody listens", at(ledger, gone.Addr().String()), true, mft.CodeUnreachable},
		{"no such host", at(ledger, "host.invalid:1"), true, mft.CodeUnreachable},
		{"not mft", at(ledger, deaf.Addr().String()), true, mft.CodeUnreachable},
		{"an unknown agent answers", at(ledger, stranger.address), true, mft.CodeUnknownPeer},
		{"another known agent answers", at(ledger, acquaintance.address), true, mft.CodeUntrusted},
		{"another key answers", at(reinstalled, ledger.address), true, mft.CodeUntrusted},
		{"no address", at(ledger, ""), true, mft.CodeUnreachable},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			erp := newNode(t, mft.AgentName(fmt.Sprintf("erp%d", i))).serve(t, nil)
			erp.trusts(t, tt.knows, acquaintance.asPeer())
			if tt.trusts {
				ledger.trusts(t, erp.asPeer())
				stranger.trusts(t, erp.asPeer())
				acquaintance.trusts(t, erp.asPeer())
			}
			_, err := erp.Open(within(t), "ledger", transferID(1), "")
			wantCode(t, "Open", err, tt.want)
			state := erp.Peers()[1]
			if state.Connected != (err == nil) || (state.LastError == nil) != (err == nil || tt.knows.Address == "") {
				t.Errorf("Peers: %+v after %v", state, err)
			}
		})
	}
}

func TestOpenAfterServe(t *testing.T) {
	erp, ledger := pair(t)
	if err := erp.stop(); err != nil {
		t.Fatal(err)
	}
	_, err := erp.Open(within(t), ledger.name(), transferID(1), "")
	wantCode(t, "Open after Serve", err, mft.CodeMaintenance)
	wantCode(t, "Keep after Serve", erp.Keep(within(t), ledger.name()), mft.CodeMaintenance)
	wantCode(t, "Serve again", erp.Serve(within(t), nil), mft.CodeInternal)
}

func TestServeEndsWithItsListener(t *testing.T) {
	n := newNode(t, "erp")
	ln := listen(t)
	ended := make(chan error, 1)
	go func() { ended <- n.Serve(context.Background(), ln) }()
	ln.Close()
	err := next(t, "the end of Serve", ended)
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: %v, want the cause", err)
	}
	wantCode(t, "Serve", err, mft.CodeIO)
}

func TestServeWaitsForHandlers(t *testing.T) {
	returned := make(chan struct{})
	began := make(chan struct{})
	ledger := startNode(t, "ledger", func(c *Config) {
		c.Handle = func(ctx context.Context, c *Conversation) {
			close(began)
			<-ctx.Done()
			if _, err := c.Receive(context.Background()); mft.CodeOf(err) != mft.CodeDisconnected {
				t.Errorf("Receive while stopping: %v", err)
			}
			close(returned)
		}
	})
	erp := newNode(t, "erp").serve(t, nil)
	erp.trusts(t, ledger.asPeer())
	ledger.trusts(t, erp.asPeer())
	c, err := erp.Open(within(t), "ledger", transferID(1), "")
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, protocol.KindOffer, "")
	next(t, "Handle", began)
	if err := ledger.stop(); err != nil {
		t.Errorf("Serve: %v", err)
	}
	select {
	case <-returned:
	default:
		t.Error("Serve returned before Handle")
	}
	_, err = c.Receive(within(t))
	wantCode(t, "Receive at the peer", err, mft.CodeDisconnected)
}

func TestRemovedPeerStaysOut(t *testing.T) {
	erp, ledger := pair(t)
	a, _ := converse(t, erp, ledger, transferID(1))
	if err := ledger.trust.Remove("erp"); err != nil {
		t.Fatal(err)
	}
	ledger.Drop("erp")
	receiveCode(t, a, mft.CodeDisconnected)
	_, err := erp.Open(within(t), "ledger", transferID(2), "")
	wantCode(t, "Open", err, mft.CodeUntrusted)
	if err := erp.keys.Rotate(time.Now(), 0); err != nil {
		t.Fatal(err)
	}
	_, err = erp.Open(within(t), "ledger", transferID(2), "")
	wantCode(t, "Open with a new key", err, mft.CodeUntrusted)
}

func TestOpenersShareAConnection(t *testing.T) {
	erp, ledger := pair(t)
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			if _, err := erp.Open(within(t), "ledger", transferID(byte(i)), ""); err != nil {
				t.Errorf("Open: %v", err)
			}
		})
	}
	all.Wait()
	if got := len(erp.dialled); got != 1 {
		t.Errorf("%d connections were dialled, want 1", got)
	}
	until(t, func() bool { return ledger.connected("erp") != nil })
}

// TestPeerDialsMeanwhile has an agent whose own packets are lost use the connection that
// the peer makes, at once.
func TestPeerDialsMeanwhile(t *testing.T) {
	erp, ledger := newNode(t, "erp"), startNode(t, "ledger")
	lost, over := make(chan struct{}), make(chan struct{})
	erp.dial = func(context.Context, string) (net.Conn, error) {
		close(lost)
		<-over
		return nil, errors.New("no answer")
	}
	erp.serve(t, listen(t))
	erp.trusts(t, ledger.asPeer())
	ledger.trusts(t, erp.asPeer())
	opened := make(chan error, 1)
	ctx := within(t)
	go func() {
		_, err := erp.Open(ctx, "ledger", transferID(1), "")
		opened <- err
	}()
	next(t, "attempt to dial", lost)
	if _, err := ledger.Open(ctx, "erp", transferID(2), ""); err != nil {
		t.Error(err)
	}
	if err := <-opened; err != nil { // it waits for its own attempt
		t.Error(err)
	}
	close(over)
}

// A connection that is over takes no conversation that nobody would end.
func TestNothingBeginsOverAConnectionThatIsOver(t *testing.T) {
	erp, ledger := pair(t)
	a, _ := converse(t, erp, ledger, transferID(1))
	erp.cut()
	receiveCode(t, a, mft.CodeDisconnected)
	c := newConversation(a.conn, transferID(2), "")
	wantCode(t, "count", a.conn.count(c), mft.CodeDisconnected)
	wantCode(t, "register", a.conn.register(c, &protocol.Envelope{}), mft.CodeDisconnected)
}
