// Package relay is the exchange for agents that reach one third host: an agent
// there keeps letters and objects on its own disk and serves them over HTTP/2 with
// TLS 1.3 (package server).
//
//	r, err := relay.New(relay.Config{Agent: "erp", Relay: "hub", Addresses: []string{"hub.example:7421"}, …})
//	defer r.Close()
//	x := r.Exchange()
//
// Each end proves with its certificate which agent it is; there is no other secret.
// The package talks to no host but those addresses and to nobody there but that
// agent, follows no redirection, retries nothing, and believes no size that it is
// told before it has bounded it.
package relay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/relay/wire"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/transport"
)

// Config says where the relay is, and who asks it.
type Config struct {
	// Agent is whose queue and container are used; Relay is the agent that serves.
	Agent, Relay mft.AgentName
	// Addresses are where it listens, HOST:PORT; the first that can be reached is
	// used.
	Addresses []string
	// Identity is asked for each connection. Its errors are passed on.
	Identity func() (Identity, error)
	// Wait is how long Take waits for a letter at the relay: 50 seconds if it is 0,
	// not at all if it is less. At most wire.MaxWait.
	Wait time.Duration
}

// An Identity is the certificate of this agent, and whom it trusts.
type Identity struct {
	Certificate *tls.Certificate
	// Verify returns the name of the agent that shows these certificates, if it is
	// to be believed.
	Verify func(chain []*x509.Certificate, now time.Time) (mft.AgentName, error)
}

const (
	defaultWait = 50 * time.Second
	// dialWithin is how long one address may take to answer, TLS included.
	dialWithin = 15 * time.Second
	// answerWithin is how long an answer may take, besides the wait for letters and
	// what its size takes.
	answerWithin = time.Minute
	// slowest is the least rate at which blocks must move, in bytes a second.
	slowest = 16 << 10
)

// A Relay is the storage of one agent at a relay. Its methods may be called
// concurrently.
type Relay struct {
	c         Config
	transport *http.Transport
}

// New returns the relay as the agent sees it. It asks nobody. Errors:
// mft.CodeBadName and mft.CodeConfig.
func New(c Config) (*Relay, error) {
	for _, name := range []mft.AgentName{c.Agent, c.Relay} {
		if _, err := mft.ParseAgentName(string(name)); err != nil {
			return nil, err
		}
	}
	bad := func(why string) error {
		return mft.Fail(mft.CodeConfig, "use the relay", string(c.Relay), errors.New(why))
	}
	if c.Agent == c.Relay {
		return nil, bad("it is this agent itself; an agent needs no relay to reach its own peers")
	}
	if len(c.Addresses) == 0 {
		return nil, bad("no address of it is known")
	}
	for _, address := range c.Addresses {
		if err := identity.CheckAddress(address); err != nil {
			return nil, bad(err.Error())
		}
	}
	if c.Wait == 0 {
		c.Wait = defaultWait
	}
	c.Wait = min(c.Wait, wire.MaxWait)
	r := &Relay{c: c}
	only := new(http.Protocols)
	only.SetHTTP2(true)
	r.transport = &http.Transport{
		DialTLSContext:         r.dial,
		Protocols:              only,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 8 << 10,
		IdleConnTimeout:        time.Minute,
		HTTP2: &http.HTTP2Config{
			MaxReadFrameSize: 256 << 10, MaxReceiveBufferPerConnection: 8 << 20, MaxReceiveBufferPerStream: 4 << 20,
			SendPingTimeout: 20 * time.Second, PingTimeout: 15 * time.Second, WriteByteTimeout: 30 * time.Second,
		},
	}
	return r, nil
}

// Close lets go of connections that nobody uses.
func (r *Relay) Close() { r.transport.CloseIdleConnections() }

// Exchange returns what agents need of storage.
func (r *Relay) Exchange() exchange.Exchange {
	return exchange.Exchange{
		Queue: queue{r}, Container: container{r}, Reader: reader{r}, Keys: keys{r},
		Sizes: exchange.Sizes{MinBlock: 1, MaxBlock: wire.MaxBlock, MaxBlocks: wire.MaxBlocks},
	}
}

// Place returns what this agent has and may have at the relay.
func (r *Relay) Place(ctx context.Context) (wire.Place, error) {
	var p wire.Place
	err := r.ask(ctx, call{op: "ask the relay", subject: string(r.c.Relay), method: http.MethodGet, path: r.own("place")}, &p)
	return p, err
}

// dial connects to the first address at which the relay answers.
func (r *Relay) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	own, err := r.c.Identity()
	if err != nil {
		return nil, err
	}
	for _, address := range r.c.Addresses {
		var conn net.Conn
		if conn, err = r.connect(ctx, address, own); err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, err // the last one is as good as any
}

func (r *Relay) connect(ctx context.Context, address string, own Identity) (net.Conn, error) {
	const op = "connect to the relay at"
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	conn, err := transport.Dial(ctx, address)
	if err != nil {
		return nil, mft.Fail(mft.CodeUnreachable, op, address, err)
	}
	secure := tls.Client(conn, transport.TLS(wire.Proto, own.Certificate, func(s tls.ConnectionState) error {
		name, err := own.Verify(s.PeerCertificates, time.Now())
		if err == nil && name != r.c.Relay {
			err = mft.Fail(mft.CodeUntrusted, op, address, errors.New("agent "+string(name)+" answers there, not "+string(r.c.Relay)))
		}
		return err
	}))
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, unreached(op, address, err)
	}
	return secure, nil
}

// unreached is the error of a connection that did not come about.
func unreached(op, address string, err error) error {
	switch code := transport.Code(err); {
	case refused(err):
		return mft.Fail(mft.CodeNotAllowed, op, address, errNotKnown)
	case code == mft.CodeDisconnected, code == mft.CodeTimeout:
		return mft.Fail(mft.CodeUnreachable, op, address, err)
	default:
		return mft.Fail(code, op, address, err)
	}
}

// turnedAway reports whether the relay does not want this agent, after a
// connection broke. In TLS 1.3 a client hears that only when it reads, and a
// transport of HTTP that writes first may be told of nothing but a broken connection.
func (r *Relay) turnedAway(ctx context.Context) bool {
	own, err := r.c.Identity()
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, reasonWithin)
	defer cancel()
	for _, address := range r.c.Addresses {
		conn, err := r.connect(ctx, address, own)
		if err == nil {
			stop := transport.Interruptible(ctx, conn)
			_, err = conn.Read(make([]byte, 1)) // a server of HTTP/2 speaks first
			stop()
			_ = conn.Close()
			return refused(err)
		}
		if mft.CodeOf(err) == mft.CodeNotAllowed {
			return true
		}
	}
	return false
}

// reasonWithin bounds finding out why a connection broke.
const reasonWithin = 5 * time.Second

var errNotKnown = errors.New("the relay does not accept this agent's key: this agent has to be a peer there, by pairing or by its pin in the configuration")

// refused reports whether the other end's TLS said that it does not want this one.
func refused(err error) bool {
	return transport.Alerted(err) && transport.Code(err) == mft.CodeUntrusted
}
