// Package wire is the receiver's end of a data connection: what several
// goroutines write to it, and how it ends. See [transfer.Reader] for reading.
//
// It refuses to write once it was stopped, but for the reason why.
package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/zframe"
	"mft.dev/mft/transfer"
)

// A Line is a data connection. Its methods may be called by several goroutines
// at once.
type Line struct {
	conn    net.Conn
	reads   *transfer.Reader // of conn
	writing sync.Mutex
	small   *transfer.Gatherer // before conn
	frames  *protocol.FrameWriter

	mu      sync.Mutex
	stopped bool
}

// New returns the line over conn, which stays the caller's.
func New(conn net.Conn) *Line {
	small := transfer.NewGatherer(conn)
	return &Line{conn: conn, reads: transfer.NewReader(conn), small: small, frames: protocol.NewFrameWriter(small)}
}

// Frames returns a reader of the sender's frames, compressed or not. There is to
// be one.
func (l *Line) Frames() *zframe.Reader { return zframe.NewReader(protocol.NewFrameReader(l.reads)) }

// Stop has reads and writes end. The connection is left open to tell the
// sender why.
func (l *Line) Stop() {
	l.mu.Lock()
	l.stopped = true
	l.mu.Unlock()
	l.reads.Stop()
	if l.writing.TryLock() {
		l.writing.Unlock()
		return
	}
	_ = l.conn.SetWriteDeadline(time.Unix(1, 0)) // somebody is stuck in a write
}

// tellTimeout bounds how long a sender that does not read delays the end of a
// failed attempt.
const tellTimeout = 3 * time.Second

// Tell lets the sender know why this end gives up, if the connection still
// takes it. It reads on until the sender has closed: closing a connection with
// unread content would make the kernel drop what was just written. Nobody else
// may read or write any more.
func (l *Line) Tell(cause error) {
	if errors.Is(cause, context.Canceled) || mft.CodeOf(cause) == mft.CodeDisconnected {
		return
	}
	reason := mft.ReasonOf(cause)
	f := protocol.Failure{Code: reason.Code, Detail: reason.Detail}
	_ = l.conn.SetDeadline(time.Now().Add(tellTimeout))
	if l.frames.WriteFrame(protocol.FrameFail, protocol.AppendFailure(nil, &f)) == nil {
		_, _ = io.Copy(io.Discard, l.conn)
	}
}

// Write sends one frame. The error has code mft.CodeDisconnected.
func (l *Line) Write(kind protocol.FrameKind, payload []byte) error {
	return l.send(func() error { return l.frames.WriteFrame(kind, payload) })
}

// Gather is like Write, but may keep the frame back until the next Write or
// Flush.
func (l *Line) Gather(kind protocol.FrameKind, payload []byte) error {
	return l.send(func() error {
		return l.small.Gather(func() error { return l.frames.WriteFrame(kind, payload) })
	})
}

// Flush sends what was kept back.
func (l *Line) Flush() error { return l.send(l.small.Flush) }

func (l *Line) send(write func() error) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	stopped := l.stopped
	l.mu.Unlock()
	if stopped {
		return transfer.Disconnected("write to", net.ErrClosed)
	}
	if err := l.conn.SetWriteDeadline(time.Now().Add(transfer.WriteTimeout)); err != nil {
		return transfer.Disconnected("write to", err)
	}
	if err := write(); err != nil {
		return transfer.Disconnected("write to", err)
	}
	return nil
}
