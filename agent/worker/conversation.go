package worker

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/worker/errand"
	"mft.dev/mft/internal/post"
	"mft.dev/mft/link/bundle"
	"mft.dev/mft/link/dataconn"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
)

// How long it may take until a data connection is there, and until one that has come
// is of use.
const (
	openWithin  = 15 * time.Second
	greetWithin = 10 * time.Second
)

// maxGreeting is how many connections at once may be in their handshakes: anybody can
// begin one.
const maxGreeting = 16

// A conversation is that of an errand: the agent says and hears what is said, the
// data connections are this process's own. It implements transfer.Conversation.
type conversation struct {
	port *errand.Port
	line errand.Line
	side *dataconn.Side
	all  *sync.WaitGroup // what it has begun
	// sealing, if it is set, is called before the end of what is sent is said.
	sealing func(ctx context.Context) error
}

func newConversation(port *errand.Port, line errand.Line, all *sync.WaitGroup) (*conversation, error) {
	c := &conversation{port: port, line: line, side: dataconn.New(), all: all}
	if !line.Plain {
		if _, err := c.side.Key(time.Now()); err != nil {
			return nil, mft.Fail(mft.CodeInternal, "make a certificate", "", err)
		}
	}
	return c, nil
}

func (c *conversation) Send(ctx context.Context, kind protocol.Kind, body []byte) error {
	if kind == protocol.KindSeal && c.sealing != nil {
		if err := c.sealing(ctx); err != nil {
			return err
		}
	}
	_, err := c.port.Ask(ctx, errand.KindSend, errand.Message{Kind: kind, Body: body}, nil)
	return err
}

func (c *conversation) Receive(ctx context.Context) (*protocol.Envelope, error) {
	var heard errand.Heard
	if _, err := c.port.Ask(ctx, errand.KindReceive, nil, &heard); err != nil {
		return nil, err
	}
	return protocol.ParseEnvelope(heard.Envelope)
}

func (c *conversation) DataKey() [32]byte {
	if c.line.Plain {
		return c.line.Key
	}
	key, _ := c.side.Key(time.Now()) // it is there
	return key
}

func (c *conversation) Streams() int { return c.line.Streams }

func (c *conversation) OpenData(ctx context.Context, peerKey [32]byte, streams int) (net.Conn, error) {
	if c.line.Plain {
		return c.openPlain(ctx, peerKey, streams)
	}
	if err := c.side.Expect(peerKey); err != nil {
		return nil, transfer.Nonsense("%v", err)
	}
	open := c.dial
	if !c.line.Dials {
		c.all.Go(func() { c.listen(ctx, streams) })
		open = c.await
	}
	if streams == 1 {
		return open(ctx)
	}
	return bundle.Open(ctx, bundle.Terms{Streams: streams, Dials: c.line.Dials, Peer: string(c.line.Peer)}, open)
}

// openPlain returns a connection to the agent, which passes on what goes over it.
func (c *conversation) openPlain(ctx context.Context, peerKey [32]byte, streams int) (net.Conn, error) {
	f, err := c.port.Ask(ctx, errand.KindPlain, errand.Plain{PeerKey: peerKey, Streams: streams}, nil)
	if err == nil && f == nil {
		err = errNoFile
	}
	if err != nil {
		return nil, err
	}
	return post.Dialled(f)
}

var errNoFile = mft.Fail(mft.CodeInternal, "open a data connection", "", errors.New("the agent gave none"))

// raw asks the agent for one connection.
func (c *conversation) raw(ctx context.Context) (*dataconn.Raw, error) {
	var raw errand.Raw
	f, err := c.port.Ask(ctx, errand.KindRaw, nil, &raw)
	if err == nil && f == nil {
		err = errNoFile
	}
	if err != nil {
		return nil, err
	}
	conn, err := post.Dialled(f)
	if err != nil {
		return nil, mft.Fail(mft.CodeInternal, "open a data connection", "", err)
	}
	return &dataconn.Raw{Conn: conn, Name: raw.Name, Heard: raw.Heard}, nil
}

// dial returns a connection whose handshake this end begins.
func (c *conversation) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	raw, err := c.raw(ctx)
	if err != nil {
		return nil, err
	}
	return connOf(c.side.Client(ctx, raw.Conn, raw.Name, string(c.line.Peer)))
}

// await returns the next connection whose handshake is done.
func (c *conversation) await(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	conn, err := connOf(c.side.Await(ctx))
	if err != nil {
		return nil, mft.Fail(mft.CodeTimeout, "open data connection to", string(c.line.Peer), context.Cause(ctx))
	}
	return conn, nil
}

// connOf keeps a nil connection nil.
func connOf[T net.Conn](conn T, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// listen greets the connections that the agent gives it, until as many have come as
// there are streams. One that fails, or takes its time, takes nobody's place.
func (c *conversation) listen(ctx context.Context, streams int) {
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	var greeting sync.WaitGroup
	defer greeting.Wait()
	places := make(chan struct{}, maxGreeting)
	came := make(chan struct{}, maxGreeting)
	left := streams
	for left > 0 {
		select {
		case places <- struct{}{}:
		case <-came:
			left--
			continue
		case <-ctx.Done():
			return
		}
		raw, err := c.rawUnless(ctx, came, &left)
		if raw == nil || err != nil {
			return // OpenData tells of the time that has passed
		}
		greeting.Go(func() {
			defer func() { <-places }()
			if c.greet(ctx, raw) {
				came <- struct{}{}
			}
		})
	}
}

// rawUnless asks for a connection, and gives that up when enough have come.
func (c *conversation) rawUnless(ctx context.Context, came <-chan struct{}, left *int) (*dataconn.Raw, error) {
	ctx, cancel := context.WithCancel(ctx)
	type result struct {
		raw *dataconn.Raw
		err error
	}
	got := make(chan result, 1)
	go func() {
		raw, err := c.raw(ctx)
		got <- result{raw, err}
	}()
	for {
		select {
		case r := <-got:
			cancel()
			return r.raw, r.err
		case <-came:
			if *left--; *left > 0 {
				continue
			}
			cancel()
			if r := <-got; r.raw != nil {
				r.raw.Close()
			}
			return nil, nil
		}
	}
}

// greet does the handshake of a connection and hands it over.
func (c *conversation) greet(ctx context.Context, raw *dataconn.Raw) bool {
	ctx, cancel := context.WithTimeout(ctx, greetWithin)
	defer cancel()
	conn, err := c.side.Server(ctx, raw, string(c.line.Peer))
	if err != nil {
		return false
	}
	if !c.side.Hand(ctx, conn, nil) {
		conn.Close() // nobody has taken it
		return false
	}
	return true
}
