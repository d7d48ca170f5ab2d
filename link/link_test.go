package link

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/transport"
	"mft.dev/mft/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is for what should come at once. Nothing waits for it to pass
// unless a test fails.
const patience = 20 * time.Second

// A node is an agent with nothing but its link.
type node struct {
	*Link
	keys     *identity.Keys
	trust    *identity.Trust
	invites  *identity.Invites
	address  string             // empty before serve
	opened   chan *Conversation // those that peers open
	joined   chan identity.Peer
	sequence atomic.Uint64
	ahead    atomic.Int64 // by how much its clock is ahead, nanoseconds
	mu       sync.Mutex
	dialled  []net.Conn
	stop     func() error // ends Serve and returns its error
}

func newNode(t *testing.T, name mft.AgentName, change ...func(*Config)) *node {
	t.Helper()
	dir := t.TempDir()
	n := &node{opened: make(chan *Conversation, 1000), joined: make(chan identity.Peer, 10)}
	var err error
	if n.keys, err = identity.LoadOrCreate(filepath.Join(dir, "keys"), name, time.Now()); err != nil {
		t.Fatal(err)
	}
	if n.trust, err = identity.OpenTrust(filepath.Join(dir, "peers.json"), nil); err != nil {
		t.Fatal(err)
	}
	n.invites = identity.NewInvites(n.keys)
	c := Config{
		Name: name, Keys: n.keys, Trust: n.trust, Invites: n.invites, Software: "mft/test",
		NextSequence: func(context.Context, mft.AgentName) (uint64, error) { return n.sequence.Add(1), nil },
		Handle: func(ctx context.Context, c *Conversation) {
			n.opened <- c
			select { // until the test has done with it
			case <-c.done:
			case <-ctx.Done():
			}
		},
		Joined: func(p identity.Peer) { n.joined <- p },
		Now:    func() time.Time { return time.Now().Add(time.Duration(n.ahead.Load())) },
		Log:    slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&c)
	}
	n.Link = New(c)
	dial := n.dial
	n.dial = func(ctx context.Context, address string) (net.Conn, error) {
		conn, err := dial(ctx, address)
		if err == nil {
			n.mu.Lock()
			n.dialled = append(n.dialled, conn)
			n.mu.Unlock()
		}
		return conn, err
	}
	return n
}

// cut breaks every connection that n has dialled.
func (n *node) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, conn := range n.dialled {
		conn.Close()
	}
	n.dialled = nil
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// serve runs the link, on ln if that is not nil, until the test ends.
func (n *node) serve(t *testing.T, ln net.Listener) *node {
	t.Helper()
	if ln != nil {
		n.address = ln.Addr().String()
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Serve(ctx, ln) }()
	var once atomic.Bool
	n.stop = func() error {
		cancel()
		if once.Swap(true) {
			return nil
		}
		return <-ended
	}
	t.Cleanup(func() {
		if err := n.stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return n
}

// startNode makes a node that serves and listens.
func startNode(t *testing.T, name mft.AgentName, change ...func(*Config)) *node {
	t.Helper()
	return newNode(t, name, change...).serve(t, listen(t))
}

func (n *node) name() mft.AgentName { return n.keys.Name() }

// asPeer is n as others know it.
func (n *node) asPeer() identity.Peer {
	return identity.Peer{
		Name: n.name(), Address: n.address,
		Pins: []identity.PinnedKey{{Pin: n.keys.Pin(), Since: time.Now()}},
	}
}

// trusts makes n know peers.
func (n *node) trusts(t *testing.T, peers ...identity.Peer) {
	t.Helper()
	for _, p := range peers {
		if err := n.trust.Add(p); err != nil {
			t.Fatal(err)
		}
	}
}

// pair starts two nodes that know each other; only the first dials.
func pair(t *testing.T) (erp, ledger *node) {
	t.Helper()
	erp, ledger = newNode(t, "erp").serve(t, nil), startNode(t, "ledger")
	erp.trusts(t, ledger.asPeer())
	ledger.trusts(t, erp.asPeer())
	return erp, ledger
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// next takes what should come at once.
func next[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
	}
	panic("unreachable")
}

func wantCode(t *testing.T, what string, err error, want mft.Code) {
	t.Helper()
	if got := mft.CodeOf(err); got != want {
		t.Errorf("%s: code %s (%v), want %s", what, got, err, want)
	}
	var coded *mft.Error
	if err != nil && !errors.As(err, &coded) {
		t.Errorf("%s: %v is not an *mft.Error", what, err)
	}
}

func transferID(n byte) mft.TransferID { return mft.TransferID{1, 2, 3, n} }

// converse opens a conversation from a to b and returns both ends of it.
func converse(t *testing.T, a, b *node, id mft.TransferID) (atA, atB *Conversation) {
	t.Helper()
	atA, err := a.Open(within(t), b.name(), id, "nightly")
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	send(t, atA, protocol.KindOffer, "offer")
	return atA, next(t, "a conversation", b.opened)
}

func send(t *testing.T, c *Conversation, kind protocol.Kind, body string) {
	t.Helper()
	if err := c.Send(within(t), kind, []byte(body)); err != nil {
		t.Fatalf("Send(%v): %v", kind, err)
	}
}

func receive(t *testing.T, c *Conversation, kind protocol.Kind, body string) {
	t.Helper()
	e, err := c.Receive(within(t))
	if err != nil || e.Kind != kind || string(e.Body) != body {
		t.Errorf("Receive = %+v, %v, want %v, %q", e, err, kind, body)
	}
}

func receiveCode(t *testing.T, c *Conversation, want mft.Code) {
	t.Helper()
	_, err := c.Receive(within(t))
	wantCode(t, "Receive", err, want)
}

// controlTLS is how an end does the handshake of a control connection by itself.
func (l *Link) controlTLS(own *tls.Certificate, expect mft.AgentName) (*tls.Config, *caller) {
	terms, who := l.controlTerms(own, expect)
	return terms.TLS(), who
}

// joinTLS is how an end does that of pairing which accepts any key.
func joinTLS(own *tls.Certificate) *tls.Config {
	return transport.Terms{Proto: transport.Join, Own: own, Verify: func([]*x509.Certificate) error { return nil }}.TLS()
}
