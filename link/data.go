package link

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/link/bundle"
	"mft.dev/mft/link/dataconn"
	"mft.dev/mft/link/path"
	"mft.dev/mft/link/stream"
	"mft.dev/mft/link/transport"
)

// DataKey returns the fingerprint of the certificate that this end shows on
// the data connections of the conversation. The certificate is made at the
// first call.
func (c *Conversation) DataKey() [32]byte {
	key, _ := c.data.Key(c.conn.link.c.Now()) // OpenData tells of an error
	return key
}

// Streams is how many data connections this end would have when it sends, 1 to
// bundle.Max: one nearby, several far away, as the kernel has measured the way
// to the peer, fewer when other conversations with the peer are under way.
func (c *Conversation) Streams() int {
	p := path.Measure(c.conn.secure)
	p.Loss = c.conn.tally.Loss()
	return p.Streams(c.conn.others())
}

// anticipate begins to connect while the offer is on its way, where that saves
// a round trip that counts.
func (c *Conversation) anticipate(ctx context.Context) {
	if !c.conn.dialled || !path.Measure(c.conn.secure).Far() {
		return
	}
	for range c.Streams() {
		early := c.data.Early()
		if early == nil {
			return
		}
		err := c.conn.link.spawn(ctx, func(ctx context.Context) {
			ctx, stop := c.within(ctx, dialWithin)
			defer stop()
			conn, _ := c.conn.link.network(nil).Dial(ctx, c.conn.remote)
			early.Set(conn)
		})
		if err != nil {
			early.Set(nil)
		}
	}
}

// OpenData returns a new data connection on which the other end has shown the
// certificate with fingerprint peerKey. The end that dialled the control
// connection dials; the other waits for it; at most 15 s. Call it once. With
// more than one stream, which both ends must have agreed on, it is a
// *bundle.Bundle, whose further connections are opened until ctx ends, else a
// *stream.Stream. The caller closes it; closing the conversation does not.
// Errors: mft.CodeUnreachable, mft.CodeUntrusted, mft.CodeTimeout,
// mft.CodeDisconnected, and what ended the conversation, see Receive.
//
// The end that dials learns only from its first read when the other end did
// not accept its certificate.
func (c *Conversation) OpenData(ctx context.Context, peerKey [32]byte, streams int) (net.Conn, error) {
	if streams == 1 {
		return c.openStream(ctx, peerKey)
	}
	return bundle.Open(ctx, bundle.Terms{Streams: streams, Dials: c.conn.dialled, Peer: string(c.Peer())},
		func(ctx context.Context) (net.Conn, error) { return c.openStream(ctx, peerKey) })
}

// openStream opens one of the connections.
func (c *Conversation) openStream(ctx context.Context, peerKey [32]byte) (net.Conn, error) {
	const op = "open data connection to"
	opening := c.Opening()
	if opening == nil {
		return nil, mft.Fail(mft.CodeInternal, op, string(c.Peer()), errors.New("the conversation has not begun"))
	}
	_, err := c.data.Key(c.conn.link.c.Now())
	if err == nil {
		err = c.data.Expect(peerKey)
	}
	if err != nil {
		return nil, mft.Fail(mft.CodeInternal, op, string(c.Peer()), err)
	}
	ctx, stop := c.within(ctx, dialWithin)
	defer stop()
	name := dataconn.ServerName(c.transfer, opening.Nonce)
	var conn *stream.Stream
	if c.conn.dialled {
		// The address the control connection reached, not the peer's name: that
		// might lead to another host by now.
		conn, err = c.data.Dial(ctx, c.conn.link.network(nil).Dial, c.conn.remote, name, string(c.Peer()))
	} else if err = c.welcomes(name); err == nil {
		conn, err = c.data.Await(ctx)
	}
	switch {
	case err == nil:
		conn.Account(&c.conn.tally)
		return conn, nil
	case ctx.Err() != nil:
		return nil, c.stopped(ctx)
	}
	return nil, err
}

// Dials reports whether this end dials the data connections.
func (c *Conversation) Dials() bool { return c.conn.dialled }

// OpenRaw returns a data connection before its handshake, for another process that
// has the certificate whose fingerprint the other end was told. The caller closes
// it. Each call returns another; a conversation has OpenRaw or OpenData, not both.
// Errors are those of OpenData.
func (c *Conversation) OpenRaw(ctx context.Context) (*dataconn.Raw, error) {
	opening := c.Opening()
	if opening == nil {
		return nil, mft.Fail(mft.CodeInternal, "open data connection to", string(c.Peer()), errors.New("the conversation has not begun"))
	}
	ctx, stop := c.within(ctx, dialWithin)
	defer stop()
	raw, err := &dataconn.Raw{Name: dataconn.ServerName(c.transfer, opening.Nonce)}, error(nil)
	c.data.Pass()
	if c.conn.dialled {
		raw.Conn, err = c.data.Connect(ctx, c.conn.link.network(nil).Dial, c.conn.remote, string(c.Peer()))
	} else if err = c.welcomes(raw.Name); err == nil {
		raw, err = c.data.AwaitRaw(ctx)
	}
	if err != nil && ctx.Err() != nil {
		err = c.stopped(ctx)
	}
	return raw, err
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

// welcomes makes data connections of the conversation welcome.
func (c *Conversation) welcomes(name string) error {
	c.conn.link.data.Announce(name, c)
	select {
	case <-c.done: // it had ended before it was announced: nobody else takes that back
		c.withdraw()
		return c.why()
	default:
		return nil
	}
}

// withdraw makes data connections of the conversation unwelcome.
func (c *Conversation) withdraw() {
	if opening := c.Opening(); opening != nil {
		c.conn.link.data.Withdraw(dataconn.ServerName(c.transfer, opening.Nonce), c)
	}
}
