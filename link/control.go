package link

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/protocol"
)

// A control is one control connection after both ends have said Hello. Three
// goroutines serve it: read, write and watch. The reader never waits for the
// writer, for a conversation or for Handle, so that nothing that is slow here
// keeps the peer from being heard.
type control struct {
	link     *Link
	conn     net.Conn // TLS
	peer     mft.AgentName
	pin      identity.Pin // what the peer showed
	keyID    [16]byte     // what we showed; what we send over it is signed with it
	dialled  bool         // by this end
	remote   string       // network address of the other end
	software string       // as the peer says
	since    time.Time

	out  chan frame
	done chan struct{} // closed when the connection is over

	mu            sync.Mutex
	cause         error         // why it is over
	bye           *protocol.Bye // what the peer is told then
	open          int           // conversations that count against the limit
	conversations map[attempt]*Conversation
}

// An attempt is what an envelope belongs to.
type attempt struct {
	transfer mft.TransferID
	nonce    protocol.Nonce
}

// A frame is on its way out. The outcome of writing it goes to written, which
// has room for it, unless that is nil.
type frame struct {
	kind    protocol.ControlKind
	payload []byte
	written chan error
}

// serve carries the connection until it breaks, ctx ends or someone calls end.
func (c *control) serve(ctx context.Context) {
	var all sync.WaitGroup
	all.Go(c.write)
	all.Go(func() { c.watch(ctx) })
	c.end(c.read(ctx))
	all.Wait()
}

// end makes the connection over, once; the first cause counts. What the peer
// is told follows from the cause unless it is the peer that ended it.
func (c *control) end(cause error) {
	c.mu.Lock()
	if c.cause != nil {
		c.mu.Unlock()
		return
	}
	c.cause = cause
	if !errors.Is(cause, errPeerLeft) {
		c.bye = &protocol.Bye{Code: mft.CodeOf(cause), Detail: cause.Error()}
	}
	var all []*Conversation
	for _, conv := range c.conversations {
		all = append(all, conv)
	}
	close(c.done)
	c.mu.Unlock()
	// Bounds a write that is under way; the writer does the rest.
	_ = c.conn.SetWriteDeadline(time.Now().Add(byeWithin))
	c.link.forget(c, cause)
	for _, conv := range all {
		conv.end(c.gone())
	}
}

// gone returns what those who use the connection are told when it is over.
func (c *control) gone() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return mft.Fail(mft.CodeDisconnected, "talk to peer", string(c.peer), c.cause)
}

// errPeerLeft is the cause when there is nobody left to say goodbye to.
var errPeerLeft = errors.New("the peer closed the connection")

// write writes frames until the connection is over, then the last one.
func (c *control) write() {
	defer c.conn.Close()
	for {
		select {
		case f := <-c.out:
			err := c.writeFrame(f)
			if f.written != nil {
				f.written <- err
			}
			if err != nil {
				c.end(fmt.Errorf("%w: %w", errPeerLeft, err))
				return
			}
		case <-c.done:
			c.mu.Lock()
			bye := c.bye
			c.mu.Unlock()
			if bye != nil {
				_ = c.conn.SetWriteDeadline(time.Now().Add(byeWithin))
				// Whether it arrives makes no difference to this end.
				_ = protocol.WriteControl(c.conn, protocol.ControlBye, protocol.AppendBye(nil, bye))
			}
			return
		}
	}
}

func (c *control) writeFrame(f frame) error {
	// In this order end can always shorten the deadline: either it comes
	// after this one, or done is seen to be closed.
	if err := c.conn.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	select {
	case <-c.done:
		return c.gone()
	default:
	}
	return protocol.WriteControl(c.conn, f.kind, f.payload)
}

// send hands a frame to the network.
func (c *control) send(ctx context.Context, kind protocol.ControlKind, payload []byte) error {
	f := frame{kind, payload, make(chan error, 1)}
	select {
	case c.out <- f:
	case <-c.done:
		return c.gone()
	case <-ctx.Done():
		return interrupted("send to peer "+string(c.peer), ctx)
	}
	select {
	case err := <-f.written:
		if err != nil {
			return mft.Fail(mft.CodeDisconnected, "send to peer", string(c.peer), err)
		}
		return nil
	case <-c.done:
		return c.gone()
	case <-ctx.Done():
		return interrupted("send to peer "+string(c.peer), ctx)
	}
}

// post sends a frame that may be lost when there are too many already.
func (c *control) post(kind protocol.ControlKind, payload []byte) {
	select {
	case c.out <- frame{kind, payload, nil}:
	default:
	}
}

// read takes in frames until the connection breaks or the peer breaks a rule.
func (c *control) read(ctx context.Context) error {
	r := bufio.NewReaderSize(c.conn, 16<<10)
	for {
		if err := c.conn.SetReadDeadline(time.Now().Add(deadAfter)); err != nil {
			return fmt.Errorf("%w: %w", errPeerLeft, err)
		}
		kind, payload, err := protocol.ReadControl(r)
		if err != nil {
			return readFailure(err)
		}
		switch kind {
		case protocol.ControlEnvelope:
			err = c.receive(ctx, payload)
		case protocol.ControlPing:
			c.post(protocol.ControlPong, payload)
		case protocol.ControlPong: // that it came is enough
		case protocol.ControlBye:
			bye, err := protocol.ParseBye(payload)
			if err != nil {
				return err
			}
			return fmt.Errorf("%w: %w", errPeerLeft, mft.Fail(bye.Code, "the peer says goodbye", "", errors.New(bye.Detail)))
		default:
			err = mft.Fail(mft.CodeProtocol, "read from peer", string(c.peer),
				fmt.Errorf("a frame of kind %v has no place here", kind))
		}
		if err != nil {
			c.link.c.Log.Warn("a peer broke a rule", "peer", c.peer, "remote", c.remote, "error", err)
			return err
		}
	}
}

// readFailure tells a peer that is gone from one that sent nonsense.
func readFailure(err error) error {
	switch mft.CodeOf(err) {
	case mft.CodeProtocol:
		return err
	case mft.CodeDisconnected:
		return fmt.Errorf("%w: %w", errPeerLeft, err)
	}
	if errors.Is(err, io.EOF) {
		return errPeerLeft
	}
	return fmt.Errorf("%w: %w", errPeerLeft, err)
}

// watch pings an idle peer and looks from time to time whether the connection
// may go on at all.
func (c *control) watch(ctx context.Context) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.post(protocol.ControlPing, nil)
			if err := c.outlived(); err != nil {
				c.end(err)
			}
		case <-ctx.Done():
			c.end(errStopped())
			return
		case <-c.done:
			return
		}
	}
}

// outlived returns why the connection should end: the peer's key is no longer
// trusted, or ours was replaced and nothing is under way, so that a new
// connection can show the new one.
func (c *control) outlived() error {
	if !c.link.c.Trust.Trusts(c.peer, c.pin, c.link.c.Now()) {
		return mft.Fail(mft.CodeUntrusted, "keep connection to peer", string(c.peer),
			errors.New("its key is no longer trusted"))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == 0 && c.link.c.Keys.KeyID() != c.keyID {
		return mft.Fail(mft.CodeMaintenance, "keep connection to peer", string(c.peer),
			errors.New("this agent has a new key to show"))
	}
	return nil
}
