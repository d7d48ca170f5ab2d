package network

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/plain"
	"mft.dev/mft/internal/post"
	"mft.dev/mft/internal/restrict"
	"mft.dev/mft/link/entrance"
	"mft.dev/mft/link/path"
	"mft.dev/mft/link/transport"
)

// dialWithin is the most that a connection may take that the agent asked for; it gives up
// earlier if it likes.
const dialWithin = 15 * time.Second

// Policy is what the process may do: dial, and read what says how names are found.
func Policy() restrict.Policy { return restrict.Network(restrict.Resolver()) }

// Main is the life of the process: it raises its walls, and serves the agent at the other end of
// socket until that ends. Listener is the file of the socket that listens, nil for an agent that
// only dials.
func Main(ctx context.Context, socket, listener *os.File, log *slog.Logger) error {
	fail := func(err error) error { return mft.Fail(mft.CodeInternal, "start the network process", "", err) }
	conn, err := post.Open(socket)
	if err != nil {
		return fail(err)
	}
	defer conn.Close()
	var ln net.Listener
	if listener != nil {
		ln, err = net.FileListener(listener)
		listener.Close()
		if err != nil {
			return fail(err)
		}
		defer ln.Close()
	}
	walls, err := restrict.Apply(Policy())
	if err != nil {
		return err
	}
	log.Info("the network process starts", "walls", walls.String())
	return Serve(ctx, conn, ln, walls, log)
}

// A process is the exposed end. It implements entrance.Host by asking the agent.
type process struct {
	line *line
	last atomic.Uint32 // number of an incoming connection; they are even
}

// Serve serves the agent until it ends, which is no error, or ctx does. Ln is nil for an agent that
// only dials.
func Serve(ctx context.Context, conn *post.Conn, ln net.Listener, walls restrict.Report, log *slog.Logger) error {
	p := &process{line: newLine(conn)}
	said := ready{Walls: walls}
	if ln != nil {
		said.Listening = ln.Addr().String()
	}
	switch err := conn.Send(post.Message{Kind: kindReady, Payload: plain.Append(nil, said)}); {
	case errors.Is(err, syscall.EPIPE):
		return nil // it has ended
	case err != nil:
		return mft.Fail(mft.CodeInternal, "tell the agent that the network process is there", "", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = conn.Socket().CloseRead() })()
	failed := make(chan error, 1)
	if ln != nil {
		all.Go(func() {
			failed <- entrance.Door{Listener: ln, Gate: entrance.Gate(), Log: log}.Accept(ctx, p)
			cancel()
		})
	}
	err := p.line.run(func(kind uint8, id uint32, payload []byte) error {
		var d dial
		if kind == kindCall || id%2 != 1 || plain.Parse(payload, &d) != nil {
			return errNonsense
		}
		v, err := p.line.enter(id)
		if err != nil {
			return err
		}
		all.Go(func() { v.dial(ctx, kind, d) })
		return nil
	})
	select {
	case e := <-failed:
		err = errors.Join(e, err)
	default:
	}
	if errors.Is(err, io.EOF) || ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}

// Expect implements entrance.Host.
func (p *process) Expect(ctx context.Context, h entrance.Hello) (*entrance.Plan, error) {
	v, err := p.line.enter(p.last.Add(2))
	if err != nil {
		return nil, err
	}
	err = v.sendValue(kindCall, call{h.Remote.String(), clip(h.Proto), clip(h.ServerName)})
	var n note
	if err == nil {
		n, err = v.receive(ctx)
		n.drop()
	}
	var s shown
	switch {
	case err != nil:
	case n.kind == kindPass:
		return &entrance.Plan{Raw: func(_ context.Context, conn net.Conn, heard []byte) { v.give(conn, heard) }}, nil
	case n.kind == kindServe && plain.Parse(n.payload, &s) == nil:
		var t *terms
		if t, err = v.terms(ctx, h.Proto, s); err == nil {
			return &entrance.Plan{Terms: t.Terms, Failed: t.failed, Greet: func(_ context.Context, s *transport.Secure) (func(context.Context), error) {
				return func(ctx context.Context) { v.carry(ctx, s, t) }, nil
			}}, nil
		}
	default:
		err = errRefused
	}
	v.failed(err)
	return nil, err
}

// dial does what the agent asks for.
func (v *visit) dial(ctx context.Context, kind uint8, d dial) {
	greeting, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	conn, err := transport.Dial(greeting, d.Address)
	if err != nil {
		v.failed(transport.Unreachable(d.Address, err))
		return
	}
	if kind == kindDial {
		v.give(conn, nil)
		return
	}
	t, err := v.terms(greeting, d.Proto, shown{d.Chain})
	var s *transport.Secure
	if err == nil {
		s, err = transport.Connect(greeting, conn, t.Terms)
	}
	if err != nil {
		conn.Close() // of no use to anybody
		t.failed(err)
		return
	}
	cancel()
	v.carry(ctx, s, t)
}

// failed tells the agent that there is no connection.
func (v *visit) failed(err error) {
	v.leave()
	_ = v.sendValue(kindFailed, failureOf(err)) // it may be gone
}

// give hands a connection over, with what was heard on it.
func (v *visit) give(conn net.Conn, heard []byte) {
	defer conn.Close() // the agent has it
	v.leave()
	raw, ok := conn.(*net.TCPConn)
	if !ok || len(heard) > maxHeard {
		v.failed(errNonsense)
		return
	}
	_ = v.line.send(post.Message{Kind: kindRaw, ID: v.id, Payload: heard, Conn: raw}) // it may be gone
}

// terms are those of a handshake in which the agent signs and judges. It implements
// crypto.Signer.
type terms struct {
	transport.Terms
	visit  *visit
	ctx    context.Context // of the handshake: neither a signer nor a judge is given one
	public crypto.PublicKey
	socket *net.UnixConn // to the agent, once that has accepted
}

func (v *visit) terms(ctx context.Context, proto string, own shown) (*terms, error) {
	t := &terms{visit: v, ctx: ctx}
	chain, err := own.certificates()
	if err != nil {
		return t, err
	}
	t.public = chain[0].PublicKey
	t.Terms = transport.Terms{Proto: proto, Own: &tls.Certificate{Certificate: own.Chain, PrivateKey: t}, Verify: t.verify}
	return t, nil
}

// failed tells the agent that the handshake has.
func (t *terms) failed(err error) {
	if t.socket != nil {
		t.socket.Close()
	}
	t.visit.failed(err)
}

// Public implements crypto.Signer.
func (t *terms) Public() crypto.PublicKey { return t.public }

// Sign implements crypto.Signer.
func (t *terms) Sign(_ io.Reader, message []byte, _ crypto.SignerOpts) ([]byte, error) {
	if err := t.visit.send(kindSign, message); err != nil {
		return nil, err
	}
	n, err := t.visit.receive(t.ctx)
	if n.drop(); err == nil && n.kind != kindSigned {
		err = errRefused
	}
	return n.payload, err
}

// verify holds what the other end shows to its form, and asks the agent about the rest.
func (t *terms) verify(chain []*x509.Certificate) error {
	var s shown
	for _, c := range chain {
		if _, ok := c.PublicKey.(ed25519.PublicKey); !ok || len(c.Raw) > maxCertificate || len(chain) > maxChain {
			return mft.Fail(mft.CodeUntrusted, "greet", "", errors.New("an agent shows no such certificates"))
		}
		s.Chain = append(s.Chain, c.Raw)
	}
	if err := t.visit.sendValue(kindShown, s); err != nil {
		return err
	}
	n, err := t.visit.receive(t.ctx)
	if err == nil && (n.kind != kindAccept || n.file == nil) {
		n.drop()
		err = mft.Fail(mft.CodeUntrusted, "greet", "", errRefused)
	}
	if err != nil {
		return err
	}
	socket, err := post.Open(n.file)
	if err == nil {
		t.socket = socket.Socket()
	}
	return err
}

// carry tells the agent that the handshake is done, and passes on what either end says until
// both have ended.
func (v *visit) carry(ctx context.Context, s *transport.Secure, t *terms) {
	defer v.leave()
	end := func() {
		s.Close()
		t.socket.Close()
	}
	defer end()
	defer context.AfterFunc(ctx, end)()
	done := secured{Remote: s.RemoteAddr().String(), Exporter: s.Exporter, RoundTrip: int64(path.Measure(s).RoundTrip)}
	if v.sendValue(kindSecure, done) != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() {
		err := pass(t.socket, s)
		_ = v.sendValue(kindEnded, failureOf(err)) // before the end itself, which it explains
		_ = t.socket.CloseWrite()
	})
	both.Go(func() {
		_ = pass(s, t.socket) // whoever is told of it is at the other end
		s.Close()
	})
	both.Wait()
}

// passWithin is how long a part may take to leave: a peer that does not read holds nothing here
// for longer.
const passWithin = time.Minute

// pass copies until from ends, which is no error, or either fails.
func pass(to, from net.Conn) error {
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			_ = to.SetWriteDeadline(time.Now().Add(passWithin)) // one that is gone is found out now
			if _, werr := to.Write(b[:n]); werr != nil {
				return werr
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
