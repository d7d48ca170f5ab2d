// Package cluster opens a connection to the servers of a NATS cluster: where
// they are, with what one credential, how long an answer may take, and what
// their errors mean.
//
// The connection is made by the first call that needs it, and again after it was
// lost. Secrets are read whenever it is made, so that one that was renewed is
// used from then on; they stand in no error. A call that the server refuses ends
// at once with CodeNotAllowed, though a NATS server answers it with silence and a
// remark on the connection.
package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

// Config says which servers, as whom, and with what right.
type Config struct {
	// Agent is this agent.
	Agent mft.AgentName
	// Servers are URLs, nats://host:port or tls://host:port. They hold no secret.
	Servers []string
	// Credential is with what right.
	Credential Credential
	// TLS says how servers are verified.
	TLS TLS
	// Patience is how long an answer may take, 10 s when 0.
	Patience time.Duration
}

// TLS says how the servers are verified and what this agent shows them. The
// zero value is the host's own roots, and TLS where a URL or the server wants it.
type TLS struct {
	// CA is a file of certificates in PEM that the servers' must come from.
	CA string
	// Cert and Key are files with this agent's certificate and its key, both or
	// none.
	Cert, Key string
	// First begins with the handshake, before the server says anything.
	First bool
}

const (
	patience = 10 * time.Second
	dialing  = 5 * time.Second // of one server
)

// A Cluster is a connection, for one agent. Its methods may be called by several
// goroutines at once.
type Cluster struct {
	// Config is what it was opened with.
	Config Config

	options []nats.Option
	denials denials

	connecting chan struct{} // of one element: held by who connects
	mu         sync.Mutex    // guards what follows
	conn       *nats.Conn
	closed     bool
}

// Open makes a Cluster. It asks nobody. Errors have CodeConfig, or CodeBadName
// for the name of the agent.
func Open(c Config) (*Cluster, error) {
	if _, err := mft.ParseAgentName(string(c.Agent)); err != nil {
		return nil, mft.Fail(mft.CodeBadName, "open cluster as", string(c.Agent), err)
	}
	if len(c.Servers) == 0 {
		return nil, misfit("", errors.New("no server is named"))
	}
	for _, s := range c.Servers {
		if err := checkServer(s, c.Credential); err != nil {
			return nil, err
		}
	}
	k := &Cluster{Config: c, connecting: make(chan struct{}, 1), denials: newDenials(InboxOf(c.Agent))}
	if k.Config.Patience == 0 {
		k.Config.Patience = patience
	}
	how, err := c.Credential.option()
	if err != nil {
		return nil, err
	}
	k.options = append(how, nats.Name("mft "+string(c.Agent)), nats.Timeout(dialing), nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1), // what cannot be sent now fails now
		nats.CustomInboxPrefix(InboxOf(c.Agent)), nats.ErrorHandler(k.denials.hear), nats.IgnoreDiscoveredServers(),
		nats.SetCustomDialer(plain{}))
	secure, err := c.TLS.options()
	if err != nil {
		return nil, err
	}
	k.options = append(k.options, secure...)
	return k, nil
}

// InboxOf is below what subject an agent gets its answers, so that nobody else
// needs to be allowed to listen there.
func InboxOf(agent mft.AgentName) string { return "mft.inbox." + string(agent) }

// plain dials TCP. NATS itself keeps quiet about Multipath TCP, which Landlock
// does not cover.
type plain struct{}

// Dial implements nats.CustomDialer.
func (plain) Dial(network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialing}
	d.SetMultipathTCP(false)
	return d.Dial(network, address)
}

// checkServer refuses what leads to no server, and a credential that would cross
// the network in the clear.
func checkServer(s string, c Credential) error {
	u, err := url.Parse(s)
	if err != nil {
		return misfit("", errors.New("a server is no URL"))
	}
	switch {
	case u.Scheme != "nats" && u.Scheme != "tls" || u.Hostname() == "":
		return misfit(u.Hostname(), errors.New("a server is nats://HOST:PORT or tls://HOST:PORT"))
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "":
		return misfit(u.Hostname(), errors.New("the URL of a server has more than a host and a port; a password is a credential of its own"))
	case u.Scheme == "nats" && c.bare() && !exchange.Loopback(u.Hostname()):
		return misfit(u.Hostname(), errors.New("a password or a token crosses the network as it is: use tls://, or an nkey, or a file of credentials"))
	}
	return nil
}

func (t TLS) options() ([]nats.Option, error) {
	var out []nats.Option
	if (t.Cert == "") != (t.Key == "") {
		return nil, misfit("", errors.New("a certificate and its key go together: both or none"))
	}
	if t.CA != "" {
		out = append(out, nats.RootCAs(t.CA))
	}
	if t.Cert != "" {
		out = append(out, nats.ClientCert(t.Cert, t.Key))
	}
	if t.First {
		out = append(out, nats.TLSHandshakeFirst())
	}
	if t.CA != "" || t.Cert != "" || t.First {
		out = append(out, func(o *nats.Options) error {
			o.Secure = true
			return nil
		})
	}
	out = append(out, func(o *nats.Options) error {
		if o.TLSConfig == nil {
			o.TLSConfig = &tls.Config{}
		}
		o.TLSConfig.MinVersion = tls.VersionTLS12
		return nil
	})
	return out, nil
}

// Close ends the connection. Calls that are under way fail.
func (k *Cluster) Close() {
	k.mu.Lock()
	conn := k.conn
	k.conn, k.closed = nil, true
	k.mu.Unlock()
	if conn != nil {
		conn.Close()
	}
}

// connection returns one that is up, and makes it if there is none.
func (k *Cluster) connection(ctx context.Context) (*nats.Conn, error) {
	if conn, err := k.have(); conn != nil || err != nil {
		return conn, err
	}
	select {
	case k.connecting <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if conn, err := k.have(); conn != nil || err != nil {
		<-k.connecting
		return conn, err
	}
	type made struct {
		conn *nats.Conn
		err  error
	}
	// The library does not ask a context while it connects. Who gives up leaves
	// the connection to the next call.
	done := make(chan made, 1)
	go func() {
		defer func() { <-k.connecting }()
		conn, err := nats.Connect(strings.Join(k.Config.Servers, ","), k.options...)
		if err == nil {
			err = k.keep(conn)
		}
		done <- made{conn, err}
	}()
	select {
	case m := <-done:
		return m.conn, m.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// have returns the connection if there is one that may yet come up again.
func (k *Cluster) have() (*nats.Conn, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.closed:
		return nil, nats.ErrConnectionClosed
	case k.conn == nil || k.conn.IsClosed():
		return nil, nil
	case !k.conn.IsConnected():
		return nil, fmt.Errorf("%w: the connection was lost, and none of the servers has it again", nats.ErrDisconnected)
	}
	return k.conn, nil
}

func (k *Cluster) keep(conn *nats.Conn) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		conn.Close()
		return nats.ErrConnectionClosed
	}
	k.conn = conn
	return nil
}

func misfit(subject string, why error) error {
	return mft.Fail(mft.CodeConfig, "open cluster", subject, why)
}
