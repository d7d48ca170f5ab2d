package link

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/stream"
)

// A dataSide is what a conversation needs for its data connections.
type dataSide struct {
	once        sync.Once
	certificate tls.Certificate
	fingerprint [32]byte
	err         error

	mu       sync.Mutex
	expected bool
	peerKey  [32]byte
	// arrived hands over connections that the peer dialled. It has no room:
	// a connection is either taken by OpenData or closed by who accepted it.
	arrived chan *stream.Stream
}

func newDataSide() dataSide { return dataSide{arrived: make(chan *stream.Stream)} }

// DataKey returns the fingerprint of the certificate that this end shows on
// the data connections of the conversation. The certificate is made at the
// first call.
func (c *Conversation) DataKey() [32]byte {
	d := &c.data
	d.once.Do(func() { d.certificate, d.fingerprint, d.err = identity.EphemeralCertificate(c.conn.link.c.Now()) })
	return d.fingerprint
}

// expect notes which certificate the other end must show.
func (d *dataSide) expect(peerKey [32]byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.expected && d.peerKey != peerKey {
		return errors.New("the other end's certificate must not change within a conversation")
	}
	d.expected, d.peerKey = true, peerKey
	return nil
}

// OpenData returns a new data connection on which the other end has shown the
// certificate with fingerprint peerKey. The end that dialled the control
// connection dials; the other waits for it; at most 15 s. Call it once for
// each stream, always with the same key. The caller closes the connection;
// closing the conversation does not. The connection is a *stream.Stream. Errors:
// mft.CodeUnreachable, mft.CodeUntrusted, mft.CodeTimeout,
// mft.CodeDisconnected, and what ended the conversation, see Receive.
//
// The end that dials learns only from its first read when the other end did
// not accept its certificate.
func (c *Conversation) OpenData(ctx context.Context, peerKey [32]byte) (net.Conn, error) {
	const op = "open data connection to"
	opening := c.Opening()
	if opening == nil {
		return nil, mft.Fail(mft.CodeInternal, op, string(c.Peer()), errors.New("the conversation has not begun"))
	}
	if c.DataKey(); c.data.err != nil {
		return nil, mft.Fail(mft.CodeInternal, op, string(c.Peer()), c.data.err)
	}
	if err := c.data.expect(peerKey); err != nil {
		return nil, mft.Fail(mft.CodeInternal, op, string(c.Peer()), err)
	}
	ctx, stop := c.within(ctx, dialWithin)
	defer stop()
	name := serverName(c.transfer, opening.Nonce)
	if c.conn.dialled {
		return c.dialData(ctx, name, peerKey)
	}
	return c.awaitData(ctx, name)
}

// within bounds ctx by a time and by the life of the conversation.
func (c *Conversation) within(ctx context.Context, limit time.Duration) (context.Context, func()) {
	ctx, cancelTime := context.WithTimeout(ctx, limit)
	ctx, cancel := context.WithCancelCause(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		select {
		case <-c.done:
			cancel(c.why())
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel(nil)
		cancelTime()
		watcher.Wait()
	}
}

// stopped says why an attempt to open a data connection was given up.
func (c *Conversation) stopped(ctx context.Context) error {
	cause := context.Cause(ctx)
	if mft.CodeOf(cause) != mft.CodeOther {
		return cause // the conversation ended
	}
	return interrupted("open data connection to "+string(c.Peer()), ctx)
}

func (c *Conversation) dialData(ctx context.Context, name string, peerKey [32]byte) (net.Conn, error) {
	// The address the control connection reached, not the peer's name: that
	// might lead to another host by now.
	conn, err := c.conn.link.dial(ctx, c.conn.remote)
	if err != nil {
		if ctx.Err() != nil {
			return nil, c.stopped(ctx)
		}
		return nil, mft.Fail(mft.CodeUnreachable, "open data connection to", string(c.Peer()), err)
	}
	raw := stream.Under(conn)
	config := dataTLS(&c.data.certificate, peerKey)
	config.ServerName = name
	secure := tls.Client(raw, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close() // of no use to anybody
		if ctx.Err() != nil {
			return nil, c.stopped(ctx)
		}
		return nil, broken("open data connection to", string(c.Peer()), err)
	}
	return stream.New(secure, raw, string(c.Peer())), nil
}

func (c *Conversation) awaitData(ctx context.Context, name string) (net.Conn, error) {
	c.conn.link.data.announce(name, c)
	select {
	case <-c.done: // ended before or while it was announced: nobody else takes it back
		c.conn.link.data.withdraw(c)
		return nil, c.why()
	default:
	}
	select {
	case s := <-c.data.arrived:
		return s, nil
	case <-ctx.Done():
		return nil, c.stopped(ctx)
	}
}

// expectations are the conversations that wait for data connections, by
// server name. The zero value is ready.
type expectations struct {
	mu      sync.Mutex
	waiting map[string]*Conversation
	// asked holds a channel for each name that a connection has asked for
	// before its conversation was announced, closed when it is.
	asked map[string]*question
}

type question struct {
	answered chan struct{}
	askers   int
}

// announce makes the data connections of a conversation welcome.
func (x *expectations) announce(name string, c *Conversation) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.waiting == nil {
		x.waiting = map[string]*Conversation{}
	}
	x.waiting[name] = c
	if q := x.asked[name]; q != nil {
		close(q.answered)
		delete(x.asked, name)
	}
}

// withdraw ends announce.
func (x *expectations) withdraw(c *Conversation) {
	opening := c.Opening()
	if opening == nil {
		return
	}
	name := serverName(c.transfer, opening.Nonce)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.waiting[name] == c {
		delete(x.waiting, name)
	}
}

// find returns the conversation of that name, and waits for it to be
// announced until ctx ends: the peer may be faster than this end.
func (x *expectations) find(ctx context.Context, name string) (*Conversation, error) {
	x.mu.Lock()
	if c := x.waiting[name]; c != nil {
		x.mu.Unlock()
		return c, nil
	}
	if x.asked == nil {
		x.asked = map[string]*question{}
	}
	q := x.asked[name]
	if q == nil {
		q = &question{answered: make(chan struct{})}
		x.asked[name] = q
	}
	q.askers++
	x.mu.Unlock()
	select {
	case <-q.answered:
	case <-ctx.Done():
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if q.askers--; q.askers == 0 && x.asked[name] == q {
		delete(x.asked, name)
	}
	if c := x.waiting[name]; c != nil {
		return c, nil
	}
	return nil, errors.New("no conversation of that name")
}
