// Package entrance is where connections of peers come in: it accepts them, bounds how many
// are not useful yet, reads what each asks for, and does the handshake, or has somebody else
// do that.
//
// What becomes of a connection its [Host] says, who is asked before anything is known of who
// asks. The package itself trusts nobody and knows no keys.
package entrance

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/link/dataconn"
	"mft.dev/mft/link/gate"
	"mft.dev/mft/link/transport"
)

const (
	// GreetWithin is the time for a connection to become useful: the TLS handshake, and for a
	// data connection the wait for its conversation, for a control connection the Hello, for
	// pairing the request.
	GreetWithin = 10 * time.Second

	// MaxPending and MaxPendingOf bound the connections that are not useful yet, of everybody
	// and of one network address.
	MaxPending   = 512
	MaxPendingOf = 128
)

// Gate returns one for the connections that are not useful yet.
func Gate() *gate.Gate { return gate.New(MaxPending, MaxPendingOf) }

// A Hello is what a connection asks for.
type Hello struct {
	Remote     net.Addr
	Proto      string // the one application protocol that it names, "" for none or several
	ServerName string
}

// A Plan is what becomes of a connection: Raw is set, or Terms and Greet are.
type Plan struct {
	// Raw takes a connection before its handshake, with what was heard of it.
	Raw func(ctx context.Context, conn net.Conn, heard []byte)
	// Terms are those of the handshake.
	Terms transport.Terms
	// Greet makes a connection useful, and returns how to go on with it, nil when it is done.
	// After an error the connection is closed.
	Greet func(ctx context.Context, s *transport.Secure) (then func(context.Context), err error)
	// Failed is told why there was no call of Greet; may be nil.
	Failed func(err error)
}

// A Host says what becomes of connections. It is called concurrently.
type Host interface {
	Expect(ctx context.Context, h Hello) (*Plan, error)
}

// A Door is one listener.
type Door struct {
	Listener net.Listener
	Gate     *gate.Gate
	Log      *slog.Logger
}

// Accept takes connections until ctx ends or the listener fails, whose error it returns. It
// closes the listener, and waits for all that it began.
func (d Door) Accept(ctx context.Context, host Host) error {
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { d.Listener.Close() })()
	pause := time.Duration(0)
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return mft.Fail(mft.CodeIO, "accept connections at", d.Listener.Addr().String(), err)
			}
			// As with too many open files: it passes.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			d.Log.Warn("accepting a connection", "error", err, "pause", pause)
			if !transport.Sleep(ctx, pause) {
				return nil
			}
			continue
		}
		pause = 0
		visitor := d.Gate.Enter(conn.RemoteAddr(), func() { conn.Close() })
		all.Go(func() { d.welcome(ctx, host, conn, visitor) })
	}
}

// errPassed ends a handshake that somebody else begins anew.
var errPassed = errors.New("somebody else deals with the connection")

// welcome sees to it that a connection becomes useful in time, or ends.
func (d Door) welcome(ctx context.Context, host Host, conn net.Conn, visitor *gate.Visitor) {
	defer d.Gate.Leave(visitor)
	transport.Tune(conn)
	greeting, cancel := context.WithTimeout(ctx, GreetWithin)
	defer cancel()
	plan := &Plan{}
	heard := dataconn.Hear(conn)
	secure := tls.Server(heard, &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			p, err := host.Expect(hello.Context(), of(conn, hello))
			if err != nil {
				return nil, err
			}
			if plan = p; plan.Raw != nil {
				heard.Pass()
				return nil, errPassed
			}
			heard.Forget()
			return plan.Terms.TLS(), nil
		},
	})
	then, err := greet(greeting, secure, &plan)
	if said, ok := heard.Passed(); ok {
		plan.Raw(greeting, conn, said)
		return
	}
	if err != nil {
		d.Log.Debug("a connection was refused", "remote", conn.RemoteAddr(), "error", err)
		transport.Dismiss(conn)
		return
	}
	if then != nil {
		d.Gate.Leave(visitor)
		cancel()
		then(ctx)
	}
}

// of reads what a connection asks for.
func of(conn net.Conn, hello *tls.ClientHelloInfo) Hello {
	h := Hello{Remote: conn.RemoteAddr(), ServerName: hello.ServerName}
	if len(hello.SupportedProtos) == 1 {
		h.Proto = hello.SupportedProtos[0]
	}
	return h
}

func greet(ctx context.Context, secure *tls.Conn, plan **Plan) (func(context.Context), error) {
	err := secure.HandshakeContext(ctx)
	var s *transport.Secure
	if err == nil {
		s, err = transport.Secured(secure)
	}
	if err != nil {
		err = transport.Failure("greet", secure.RemoteAddr().String(), err)
		if failed := (*plan).Failed; failed != nil {
			failed(err)
		}
		return nil, err
	}
	return (*plan).Greet(ctx, s)
}
