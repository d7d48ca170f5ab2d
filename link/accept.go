package link

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"

	"mft.dev/mft/link/dataconn"
	"mft.dev/mft/link/entrance"
	"mft.dev/mft/link/transport"
)

// A Network makes the connections of a link: this process does, or one that is exposed in its
// place (package link/network).
type Network interface {
	// Accept has host say what becomes of connections that come in, until ctx ends, and waits
	// for all that it began.
	Accept(ctx context.Context, host entrance.Host) error
	// Dial returns a connection on which nothing was said.
	Dial(ctx context.Context, address string) (net.Conn, error)
	// Connect dials and does the handshake. When the address cannot be reached the error has
	// code mft.CodeUnreachable.
	Connect(ctx context.Context, address string, t transport.Terms) (*transport.Secure, error)
}

// here is the network of a link that makes its connections itself.
type here struct {
	l  *Link
	ln net.Listener // nil for an agent that only dials
}

func (h here) Accept(ctx context.Context, host entrance.Host) error {
	if h.ln == nil {
		<-ctx.Done()
		return nil
	}
	return entrance.Door{Listener: h.ln, Gate: entrance.Gate(), Log: h.l.c.Log}.Accept(ctx, host)
}

func (h here) Dial(ctx context.Context, address string) (net.Conn, error) {
	return h.l.dial(ctx, address)
}

func (h here) Connect(ctx context.Context, address string, t transport.Terms) (*transport.Secure, error) {
	conn, err := h.l.dial(ctx, address)
	if err != nil {
		return nil, transport.Unreachable(address, err)
	}
	s, err := transport.Connect(ctx, conn, t)
	if err != nil {
		conn.Close() // of no use to anybody
	}
	return s, err
}

// Expect picks what a connection is for by its application protocol. It runs before anything
// is known of who asks.
func (l *Link) Expect(ctx context.Context, h entrance.Hello) (*entrance.Plan, error) {
	switch {
	case h.Proto == transport.Control:
		own := l.c.Keys.Certificate()
		terms, who := l.controlTerms(own, "")
		return &entrance.Plan{Terms: terms, Greet: func(ctx context.Context, s *transport.Secure) (func(context.Context), error) {
			return l.greetPeer(ctx, s, own, who)
		}}, nil
	case h.Proto == transport.Data:
		conv, err := l.data.Find(ctx, h.ServerName)
		if err != nil {
			return nil, err
		}
		return &entrance.Plan{Raw: conv.take}, nil
	case h.Proto == transport.Join && l.c.Invites != nil && l.c.Invites.Alive(l.c.Now()):
		own := l.c.Keys.Certificate()
		terms := transport.Terms{Proto: transport.Join, Own: own, Verify: func([]*x509.Certificate) error { return nil }}
		return &entrance.Plan{Terms: terms, Greet: func(ctx context.Context, s *transport.Secure) (func(context.Context), error) {
			return nil, l.greetGuest(ctx, s, own)
		}}, nil
	}
	return nil, fmt.Errorf("nobody here speaks %q", h.Proto)
}

// take gives a data connection to OpenData or OpenRaw of the conversation.
func (c *Conversation) take(ctx context.Context, conn net.Conn, heard []byte) {
	raw := &dataconn.Raw{Conn: conn, Heard: heard}
	if c.data.Passes() {
		if !c.data.HandRaw(ctx, raw, c.done) {
			conn.Close() // nobody has taken it
		}
		return
	}
	s, err := c.data.Server(ctx, raw, string(c.Peer()))
	if err != nil {
		c.conn.link.c.Log.Debug("a connection was refused", "remote", conn.RemoteAddr(), "error", err)
		return
	}
	if !c.data.Hand(ctx, s, c.done) {
		conn.Close() // nobody has taken it
	}
}
