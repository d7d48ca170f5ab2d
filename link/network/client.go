package network

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity/holder"
	"mft.dev/mft/internal/plain"
	"mft.dev/mft/internal/post"
	"mft.dev/mft/internal/restrict"
	"mft.dev/mft/link/entrance"
	"mft.dev/mft/link/gate"
	"mft.dev/mft/link/transport"
)

// A Client is the network as the agent has it: the process at the other end of a socket. It
// implements link.Network and is safe for concurrent use; nothing works before Accept runs.
type Client struct {
	open func(ctx context.Context) (*post.Conn, error)
	log  *slog.Logger
	gate *gate.Gate
	last atomic.Uint32 // number of a connection that was asked for; they are odd

	mu    sync.Mutex // guards what follows
	line  *line      // nil while there is no process
	came  chan struct{}
	walls *restrict.Report
}

// NewClient returns a client. Open starts the process, or another one in place of one that has
// ended, and returns the connection to it.
func NewClient(open func(ctx context.Context) (*post.Conn, error), log *slog.Logger) *Client {
	c := &Client{open: open, log: log, gate: entrance.Gate(), came: make(chan struct{})}
	c.last.Store(1)
	return c
}

// Walls are those around the process; false while there is none.
func (c *Client) Walls() (restrict.Report, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.line == nil || c.walls == nil {
		return restrict.Report{}, false
	}
	return *c.walls, true
}

const (
	// firstPause and lastPause bound the pause until a process that has ended is asked for anew.
	firstPause = 100 * time.Millisecond
	lastPause  = 10 * time.Second
	livesFor   = 10 * time.Second
	// readyWithin is how long a process has to raise its walls.
	readyWithin = 10 * time.Second
)

// Accept implements link.Network: it has a process run for as long as ctx does.
func (c *Client) Accept(ctx context.Context, host entrance.Host) error {
	pause := firstPause
	for ctx.Err() == nil {
		began := time.Now()
		conn, err := c.open(ctx)
		if err == nil {
			err = c.serve(ctx, conn, host)
		}
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > livesFor {
			pause = firstPause
		}
		c.log.Error("there is no network process; it is started anew", "err", err, "pause", pause)
		if !transport.Sleep(ctx, pause) {
			return nil
		}
		pause = min(2*pause, lastPause)
	}
	return nil
}

// serve hears one process until that ends or ctx does, and waits for all that it began.
func (c *Client) serve(ctx context.Context, conn *post.Conn, host entrance.Host) error {
	l := newLine(conn)
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = conn.Socket().CloseRead() })()
	_ = conn.Socket().SetReadDeadline(time.Now().Add(readyWithin)) // it is a socket
	m, err := conn.Receive()
	var r ready
	if err == nil && (m.Kind != kindReady || m.File != nil || plain.Parse(m.Payload, &r) != nil) {
		err = errNonsense
	}
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	_ = conn.Socket().SetReadDeadline(time.Time{})
	c.log.Info("the network process is there", "walls", r.Walls.String(), "listening", r.Listening)
	c.use(l, &r.Walls)
	defer c.use(nil, nil)
	return l.run(func(kind uint8, id uint32, payload []byte) error {
		var incoming call
		if kind != kindCall || id%2 != 0 || plain.Parse(payload, &incoming) != nil {
			return errNonsense
		}
		from, err := remote(incoming.Remote)
		if err != nil {
			return fmt.Errorf("%w: %w", errNonsense, err)
		}
		v, err := l.enter(id)
		if err != nil {
			return err
		}
		all.Go(func() {
			c.welcome(ctx, host, v, entrance.Hello{Remote: from, Proto: incoming.Proto, ServerName: incoming.ServerName})
		})
		return nil
	})
}

// use makes a line the one that works.
func (c *Client) use(l *line, walls *restrict.Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line, c.walls = l, walls
	if l != nil {
		close(c.came)
		return
	}
	c.came = make(chan struct{})
}

// welcome sees to it that a connection that has come becomes useful in time, or ends.
func (c *Client) welcome(ctx context.Context, host entrance.Host, v *visit, h entrance.Hello) {
	greeting, cancel := context.WithTimeout(ctx, entrance.GreetWithin)
	defer cancel()
	visitor := c.gate.Enter(h.Remote, cancel)
	defer c.gate.Leave(visitor)
	then, err := c.greet(greeting, host, v, h)
	if err != nil {
		v.leave()
		_ = v.send(kindRefuse, nil) // it may be gone
		c.log.Debug("a connection was refused", "remote", h.Remote, "error", err)
		return
	}
	if then != nil {
		c.gate.Leave(visitor)
		then(ctx)
	}
}

func (c *Client) greet(ctx context.Context, host entrance.Host, v *visit, h entrance.Hello) (func(context.Context), error) {
	plan, err := host.Expect(ctx, h)
	if err != nil {
		return nil, err
	}
	if plan.Raw != nil {
		if err := v.send(kindPass, nil); err != nil {
			return nil, err
		}
		conn, heard, err := v.raw(ctx)
		if err != nil {
			return nil, err
		}
		v.leave()
		plan.Raw(ctx, conn, heard)
		return nil, nil
	}
	if err := v.sendValue(kindServe, shown{plan.Terms.Own.Certificate}); err != nil {
		return nil, err
	}
	s, err := v.secure(ctx, plan.Terms, h.Remote)
	if err != nil {
		return nil, err
	}
	then, err := plan.Greet(ctx, s)
	if err != nil {
		s.Close() // of no use to anybody
		return nil, err
	}
	return then, nil
}

// begin asks the process for a connection, when it is there.
func (c *Client) begin(ctx context.Context, kind uint8, d dial) (*visit, error) {
	for {
		c.mu.Lock()
		l, came := c.line, c.came
		c.mu.Unlock()
		if l != nil {
			v, err := l.enter(c.last.Add(2))
			if err == nil {
				err = v.sendValue(kind, d)
			}
			if err != nil {
				err = mft.Fail(mft.CodeUnreachable, "ask the network process for", d.Address, err)
			}
			return v, err
		}
		select {
		case <-came:
		case <-ctx.Done():
			return nil, mft.Fail(mft.CodeUnreachable, "ask the network process for", d.Address, context.Cause(ctx))
		}
	}
}

// Dial implements link.Network.
func (c *Client) Dial(ctx context.Context, address string) (net.Conn, error) {
	v, err := c.begin(ctx, kindDial, dial{Address: address})
	if err != nil {
		return nil, err
	}
	defer v.leave()
	conn, _, err := v.raw(ctx)
	if err != nil {
		_ = v.send(kindRefuse, nil) // it may be gone
	}
	return conn, err
}

// Connect implements link.Network.
func (c *Client) Connect(ctx context.Context, address string, t transport.Terms) (*transport.Secure, error) {
	v, err := c.begin(ctx, kindConnect, dial{address, t.Proto, t.Own.Certificate})
	if err != nil {
		return nil, err
	}
	s, err := v.secure(ctx, t, nil)
	if err != nil {
		v.leave()
		_ = v.send(kindRefuse, nil) // it may be gone
	}
	return s, err
}

// raw waits for a connection on which this end has said nothing, and what was heard on it.
func (v *visit) raw(ctx context.Context) (net.Conn, []byte, error) {
	n, err := v.receive(ctx)
	switch {
	case err != nil:
		return nil, nil, err
	case n.kind == kindRaw && n.file != nil:
		conn, err := tcp(n.file)
		return conn, n.payload, err
	}
	n.drop()
	return nil, nil, n.failure()
}

// tcp makes a connection of what the process gave: nothing else is of use.
func tcp(f *os.File) (net.Conn, error) {
	conn, err := post.Dialled(f)
	if err != nil {
		return nil, err
	}
	if _, ok := conn.(*net.TCPConn); !ok {
		return nil, errors.Join(errNonsense, conn.Close())
	}
	return conn, nil
}

// failure is what a note tells that was not waited for.
func (n note) failure() error {
	var f failure
	if n.kind != kindFailed || plain.Parse(n.payload, &f) != nil || f.err() == nil {
		return errNonsense
	}
	return f.err()
}

// A handshake is what the agent has done about one so far.
type handshake struct {
	terms  transport.Terms
	from   net.Addr // nil for one that was dialled
	signed bool
	peer   []*x509.Certificate // once they were accepted
	socket *post.Conn          // what is said goes over it, then too
}

// secure does the agent's part of a handshake: it signs once, judges once, and then has the
// connection.
func (v *visit) secure(ctx context.Context, t transport.Terms, from net.Addr) (s *transport.Secure, err error) {
	h := handshake{terms: t, from: from}
	defer func() {
		if err != nil && h.socket != nil {
			h.socket.Close()
		}
	}()
	for s == nil && err == nil {
		var n note
		if n, err = v.receive(ctx); err == nil {
			s, err = v.step(&h, n)
			n.drop()
		}
	}
	return s, err
}

// step does what a note asks for; s is set when the handshake is done.
func (v *visit) step(h *handshake, n note) (s *transport.Secure, err error) {
	switch {
	case n.file != nil:
		return nil, errNonsense
	case n.kind == kindSign && !h.signed:
		return nil, v.sign(h, n.payload)
	case n.kind == kindShown && h.socket == nil:
		return nil, v.judge(h, n.payload)
	case n.kind == kindSecure && h.signed && h.socket != nil:
		var done secured
		if plain.Parse(n.payload, &done) != nil {
			return nil, errNonsense
		}
		if h.from == nil {
			if h.from, err = remote(done.Remote); err != nil {
				return nil, errNonsense
			}
		}
		c := &conn{UnixConn: h.socket.Socket(), visit: v, from: h.from, away: time.Duration(done.RoundTrip)}
		return &transport.Secure{Conn: c.watched(), Peer: h.peer, Exporter: done.Exporter}, nil
	}
	return nil, n.failure()
}

// sign has what proves this end of a handshake signed, and nothing else.
func (v *visit) sign(h *handshake, message []byte) error {
	h.signed = true
	if err := holder.CheckHandshake(message); err != nil {
		return fmt.Errorf("%w: %w", errNonsense, err)
	}
	key, ok := h.terms.Own.PrivateKey.(crypto.Signer)
	if !ok {
		return errors.New("this agent's key does not sign")
	}
	signature, err := key.Sign(rand.Reader, message, crypto.Hash(0))
	if err != nil {
		return err
	}
	return v.send(kindSigned, signature)
}

// judge decides about what the other end has shown.
func (v *visit) judge(h *handshake, payload []byte) error {
	var s shown
	if plain.Parse(payload, &s) != nil {
		return errNonsense
	}
	peer, err := s.certificates()
	if err == nil {
		err = h.terms.Verify(peer)
	}
	if err != nil {
		return err
	}
	socket, there, err := post.Pair()
	if err != nil {
		return err
	}
	defer there.Close()
	h.peer, h.socket = peer, socket
	return v.line.send(post.Message{Kind: kindAccept, ID: v.id, File: there})
}
