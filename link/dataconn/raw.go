package dataconn

import (
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"

	"mft.dev/mft"
	"mft.dev/mft/link/stream"
	"mft.dev/mft/link/transport"
)

// A Raw is a data connection before its handshake, for another process to do that:
// it has the certificate.
type Raw struct {
	net.Conn
	// Name is the server name, for the end that dialled.
	Name string
	// Heard is what the other end has said.
	Heard []byte
}

// Pass makes the side one that hands its connections on as they are.
func (s *Side) Pass() { s.passes.Store(true) }

// Passes reports whether Pass was called.
func (s *Side) Passes() bool { return s.passes.Load() }

// HandRaw is Hand for who calls AwaitRaw.
func (s *Side) HandRaw(ctx context.Context, raw *Raw, done <-chan struct{}) bool {
	return hand(ctx, s.passed, raw, done)
}

// AwaitRaw returns the next connection that was handed over by HandRaw.
func (s *Side) AwaitRaw(ctx context.Context) (*Raw, error) { return await(ctx, s.passed) }

// Connect returns a connection to the peer on which nothing was said: one that was
// made early if there is one. The error has code mft.CodeUnreachable.
func (s *Side) Connect(ctx context.Context, dial Dialer, address, peer string) (net.Conn, error) {
	conn := s.takeEarly(ctx)
	if conn == nil {
		var err error
		if conn, err = dial(ctx, address); err != nil {
			return nil, mft.Fail(mft.CodeUnreachable, "open data connection to", peer, err)
		}
	}
	return conn, nil
}

func hand[T any](ctx context.Context, to chan<- T, conn T, done <-chan struct{}) bool {
	select {
	case to <- conn:
		return true
	case <-done:
	case <-ctx.Done():
	}
	return false
}

func await[T any](ctx context.Context, from <-chan T) (conn T, err error) {
	select {
	case conn = <-from:
		return conn, nil
	case <-ctx.Done():
		return conn, ctx.Err()
	}
}

// A Hearing is a connection that keeps what is read of it until it is known who
// deals with it: whoever reads the greeting, who calls Forget, or somebody else,
// for whom Passed returns what was said. After that nothing is written to it here:
// TLS would tell the other end that it was refused.
type Hearing struct {
	net.Conn
	heard   []byte // of the one goroutine that reads the greeting
	forgets atomic.Bool
	passed  atomic.Bool
}

// Hear returns the connection to read the greeting from.
func Hear(conn net.Conn) *Hearing { return &Hearing{Conn: conn} }

// NetConn returns the connection below.
func (h *Hearing) NetConn() net.Conn { return h.Conn }

// Read keeps what it reads, until Forget.
func (h *Hearing) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	if !h.forgets.Load() {
		h.heard = append(h.heard, p[:n]...)
	}
	return n, err
}

// Write does nothing after Pass.
func (h *Hearing) Write(p []byte) (int, error) {
	if h.passed.Load() {
		return len(p), nil
	}
	return h.Conn.Write(p)
}

// Forget drops what was kept, and keeps no more. It is called by who reads.
func (h *Hearing) Forget() {
	h.forgets.Store(true)
	h.heard = nil
}

// Pass says that somebody else deals with the connection.
func (h *Hearing) Pass() { h.passed.Store(true) }

// Passed returns what has been said for somebody else to deal with, and whether
// that is so.
func (h *Hearing) Passed() ([]byte, bool) { return h.heard, h.passed.Load() }

// Server does the handshake as the end that was dialled. It closes the connection if
// that fails.
func (s *Side) Server(ctx context.Context, raw *Raw, peer string) (*stream.Stream, error) {
	under := stream.Under(&repeating{Conn: raw.Conn, heard: raw.Heard})
	secure := tls.Server(under, s.TLS())
	if err := secure.HandshakeContext(ctx); err != nil {
		transport.Dismiss(raw.Conn)
		return nil, transport.Failure("open data connection to", peer, err)
	}
	return stream.New(secure, under, peer), nil
}

// A repeating connection says again what was heard of it.
type repeating struct {
	net.Conn
	heard []byte
}

// NetConn returns the connection below.
func (r *repeating) NetConn() net.Conn { return r.Conn }

func (r *repeating) Read(p []byte) (int, error) {
	if len(r.heard) > 0 {
		n := copy(p, r.heard)
		r.heard = r.heard[n:]
		return n, nil
	}
	return r.Conn.Read(p)
}
