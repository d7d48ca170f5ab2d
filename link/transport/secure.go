package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"

	"mft.dev/mft"
	"mft.dev/mft/identity"
)

// Terms say how the two ends of a connection show who they are.
type Terms struct {
	Proto string // the application protocol: Control or Join
	// Own is what this end shows; Verify is asked about what the other one does, before it
	// hears that it was accepted.
	Own    *tls.Certificate
	Verify func(chain []*x509.Certificate) error
}

// TLS returns the configuration of either end.
func (t Terms) TLS() *tls.Config {
	return TLS(t.Proto, t.Own, func(s tls.ConnectionState) error { return t.Verify(s.PeerCertificates) })
}

// A Secure is a connection whose handshake is done, by this process or another one: what
// is said and heard over it is plain.
type Secure struct {
	net.Conn
	// Peer is what the other end has shown; the key of the first is proven.
	Peer []*x509.Certificate
	// Exporter is what only the two ends of the connection know, set for Join alone.
	Exporter [32]byte
}

// NetConn returns the connection below.
func (s *Secure) NetConn() net.Conn { return s.Conn }

// Secured returns a connection whose handshake this process has done.
func Secured(conn *tls.Conn) (*Secure, error) {
	state := conn.ConnectionState()
	s := &Secure{Conn: conn, Peer: state.PeerCertificates}
	if state.NegotiatedProtocol != Join {
		return s, nil
	}
	material, err := state.ExportKeyingMaterial(identity.ExporterLabel, nil, len(s.Exporter))
	copy(s.Exporter[:], material)
	return s, err
}

// Connect does the handshake of the end that dialled. It leaves conn open if that fails.
func Connect(ctx context.Context, conn net.Conn, t Terms) (*Secure, error) {
	secure := tls.Client(conn, t.TLS())
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return Secured(secure)
}

// Unreachable says that there was no answer at an address, with code mft.CodeUnreachable.
func Unreachable(address string, err error) error {
	return mft.Fail(mft.CodeUnreachable, "connect to", address, err)
}
