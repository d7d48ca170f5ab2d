package link

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/stream"
	"mft.dev/mft/link/transport"
	"mft.dev/mft/protocol"
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
	select {
	case <-c.done:
		return c.why()
	default:
	}
	return transport.Interrupted("open data connection to "+string(c.Peer()), ctx)
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
	config := transport.DataTLS(&c.data.certificate, peerKey)
	config.ServerName = name
	secure := tls.Client(raw, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close() // of no use to anybody
		if ctx.Err() != nil {
			return nil, c.stopped(ctx)
		}
		return nil, transport.Failure("open data connection to", string(c.Peer()), err)
	}
	return stream.New(secure, raw, string(c.Peer())), nil
}

func (c *Conversation) awaitData(ctx context.Context, name string) (net.Conn, error) {
	c.conn.link.data.Announce(name, c)
	select {
	case <-c.done: // it had ended before it was announced: nobody else takes that back
		c.withdraw()
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

// withdraw makes data connections of the conversation unwelcome.
func (c *Conversation) withdraw() {
	if opening := c.Opening(); opening != nil {
		c.conn.link.data.Withdraw(serverName(c.transfer, opening.Nonce), c)
	}
}

// serverName names the conversation that a data connection is for. It is
// public: it lets the other end find what to verify against, and proves
// nothing.
func serverName(id mft.TransferID, nonce protocol.Nonce) string {
	return "t-" + hex.EncodeToString(id[:]) + "." + hex.EncodeToString(nonce[:8]) + ".mft"
}
