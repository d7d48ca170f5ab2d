package link

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/transport"
	"mft.dev/mft/link/wire"
	"mft.dev/mft/protocol"
)

// greetPeer is the accepting end of a new control connection: it hears the
// peer's Hello and answers. dialControl is the other.
func (l *Link) greetPeer(ctx context.Context, secure *tls.Conn, r *reception) (func(context.Context), error) {
	hello, err := l.exchangeHello(ctx, secure, r.who.name, false)
	if err != nil {
		return nil, err
	}
	c, err := l.newControl(secure, r.own, r.who, hello, secure.RemoteAddr().String(), false)
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
	conn, err := l.dial(ctx, p.Address)
	if err != nil {
		return nil, mft.Fail(mft.CodeUnreachable, op, subject, err)
	}
	own := l.c.Keys.Certificate()
	config, who := l.controlTLS(own, p.Name)
	secure := tls.Client(conn, config)
	hello, err := func() (protocol.Hello, error) {
		if err := secure.HandshakeContext(ctx); err != nil {
			return protocol.Hello{}, err
		}
		return l.exchangeHello(ctx, secure, p.Name, true)
	}()
	if err != nil {
		conn.Close() // of no use to anybody
		if code := transport.Code(err); code == mft.CodeDisconnected || code == mft.CodeTimeout {
			return nil, mft.Fail(mft.CodeUnreachable, op, subject, err)
		}
		return nil, transport.Failure(op, subject, err)
	}
	c, err := l.newControl(secure, own, who, hello, conn.RemoteAddr().String(), true)
	if err != nil {
		conn.Close() // of no use to anybody
		return nil, mft.Fail(mft.CodeInternal, op, subject, err)
	}
	return c, nil
}

// exchangeHello sends and hears a Hello; who dialled speaks first. The peer
// must bear the name that its key is pinned for.
func (l *Link) exchangeHello(ctx context.Context, conn net.Conn, peer mft.AgentName, first bool) (protocol.Hello, error) {
	stop := transport.Interruptible(ctx, conn)
	defer stop()
	if first {
		if err := l.writeHello(conn); err != nil {
			return protocol.Hello{}, err
		}
	}
	hello, err := wire.ReadHello(conn)
	if err != nil {
		return hello, err
	}
	if hello.Agent != peer {
		return hello, mft.Fail(mft.CodeUntrusted, "greet peer", string(peer), fmt.Errorf("it calls itself %q", hello.Agent))
	}
	if _, ok := protocol.ChooseVersion(hello.Versions, versions()); !ok {
		err := mft.Fail(mft.CodeVersion, "greet peer", string(peer),
			fmt.Errorf("it speaks versions %v, this agent %v", hello.Versions, versions()))
		// Whether the peer learns of it makes no difference here.
		_ = protocol.WriteControl(conn, protocol.ControlBye,
			protocol.AppendFailure(nil, &protocol.Failure{Code: mft.CodeVersion, Detail: err.Error()}))
		return hello, err
	}
	if !first {
		if err := l.writeHello(conn); err != nil {
			return hello, err
		}
	}
	if !stop() {
		return hello, transport.Interrupted("greet peer "+string(peer), ctx)
	}
	return hello, nil
}

// versions are those of the protocol that this end speaks.
func versions() []uint8 { return []uint8{protocol.Version, protocol.VersionMarkers} }

func (l *Link) writeHello(conn net.Conn) error {
	hello := protocol.Hello{Versions: versions(), Agent: l.c.Name, Software: l.c.Software, Address: l.c.Address}
	return protocol.WriteControl(conn, protocol.ControlHello, protocol.AppendHello(nil, &hello))
}

func (l *Link) newControl(
	conn net.Conn, own *tls.Certificate, who *caller, hello protocol.Hello, remote string, dialled bool,
) (*control, error) {
	keyID, err := transport.KeyID(own)
	if err != nil {
		return nil, err
	}
	c := &control{
		link: l, secure: conn, peer: who.name, pin: who.pin, keyID: keyID,
		dialled: dialled, remote: remote, software: hello.Software, since: l.c.Now(),
		speaks:        slices.Max(hello.Versions),
		conversations: map[attempt]*Conversation{},
	}
	c.wire = wire.New(conn, c.ended)
	return c, nil
}
