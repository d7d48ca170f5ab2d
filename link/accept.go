package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/link/dataconn"
	"mft.dev/mft/link/gate"
	"mft.dev/mft/link/join"
	"mft.dev/mft/link/stream"
	"mft.dev/mft/link/transport"
)

// accept takes connections from ln until it fails or is closed.
func (l *Link) accept(ctx context.Context, ln net.Listener) error {
	pause := time.Duration(0)
	for {
		conn, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return mft.Fail(mft.CodeIO, "accept connections at", ln.Addr().String(), err)
			}
			// As with too many open files: it passes.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			l.c.Log.Warn("accepting a connection", "error", err, "pause", pause)
			if !sleep(ctx, pause) {
				return nil
			}
			continue
		}
		pause = 0
		visitor := l.pending.Enter(conn.RemoteAddr(), func() { conn.Close() })
		if err := l.spawn(ctx, func(ctx context.Context) { l.welcome(ctx, conn, visitor) }); err != nil {
			l.pending.Leave(visitor)
			conn.Close() // the link is ending
		}
	}
}

// sleep waits and reports whether ctx still goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// A reception is what a ClientHello asks for and, once its handshake is done,
// how to go on.
type reception struct {
	own      *tls.Certificate
	who      *caller
	conv     *Conversation
	proceed  func(ctx context.Context, s *tls.Conn, r *reception) (then func(context.Context), err error)
	heard    *dataconn.Hearing
	raw      *stream.Raw
	deadline time.Time
}

// welcome sees to it that a connection becomes useful in time, or ends.
func (l *Link) welcome(ctx context.Context, conn net.Conn, visitor *gate.Visitor) {
	defer l.pending.Leave(visitor)
	transport.Tune(conn)
	r := &reception{heard: dataconn.Hear(conn), deadline: time.Now().Add(greetWithin)}
	r.raw = stream.Under(r.heard)
	secure := tls.Server(r.raw, &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			config, err := l.choose(hello, r)
			if config != nil {
				r.heard.Forget()
			}
			return config, err
		},
	})
	greeting, cancel := context.WithDeadline(ctx, r.deadline)
	defer cancel()
	then, err := l.greet(greeting, secure, r)
	if heard, ok := r.heard.Passed(); ok {
		if !r.conv.data.HandRaw(greeting, &dataconn.Raw{Conn: conn, Heard: heard}, r.conv.done) {
			conn.Close() // nobody has taken it
		}
		return
	}
	if err != nil {
		l.c.Log.Debug("a connection was refused", "remote", conn.RemoteAddr(), "error", err)
		transport.Dismiss(conn)
		return
	}
	if then != nil {
		l.pending.Leave(visitor)
		cancel()
		then(ctx)
	}
}

func (l *Link) greet(ctx context.Context, secure *tls.Conn, r *reception) (func(context.Context), error) {
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, transport.Failure("greet", secure.RemoteAddr().String(), err)
	}
	return r.proceed(ctx, secure, r)
}

// errPassed ends a handshake that another process begins anew.
var errPassed = errors.New("another process deals with the connection")

// choose picks what a connection is for by its application protocol. It runs
// before anything is known of who asks.
func (l *Link) choose(hello *tls.ClientHelloInfo, r *reception) (*tls.Config, error) {
	asks := func(proto string) bool { return slices.Equal(hello.SupportedProtos, []string{proto}) }
	switch {
	case asks(transport.Control):
		r.own = l.c.Keys.Certificate()
		r.proceed = l.greetPeer
		config, who := l.controlTLS(r.own, "")
		r.who = who
		return config, nil
	case asks(transport.Data):
		conv, err := l.data.Find(hello.Context(), hello.ServerName)
		if err != nil {
			return nil, err
		}
		r.conv, r.proceed = conv, l.handOver
		if conv.data.Passes() {
			r.heard.Pass()
			return nil, errPassed
		}
		return conv.data.TLS(), nil
	case asks(transport.Join) && l.c.Invites != nil && l.c.Invites.Alive(l.c.Now()):
		r.own = l.c.Keys.Certificate()
		r.proceed = l.greetGuest
		return join.TLS(r.own), nil
	}
	return nil, fmt.Errorf("nobody here speaks %q", hello.SupportedProtos)
}

// handOver gives a data connection to OpenData of its conversation.
func (l *Link) handOver(ctx context.Context, secure *tls.Conn, r *reception) (func(context.Context), error) {
	conv := r.conv
	switch {
	case conv.data.Hand(ctx, stream.New(secure, r.raw, string(conv.Peer())), conv.done):
		return nil, nil
	case ctx.Err() != nil:
		return nil, transport.Interrupted("hand over a data connection", ctx)
	}
	return nil, conv.why()
}
