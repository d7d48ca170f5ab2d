package link

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/transport"
	"mft.dev/mft/protocol"
)

// A rogue is a peer with good keys that sends what it likes.
type rogue struct {
	keys *identity.Keys
	conn net.Conn
}

// rogueTo connects a rogue called "rogue" to n.
func rogueTo(t *testing.T, n *node) *rogue {
	t.Helper()
	r := newNode(t, "rogue")
	n.trusts(t, r.asPeer())
	r.trusts(t, n.asPeer())
	config, _ := r.controlTLS(r.keys.Certificate(), n.name())
	conn, err := tls.Dial("tcp", n.address, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := r.exchangeHello(within(t), conn, n.name(), true); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return n.connected("rogue") != nil })
	return &rogue{r.keys, conn}
}

// envelope is a good opening to ledger, with change made before it is signed.
func (r *rogue) envelope(change func(*protocol.Envelope)) *protocol.Envelope {
	e := &protocol.Envelope{
		Version: protocol.Version, Kind: protocol.KindOffer, Transfer: transferID(1), Channel: "nightly",
		Sender: "rogue", Recipient: "ledger", Sequence: 1, Nonce: protocol.Nonce{7},
		Issued: time.Now(), Expires: time.Now().Add(time.Minute), Body: []byte("offer"), KeyID: r.keys.KeyID(),
	}
	if change != nil {
		change(e)
	}
	e.Signature, _ = r.keys.SignAs(e.KeyID, e.SigningBytes(), time.Now())
	return e
}

func (r *rogue) send(t *testing.T, e *protocol.Envelope) {
	t.Helper()
	r.frame(t, protocol.ControlEnvelope, protocol.AppendEnvelope(nil, e))
}

func (r *rogue) frame(t *testing.T, kind protocol.ControlKind, payload []byte) {
	t.Helper()
	if err := protocol.WriteControl(r.conn, kind, payload); err != nil {
		t.Fatal(err)
	}
}

// heard returns the next frame but pings.
func (r *rogue) heard(t *testing.T) (protocol.ControlKind, []byte) {
	t.Helper()
	if err := r.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	kind, payload, err := protocol.ReadControl(r.conn)
	if err != nil {
		t.Fatalf("ReadControl: %v", err)
	}
	return kind, payload
}

// wantBye checks that ledger closes the connection and says why.
func (r *rogue) wantBye(t *testing.T, want mft.Code) {
	t.Helper()
	kind, payload := r.heard(t)
	bye, err := protocol.ParseFailure(payload)
	if kind != protocol.ControlBye || err != nil || bye.Code != want {
		t.Errorf("the answer is %v %q (%v), want a bye with %s", kind, payload, err, want)
	}
	if _, _, err := protocol.ReadControl(r.conn); err == nil {
		t.Error("something follows the bye")
	}
}

// wantRefusal checks that ledger answers e with a decision of this code.
func (r *rogue) wantRefusal(t *testing.T, e *protocol.Envelope, want mft.Code) {
	t.Helper()
	kind, payload := r.heard(t)
	if kind != protocol.ControlEnvelope {
		t.Fatalf("the answer is %v %q, want an envelope", kind, payload)
	}
	answer, err := protocol.ParseEnvelope(payload)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.CheckAnswer(e); err != nil {
		t.Error(err)
	}
	d, err := protocol.ParseDecision(answer.Body)
	if err != nil || d.Code != want {
		t.Errorf("the answer is %+v (%v), want code %s", d, err, want)
	}
}

// wantAlive checks that the connection is still served.
func (r *rogue) wantAlive(t *testing.T) {
	t.Helper()
	r.frame(t, protocol.ControlPing, []byte("still there?"))
	kind, payload := r.heard(t)
	if kind != protocol.ControlPong || string(payload) != "still there?" {
		t.Errorf("the answer to a ping is %v %q", kind, payload)
	}
}

func wantUnopened(t *testing.T, n *node) {
	t.Helper()
	select {
	case c := <-n.opened:
		t.Errorf("Handle was called with %+v", c.Opening())
	default:
	}
}

func TestBadEnvelopeEndsTheConnection(t *testing.T) {
	alter := func(change func(*protocol.Envelope)) func(*rogue) []byte {
		return func(r *rogue) []byte {
			e := r.envelope(nil)
			change(e)
			return protocol.AppendEnvelope(nil, e)
		}
	}
	make := func(change func(*protocol.Envelope)) func(*rogue) []byte {
		return func(r *rogue) []byte { return protocol.AppendEnvelope(nil, r.envelope(change)) }
	}
	tests := []struct {
		name string
		wire func(*rogue) []byte
		want mft.Code
	}{
		{"altered body", alter(func(e *protocol.Envelope) { e.Body[0] ^= 1 }), mft.CodeBadSigned},
		{"altered transfer", alter(func(e *protocol.Envelope) { e.Transfer[5] ^= 1 }), mft.CodeBadSigned},
		{"altered channel", alter(func(e *protocol.Envelope) { e.Channel = "other" }), mft.CodeBadSigned},
		{"altered signature", alter(func(e *protocol.Envelope) { e.Signature[0] ^= 1 }), mft.CodeBadSigned},
		{"no signature", alter(func(e *protocol.Envelope) { e.Signature = nil }), mft.CodeBadSigned},
		{"unknown key", make(func(e *protocol.Envelope) { e.KeyID = protocol.KeyID{1} }), mft.CodeBadSigned},
		{"wrong recipient", make(func(e *protocol.Envelope) { e.Recipient = "other" }), mft.CodeBadSigned},
		{"in another's name", make(func(e *protocol.Envelope) { e.Sender = "erp" }), mft.CodeBadSigned},
		{"in the recipient's name", make(func(e *protocol.Envelope) { e.Sender = "ledger" }), mft.CodeBadSigned},
		{"other version", make(func(e *protocol.Envelope) { e.Version = 2 }), mft.CodeVersion},
		{"unknown kind", make(func(e *protocol.Envelope) { e.Kind = 99 }), mft.CodeProtocol},
		{"not an envelope", func(*rogue) []byte { return []byte{protocol.Version, 0} }, mft.CodeProtocol},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ledger := startNode(t, "ledger")
			erp := newNode(t, "erp")
			ledger.trusts(t, erp.asPeer())
			r := rogueTo(t, ledger)
			r.frame(t, protocol.ControlEnvelope, tt.wire(r))
			r.wantBye(t, tt.want)
			wantUnopened(t, ledger)
		})
	}
}

func TestBadFrameEndsTheConnection(t *testing.T) {
	tests := []struct {
		name string
		wire []byte
	}{
		{"unknown kind", []byte{99, 0, 0, 0}},
		{"too long", []byte{byte(protocol.ControlEnvelope), 0xff, 0xff, 0xff}},
		{"a second hello", append([]byte{byte(protocol.ControlHello), 0, 0, 1}, 0)},
		{"a join", []byte{byte(protocol.ControlJoin), 0, 0, 0}},
		{"a bad bye", append([]byte{byte(protocol.ControlBye), 0, 0, 1}, 0xff)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ledger := startNode(t, "ledger")
			r := rogueTo(t, ledger)
			if _, err := r.conn.Write(tt.wire); err != nil {
				t.Fatal(err)
			}
			r.wantBye(t, mft.CodeProtocol)
		})
	}
}

func TestOpeningOutOfTimeIsRefused(t *testing.T) {
	tests := []struct {
		name   string
		change func(*protocol.Envelope)
	}{
		{"expired", func(e *protocol.Envelope) {
			e.Issued, e.Expires = time.Now().Add(-time.Hour), time.Now().Add(-protocol.MaxClockSkew-time.Minute)
		}},
		{"from the future", func(e *protocol.Envelope) {
			e.Issued, e.Expires = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
		}},
		{"for ever", func(e *protocol.Envelope) { e.Expires = time.Now().Add(2 * protocol.MaxLifetime) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ledger := startNode(t, "ledger")
			r := rogueTo(t, ledger)
			e := r.envelope(tt.change)
			r.send(t, e)
			r.wantRefusal(t, e, mft.CodeExpired)
			wantUnopened(t, ledger)
			r.send(t, r.envelope(nil)) // other conversations go on
			next(t, "a conversation", ledger.opened)
		})
	}
}

func TestReplayWithinAConnection(t *testing.T) {
	ledger := startNode(t, "ledger")
	r := rogueTo(t, ledger)
	e := r.envelope(nil)
	r.send(t, e)
	c := next(t, "a conversation", ledger.opened)
	r.send(t, e)
	r.wantAlive(t) // and has heard of nothing else
	wantUnopened(t, ledger)
	send(t, c, protocol.KindDecision, "yes")
	if kind, _ := r.heard(t); kind != protocol.ControlEnvelope {
		t.Errorf("the conversation that was replayed is answered by %v", kind)
	}
	// Once it is over, the link does not remember it. The sequence is there
	// for the durable window.
	c.Close()
	r.send(t, e)
	if got := next(t, "a conversation", ledger.opened).Opening(); got.Sequence != e.Sequence || got.Nonce != e.Nonce {
		t.Errorf("Opening = %+v", got)
	}
}

func TestAnswersThatDoNotFit(t *testing.T) {
	answer := func(e *protocol.Envelope, c *Conversation) {
		e.Kind, e.Transfer, e.Nonce, e.Sequence = protocol.KindDecision, c.Transfer(), c.Opening().Nonce, 0
	}
	tests := []struct {
		name   string
		change func(*protocol.Envelope, *Conversation)
		want   mft.Code // of the conversation; CodeOK when it goes on
	}{
		{"expired", func(e *protocol.Envelope, c *Conversation) {
			answer(e, c)
			e.Issued, e.Expires = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
		}, mft.CodeExpired},
		{"seal from the receiver", func(e *protocol.Envelope, c *Conversation) {
			answer(e, c)
			e.Kind = protocol.KindSeal
		}, mft.CodeProtocol},
		{"another attempt", func(e *protocol.Envelope, c *Conversation) {
			answer(e, c)
			e.Nonce[3] ^= 1
		}, mft.CodeOK},
		{"another transfer", func(e *protocol.Envelope, c *Conversation) {
			answer(e, c)
			e.Transfer[3] ^= 1
		}, mft.CodeOK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ledger := startNode(t, "ledger")
			r := rogueTo(t, ledger)
			c, err := ledger.Open(within(t), "rogue", transferID(9), "")
			if err != nil {
				t.Fatal(err)
			}
			send(t, c, protocol.KindOffer, "offer")
			r.heard(t)
			r.send(t, r.envelope(func(e *protocol.Envelope) { tt.change(e, c) }))
			r.wantAlive(t)
			if tt.want == mft.CodeOK {
				r.send(t, r.envelope(func(e *protocol.Envelope) { answer(e, c); e.Body = []byte("yes") }))
				receive(t, c, protocol.KindDecision, "yes")
				return
			}
			receiveCode(t, c, tt.want)
		})
	}
}

// An answer in one connection's conversation cannot come over another's.
func TestAnswerOfAnotherPeer(t *testing.T) {
	erp, ledger := pair(t)
	r := rogueTo(t, ledger)
	c, b := converse(t, ledger, connected(t, erp, ledger), transferID(1))
	r.send(t, r.envelope(func(e *protocol.Envelope) {
		e.Kind, e.Transfer, e.Nonce = protocol.KindDecision, c.Transfer(), c.Opening().Nonce
	}))
	r.wantAlive(t)
	send(t, b, protocol.KindDecision, "yes")
	receive(t, c, protocol.KindDecision, "yes")
}

// connected makes a have a connection to b.
func connected(t *testing.T, a, b *node) *node {
	t.Helper()
	c, err := a.Open(within(t), b.name(), transferID(99), "")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	until(t, func() bool { return b.connected(a.name()) != nil })
	return a
}

func TestTooManyOpenings(t *testing.T) {
	ledger := startNode(t, "ledger")
	r := rogueTo(t, ledger)
	opening := func(i int) *protocol.Envelope {
		return r.envelope(func(e *protocol.Envelope) { e.Nonce = protocol.Nonce{byte(i), byte(i >> 8), 1} })
	}
	for i := range maxConversations {
		r.send(t, opening(i))
	}
	last := opening(maxConversations)
	r.send(t, last)
	r.wantRefusal(t, last, mft.CodeBusy)
	cancel := r.envelope(func(e *protocol.Envelope) { e.Kind, e.Nonce = protocol.KindCancel, protocol.Nonce{9, 9, 9} })
	r.send(t, cancel) // which nothing answers
	r.wantAlive(t)
	for range maxConversations {
		next(t, "a conversation", ledger.opened)
	}
	wantUnopened(t, ledger)
}

func TestHello(t *testing.T) {
	hello := func(change func(*protocol.Hello)) []byte {
		h := protocol.Hello{Versions: []uint8{protocol.Version}, Agent: "rogue", Software: "x"}
		change(&h)
		return protocol.AppendHello(nil, &h)
	}
	tests := []struct {
		name    string
		kind    protocol.ControlKind
		payload []byte
		want    string // in what comes back; "" when it is nothing
	}{
		{"another's name", protocol.ControlHello, hello(func(h *protocol.Hello) { h.Agent = "erp" }), ""},
		{"no version in common", protocol.ControlHello, hello(func(h *protocol.Hello) { h.Versions = []uint8{200} }), "VERSION_MISMATCH"},
		{"garbage", protocol.ControlHello, []byte{0xff}, ""},
		{"no hello", protocol.ControlPing, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ledger := startNode(t, "ledger")
			r := newNode(t, "rogue")
			ledger.trusts(t, r.asPeer())
			r.trusts(t, ledger.asPeer())
			config, _ := r.controlTLS(r.keys.Certificate(), "ledger")
			conn, err := tls.Dial("tcp", ledger.address, config)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := protocol.WriteControl(conn, tt.kind, tt.payload); err != nil {
				t.Fatal(err)
			}
			if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
				t.Fatal(err)
			}
			_, payload, err := protocol.ReadControl(conn)
			if tt.want == "" {
				if err == nil {
					t.Errorf("the answer is %q, want none", payload)
				}
			} else if !strings.Contains(string(payload), tt.want) {
				t.Errorf("the answer is %q (%v), want %q", payload, err, tt.want)
			}
			if ledger.Peers()[0].Connected {
				t.Error("it counts as connected")
			}
		})
	}
}

// fakeLedger is an agent of that name, with its keys, that serves one
// connection as it likes.
func fakeLedger(t *testing.T, serve func(ledger *node, conn net.Conn) error) (ledger, erp *node) {
	t.Helper()
	ln := listen(t)
	ledger = newNode(t, "ledger")
	ledger.address = ln.Addr().String()
	erp = newNode(t, "erp").serve(t, nil)
	erp.trusts(t, ledger.asPeer())
	ledger.trusts(t, erp.asPeer())
	ended := make(chan error, 1)
	go func() {
		ended <- func() error {
			conn, err := ln.Accept()
			if err != nil {
				return err
			}
			defer conn.Close()
			return serve(ledger, conn)
		}()
	}()
	t.Cleanup(func() {
		if err := errors.Join(next(t, "the end of the peer", ended), ln.Close()); err != nil {
			t.Errorf("the peer: %v", err)
		}
	})
	return ledger, erp
}

func TestPeerThatIgnoresTheProtocol(t *testing.T) {
	_, erp := fakeLedger(t, func(ledger *node, conn net.Conn) error {
		config, _ := ledger.controlTLS(ledger.keys.Certificate(), "")
		config.NextProtos, config.VerifyConnection = nil, nil
		if err := tls.Server(conn, config).Handshake(); err == nil {
			return errors.New("the handshake succeeded")
		}
		return nil
	})
	_, err := erp.Open(within(t), "ledger", transferID(1), "")
	wantCode(t, "Open", err, mft.CodeProtocol)
}

func TestDiallerIsToldOfTheVersion(t *testing.T) {
	_, erp := fakeLedger(t, func(ledger *node, conn net.Conn) error {
		config, _ := ledger.controlTLS(ledger.keys.Certificate(), "")
		secure := tls.Server(conn, config)
		if _, _, err := protocol.ReadControl(secure); err != nil {
			return err
		}
		bye := protocol.Failure{Code: mft.CodeVersion, Detail: "too old"}
		return protocol.WriteControl(secure, protocol.ControlBye, protocol.AppendFailure(nil, &bye))
	})
	_, err := erp.Open(within(t), "ledger", transferID(1), "")
	wantCode(t, "Open", err, mft.CodeVersion)
	if err == nil || !strings.Contains(err.Error(), "too old") {
		t.Errorf("Open: %v, want the peer's words", err)
	}
}

// TestOtherProtocols: what does not name one of ours alone gets nowhere.
func TestOtherProtocols(t *testing.T) {
	ledger := startNode(t, "ledger")
	r := newNode(t, "rogue")
	ledger.trusts(t, r.asPeer())
	r.trusts(t, ledger.asPeer())
	for _, protos := range [][]string{nil, {"h2"}, {transport.Control, transport.Data}, {transport.Join}, {"mft-control/2"}} {
		t.Run(fmt.Sprint(protos), func(t *testing.T) {
			config, _ := r.controlTLS(r.keys.Certificate(), "")
			config.NextProtos = protos
			config.VerifyConnection = nil
			conn, err := tls.Dial("tcp", ledger.address, config)
			if err == nil {
				conn.Close()
				t.Error("the handshake succeeded")
			}
		})
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS12} {
		config, _ := r.controlTLS(r.keys.Certificate(), "")
		config.MinVersion, config.MaxVersion = tls.VersionTLS10, version
		if conn, err := tls.Dial("tcp", ledger.address, config); err == nil {
			conn.Close()
			t.Errorf("TLS version %x was spoken", version)
		}
	}
}
