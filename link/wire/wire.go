// Package wire carries the frames of one control connection both ways, keeps
// it alive, and ends it in an orderly manner.
//
// Make a [Conn] of a connection on which both ends have said Hello, and run
// [Conn.Serve] for as long as it lasts. Three goroutines serve it: one reads,
// one writes, one watches the time. The reader never waits for the writer, so
// that a peer that does not read is still heard. The package looks into no
// envelope.
package wire

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

const (
	// PingEvery and DeadAfter keep an idle connection known to be alive: a
	// peer that sends nothing for DeadAfter, not even a pong, is taken for
	// gone.
	PingEvery = 20 * time.Second
	DeadAfter = 60 * time.Second
	// WriteWithin is how long one frame may take to leave: a peer that does
	// not read must not hold anything up for longer.
	WriteWithin = 30 * time.Second
	// byeWithin is how long the last frame may take.
	byeWithin = time.Second
	// outboxSize bounds the frames that wait to be written.
	outboxSize = 64
)

// ErrPeerLeft is in the cause of an end after which there is nobody left to
// say goodbye to.
var ErrPeerLeft = errors.New("the peer closed the connection")

// A Conn is one control connection. It is safe for concurrent use.
type Conn struct {
	conn  net.Conn
	ended func(cause error)
	out   chan frame
	done  chan struct{} // closed when the connection is over

	mu    sync.Mutex
	cause error             // why it is over
	bye   *protocol.Failure // what the peer is told then
	// echoes are the pings that somebody waits for the pong of, by number.
	echoes map[uint64]chan struct{}
	pings  uint64
}

// A frame is on its way out. The outcome of writing it goes to written, which
// has room for it, unless that is nil.
type frame struct {
	kind    protocol.ControlKind
	payload []byte
	written chan error
}

// New returns a Conn over conn. It calls ended once, when the connection is
// over, with the cause; Done is closed by then.
func New(conn net.Conn, ended func(cause error)) *Conn {
	return &Conn{conn: conn, ended: ended, out: make(chan frame, outboxSize), done: make(chan struct{})}
}

// Serve carries the connection until it breaks, End is called, ctx ends, or
// one of these returns an error, which is then the cause: receive, called with
// each envelope, one at a time; and check, called every PingEvery. It closes
// the connection.
func (c *Conn) Serve(ctx context.Context, receive func(envelope []byte) error, check func() error) {
	var all sync.WaitGroup
	all.Go(c.write)
	all.Go(func() { c.watch(ctx, check) })
	c.End(c.read(receive))
	all.Wait()
}

// Done is closed when the connection is over.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Cause returns why the connection is over, nil before that.
func (c *Conn) Cause() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// End makes the connection over; the first cause counts. The peer is told the
// cause unless it contains ErrPeerLeft. End does not wait for Serve.
func (c *Conn) End(cause error) {
	c.mu.Lock()
	if c.cause != nil {
		c.mu.Unlock()
		return
	}
	c.cause = cause
	if !errors.Is(cause, ErrPeerLeft) {
		c.bye = &protocol.Failure{Code: mft.CodeOf(cause), Detail: cause.Error()}
	}
	close(c.done)
	c.mu.Unlock()
	// Bounds a write that is under way; the writer does the rest.
	_ = c.conn.SetWriteDeadline(time.Now().Add(byeWithin))
	c.ended(cause)
}

// Send returns when the frame has been handed to the network. The error is
// that of ctx, or the reason why it could not be; then the connection is over.
func (c *Conn) Send(ctx context.Context, kind protocol.ControlKind, payload []byte) error {
	f := frame{kind, payload, make(chan error, 1)}
	select {
	case c.out <- f:
	case <-c.done:
		return c.Cause()
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-f.written:
		return err
	case <-c.done:
		return c.Cause()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Post sends a frame without waiting. It is lost when there are too many
// already.
func (c *Conn) Post(kind protocol.ControlKind, payload []byte) {
	select {
	case c.out <- frame{kind, payload, nil}:
	default:
	}
}

// Echo returns when the peer has read all that was sent before. A connection over which
// nothing gets through any more takes what is sent for as long as DeadAfter.
func (c *Conn) Echo(ctx context.Context) error {
	c.mu.Lock()
	c.pings++
	number, heard := c.pings, make(chan struct{})
	if c.echoes == nil {
		c.echoes = map[uint64]chan struct{}{}
	}
	c.echoes[number] = heard
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.echoes, number)
		c.mu.Unlock()
	}()
	if err := c.Send(ctx, protocol.ControlPing, binary.BigEndian.AppendUint64(nil, number)); err != nil {
		return err
	}
	select {
	case <-heard:
		return nil
	case <-c.done:
		return c.Cause()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// heard is about a pong.
func (c *Conn) heard(payload []byte) {
	if len(payload) != 8 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	number := binary.BigEndian.Uint64(payload)
	if heard := c.echoes[number]; heard != nil {
		close(heard)
		delete(c.echoes, number)
	}
}

// write writes frames until the connection is over, then the last one.
func (c *Conn) write() {
	defer c.conn.Close() // what there was to say has been said
	for {
		select {
		case f := <-c.out:
			err := c.writeFrame(f)
			if f.written != nil {
				f.written <- err
			}
			if err != nil {
				c.End(fmt.Errorf("%w: %w", ErrPeerLeft, err))
				return
			}
		case <-c.done:
			c.sayBye()
			return
		}
	}
}

func (c *Conn) writeFrame(f frame) error {
	// In this order End can always shorten the deadline: either it comes
	// after this one, or done is seen to be closed.
	if err := c.conn.SetWriteDeadline(time.Now().Add(WriteWithin)); err != nil {
		return err
	}
	select {
	case <-c.done:
		c.sayBye()
		return c.Cause()
	default:
	}
	return protocol.WriteControl(c.conn, f.kind, f.payload)
}

// sayBye tells the peer why the connection ends. Whether that arrives makes no
// difference to this end.
func (c *Conn) sayBye() {
	c.mu.Lock()
	bye := c.bye
	c.mu.Unlock()
	if bye != nil && c.conn.SetWriteDeadline(time.Now().Add(byeWithin)) == nil {
		_ = protocol.WriteControl(c.conn, protocol.ControlBye, protocol.AppendFailure(nil, bye))
	}
}

// read takes in frames until the connection breaks or the peer breaks a rule.
func (c *Conn) read(receive func([]byte) error) error {
	r := bufio.NewReaderSize(c.conn, 16<<10)
	for {
		if err := c.conn.SetReadDeadline(time.Now().Add(DeadAfter)); err != nil {
			return fmt.Errorf("%w: %w", ErrPeerLeft, err)
		}
		kind, payload, err := protocol.ReadControl(r)
		if mft.CodeOf(err) == mft.CodeProtocol {
			return err
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrPeerLeft, err)
		}
		switch kind {
		case protocol.ControlEnvelope:
			err = receive(payload)
		case protocol.ControlPing:
			c.Post(protocol.ControlPong, payload)
		case protocol.ControlPong: // that it came is enough for most
			c.heard(payload)
		case protocol.ControlBye:
			err = readBye(payload)
		default:
			err = mft.Fail(mft.CodeProtocol, "read control frame", "", fmt.Errorf("kind %v has no place here", kind))
		}
		if err != nil {
			return err
		}
	}
}

func readBye(payload []byte) error {
	bye, err := protocol.ParseFailure(payload)
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: %w", ErrPeerLeft, mft.Fail(bye.Code, "the peer says goodbye", "", errors.New(bye.Detail)))
}

// watch pings an idle peer and has check look whether the connection may go
// on at all.
func (c *Conn) watch(ctx context.Context, check func() error) {
	tick := time.NewTicker(PingEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			c.Post(protocol.ControlPing, nil)
			if err := check(); err != nil {
				c.End(err)
			}
		case <-ctx.Done():
			c.End(mft.Fail(mft.CodeMaintenance, "keep connection", "", errors.New("this agent is stopping")))
			return
		case <-c.done:
			return
		}
	}
}
