package link

import (
	"context"
	"crypto/tls"
	"net"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/hello"
	"mft.dev/mft/link/transport"
	"mft.dev/mft/link/wire"
	"mft.dev/mft/protocol"
)

// greetPeer is the accepting end of a new control connection: it hears the
// peer's Hello and answers. dialControl is the other.
func (l *Link) greetPeer(ctx context.Context, s *transport.Secure, own *tls.Certificate, who *caller) (func(context.Context), error) {
	said, err := l.exchangeHello(ctx, s, who.name, false)
	if err != nil {
		return nil, err
	}
	c, err := l.newControl(s, own, who, said, false)
	if err != nil {
		return nil, err
	}
	l.add(c)
	return c.serve, nil
}

// dialControl connects to a peer and introduces this agent.
func (l *Link) dialControl(ctx context.Context, p identity.Peer) (*control, error) {
	const op = "connect to peer"
	subject := string(p.Name) + " at " + p.Address
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	own := l.c.Keys.Certificate()
	terms, who := l.controlTerms(own, p.Name)
	s, err := l.network(nil).Connect(ctx, p.Address, terms)
	var said protocol.Hello
	if err == nil {
		if said, err = l.exchangeHello(ctx, s, p.Name, true); err != nil {
			s.Close() // of no use to anybody
		}
	}
	if err != nil {
		if code := transport.Code(err); code == mft.CodeDisconnected || code == mft.CodeTimeout {
			return nil, mft.Fail(mft.CodeUnreachable, op, subject, err)
		}
		return nil, transport.Failure(op, subject, err)
	}
	c, err := l.newControl(s, own, who, said, true)
	if err != nil {
		s.Close() // of no use to anybody
		return nil, mft.Fail(mft.CodeInternal, op, subject, err)
	}
	return c, nil
}

// exchangeHello introduces this agent to the peer; see hello.Exchange.
func (l *Link) exchangeHello(ctx context.Context, conn net.Conn, peer mft.AgentName, first bool) (protocol.Hello, error) {
	own := protocol.Hello{Versions: hello.Versions(), Agent: l.c.Name, Software: l.c.Software, Address: l.c.Address}
	return hello.Exchange(ctx, conn, own, peer, first)
}

func (l *Link) newControl(
	conn *transport.Secure, own *tls.Certificate, who *caller, said protocol.Hello, dialled bool,
) (*control, error) {
	keyID, err := transport.KeyID(own)
	if err != nil {
		return nil, err
	}
	c := &control{
		link: l, secure: conn, peer: who.name, pin: who.pin, keyID: keyID,
		dialled: dialled, remote: conn.RemoteAddr().String(), software: said.Software, since: l.c.Now(),
		speaks:        slices.Max(said.Versions),
		conversations: map[attempt]*Conversation{},
	}
	c.wire = wire.New(conn, c.ended)
	return c, nil
}
