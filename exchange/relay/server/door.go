package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange/relay/wire"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/gate"
	"mft.dev/mft/link/transport"
)

// A door lets connections in, and counts them.
type door struct {
	net.Listener
	s *Server
}

// Accept implements net.Listener. What passes, as too many open files do, is waited
// for by net/http.
func (d *door) Accept() (net.Conn, error) {
	conn, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	transport.Tune(conn)
	v := &visit{Conn: conn, s: d.s}
	v.place = d.s.pending.Enter(conn.RemoteAddr(), func() { _ = conn.Close() })
	return v, nil
}

// A visit is one connection.
type visit struct {
	net.Conn
	s     *Server
	place *gate.Visitor

	mu     sync.Mutex // guards what follows
	client *client    // nil before it has greeted
	known  bool       // it has greeted
	over   bool       // it is one too many
	closed bool
}

// greeted counts the connection as one of an agent. TLS could not say that there
// are too many, so that one is let in and told so.
func (v *visit) greeted(c *client) {
	v.s.pending.Leave(v.place)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.known = true
	if c == nil {
		return // it is told so when it asks for something
	}
	if v.over = !c.enter(); !v.over && v.closed {
		c.leave()
	} else if !v.over {
		v.client = c
	}
}

// tooMany reports whether the agent has more connections than it may, and this is
// one of them.
func (v *visit) tooMany() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.over
}

// visitKey is where the context of a connection has its visit.
type visitKey struct{}

// remember has requests know their visit.
func remember(ctx context.Context, conn net.Conn) context.Context {
	if secure, ok := conn.(*tls.Conn); ok {
		if v, ok := secure.NetConn().(*visit); ok {
			return context.WithValue(ctx, visitKey{}, v)
		}
	}
	return ctx
}

// Close implements net.Conn.
func (v *visit) Close() error {
	v.s.pending.Leave(v.place)
	v.mu.Lock()
	if !v.closed && v.client != nil {
		v.client.leave()
	}
	known, first := v.known, !v.closed
	v.closed = true
	v.mu.Unlock()
	if first && !known {
		transport.Dismiss(v.Conn) // so that who is refused learns why
		return nil
	}
	return v.Conn.Close()
}

// tls returns the configuration of connections: the certificate is that of the
// moment, and the other end has to be a peer.
func (s *Server) tls() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{wire.Proto},
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			return transport.TLS(wire.Proto, s.c.Keys.Certificate(), func(state tls.ConnectionState) error {
				now := s.c.Now()
				pin, err := identity.PinOf(state.PeerCertificates[0].PublicKey)
				if err != nil {
					return err
				}
				known := s.c.Trust.Trusts(mft.AgentName(state.PeerCertificates[0].Subject.CommonName), pin, now)
				name, err := s.c.Trust.VerifyChain(state.PeerCertificates, now)
				if err == nil {
					if v, ok := hello.Conn.(*visit); ok {
						v.greeted(s.client(name))
					}
				}
				if err != nil {
					s.c.Log.Debug("the relay refuses a connection", "remote", hello.Conn.RemoteAddr(), "err", err)
				} else if !known {
					s.c.Log.Info("a peer has a new key", "peer", name, "pin", pin)
				}
				return err
			}), nil
		},
	}
}

// who returns the agent of a connection, if it is a peer still: one may be removed
// while its connection stays.
func (s *Server) who(chain []*x509.Certificate) (mft.AgentName, error) {
	const op = "greet"
	if len(chain) == 0 {
		return "", mft.Fail(mft.CodeNotAllowed, op, "", errors.New("the connection shows no certificate"))
	}
	name := mft.AgentName(chain[0].Subject.CommonName)
	pin, err := identity.PinOf(chain[0].PublicKey)
	if err != nil || !s.c.Trust.Trusts(name, pin, s.c.Now()) {
		return "", mft.Fail(mft.CodeNotAllowed, op, string(name), errors.New("the key is no longer that of a peer of the relay"))
	}
	if s.client(name) == nil {
		return "", mft.Fail(mft.CodeNotAllowed, op, string(name),
			fmt.Errorf("the relay %s does not serve agent %s: its operator adds it to relay.agents in the configuration there", s.c.Name, name))
	}
	return name, nil
}

// A client is what one agent does here at the moment.
type client struct {
	limits Limits
	now    func() time.Time

	mu          sync.Mutex // guards what follows
	connections int
	asking      int
	seen        time.Time
	// tokens are requests that may come at once, at the time of full.
	tokens float64
	filled time.Time
}

func newClient(l Limits, now func() time.Time) *client {
	return &client{limits: l, now: now, tokens: float64(2 * l.Requests), filled: time.Now()}
}

func (c *client) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.connections >= c.limits.Connections {
		return false
	}
	c.connections++
	return true
}

func (c *client) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.connections--
}

func (c *client) lastSeen() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

// patience is how long a request waits for its turn, when there are too many a
// second.
const patience = 5 * time.Second

// begin admits a request, after a while if there were too many a second; end is
// called when it is over. The error has mft.CodeBusy.
func (c *client) begin(ctx context.Context) (end func(), err error) {
	c.mu.Lock()
	if c.asking >= c.limits.AtOnce {
		c.mu.Unlock()
		return nil, busy("as many requests of this agent are under way as may")
	}
	wait := c.draw(time.Now())
	if wait > patience {
		c.tokens++ // it is not dealt with
		c.mu.Unlock()
		return nil, busy("this agent asks more often than it may")
	}
	c.asking++
	c.seen = c.now()
	c.mu.Unlock()
	end = func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asking--
	}
	if wait <= 0 {
		return end, nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return end, nil
	case <-ctx.Done():
		end()
		return nil, ctx.Err()
	}
}

// draw takes a token and returns how long it is until there is one. The caller holds
// mu.
func (c *client) draw(now time.Time) time.Duration {
	rate := float64(c.limits.Requests)
	c.tokens = min(c.tokens+now.Sub(c.filled).Seconds()*rate, 2*rate)
	c.filled = now
	c.tokens--
	return time.Duration(-c.tokens / rate * float64(time.Second))
}

func busy(why string) error { return mft.Fail(mft.CodeBusy, "ask the relay", "", errors.New(why)) }
