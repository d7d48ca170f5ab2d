// Package dataconn is one end's part in the data connections of one
// conversation: the certificate made for them, the one that the other end must
// show, and how a connection is dialled or handed over.
//
// It does not know what a conversation is about, nor when it is over.
package dataconn

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/stream"
	"mft.dev/mft/link/transport"
	"mft.dev/mft/protocol"
)

// A Side is one end. It is safe for concurrent use.
type Side struct {
	once        sync.Once
	certificate tls.Certificate
	fingerprint [32]byte
	err         error

	mu       sync.Mutex
	expected bool
	peerKey  [32]byte
	early    []*Early // not used yet
	closed   bool

	// arrived hands over connections that the peer dialled. It has no room:
	// a connection is either taken by Await or closed by who accepted it.
	arrived chan *stream.Stream
	passed  chan *Raw // the same before their handshakes
	passes  atomic.Bool
}

// New returns a side.
func New() *Side { return &Side{arrived: make(chan *stream.Stream), passed: make(chan *Raw)} }

// Key returns the fingerprint of the certificate that this end shows. The
// certificate is made at the first call. The error is that of the making.
func (s *Side) Key(now time.Time) ([32]byte, error) {
	s.once.Do(func() { s.certificate, s.fingerprint, s.err = identity.EphemeralCertificate(now) })
	return s.fingerprint, s.err
}

// Expect notes which certificate the other end must show.
func (s *Side) Expect(peerKey [32]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expected && s.peerKey != peerKey {
		return errors.New("the other end's certificate must not change within a conversation")
	}
	s.expected, s.peerKey = true, peerKey
	return nil
}

// TLS returns the configuration of either end, to be used after Key and Expect.
func (s *Side) TLS() *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return transport.DataTLS(&s.certificate, s.peerKey)
}

// Hand gives a connection whose handshake is done to who calls Await, and
// reports whether it was taken before ctx ended or done was closed.
func (s *Side) Hand(ctx context.Context, conn *stream.Stream, done <-chan struct{}) bool {
	return hand(ctx, s.arrived, conn, done)
}

// Await returns the next connection that was handed over.
func (s *Side) Await(ctx context.Context) (*stream.Stream, error) { return await(ctx, s.arrived) }

// A Dialer connects to an address, as transport.Dial does.
type Dialer func(ctx context.Context, address string) (net.Conn, error)

// Dial connects to the peer, over a connection that was made early if there is
// one, and does the handshake. name is the server name. Errors have code
// mft.CodeUnreachable or those of the handshake, and say nothing of ctx.
func (s *Side) Dial(ctx context.Context, dial Dialer, address, name, peer string) (*stream.Stream, error) {
	conn, err := s.Connect(ctx, dial, address, peer)
	if err != nil {
		return nil, err
	}
	return s.Client(ctx, conn, name, peer)
}

// Client does the handshake as the end that dialled. It closes the connection if
// that fails.
func (s *Side) Client(ctx context.Context, conn net.Conn, name, peer string) (*stream.Stream, error) {
	raw := stream.Under(conn)
	config := s.TLS()
	config.ServerName = name
	secure := tls.Client(raw, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close() // of no use to anybody
		return nil, transport.Failure("open data connection to", peer, err)
	}
	return stream.New(secure, raw, peer), nil
}

// ServerName names the conversation that a data connection is for. It is
// public: it lets the other end find what to verify against, and proves
// nothing.
func ServerName(id mft.TransferID, nonce protocol.Nonce) string {
	return "t-" + hex.EncodeToString(id[:]) + "." + hex.EncodeToString(nonce[:8]) + ".mft"
}
