package transfer

import (
	"context"
	"net"
	"sync"
	"time"
)

// KeepAlive calls write every AliveEvery until ctx ends or it fails.
func KeepAlive(ctx context.Context, write func() error) error {
	tick := time.NewTicker(AliveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := write(); err != nil {
				return Cause(ctx, err)
			}
		}
	}
}

// A Reader reads a data connection for as long as something comes. A read fails
// when there was nothing at all for Patience; a slow link is not a dead one, so
// the time begins anew with each read and not with each frame. One goroutine may
// read while others stop it.
type Reader struct {
	conn net.Conn

	mu      sync.Mutex // makes a deadline and stopped fit together
	stopped bool
}

// NewReader returns a reader of conn, whose read deadline it takes over.
func NewReader(conn net.Conn) *Reader { return &Reader{conn: conn} }

// Read reads from the connection, with its errors. After Stop it fails with
// net.ErrClosed.
func (r *Reader) Read(p []byte) (int, error) {
	if err := r.expect(); err != nil {
		return 0, err
	}
	return r.conn.Read(p)
}

// expect allows the next read the time that a living peer needs at most.
func (r *Reader) expect() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return net.ErrClosed
	}
	return r.conn.SetReadDeadline(time.Now().Add(Patience))
}

// Stop breaks a read off, and has all later ones fail. The connection stays
// open.
func (r *Reader) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	// An error means that the connection is closed: no read waits then.
	_ = r.conn.SetReadDeadline(time.Unix(1, 0))
}

// A Writer writes to a data connection in steps of WriteStep bytes, each of
// which may take WriteTimeout: a frame on a slow link takes as long as it takes.
type Writer struct{ Conn net.Conn }

// Write returns when the connection has taken all of p, with its errors.
func (w Writer) Write(p []byte) (int, error) {
	written := 0
	for {
		if err := w.Conn.SetWriteDeadline(time.Now().Add(WriteTimeout)); err != nil {
			return written, err
		}
		step := p[written:min(len(p), written+WriteStep)]
		n, err := w.Conn.Write(step)
		written += n
		if err != nil || written == len(p) {
			return written, err
		}
	}
}
