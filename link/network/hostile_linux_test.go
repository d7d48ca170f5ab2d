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
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/internal/plain"
	"mft.dev/mft/internal/post"
	"mft.dev/mft/internal/restrict"
	"mft.dev/mft/link/entrance"
	"mft.dev/mft/link/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A host is an agent that wants every connection and counts what it was led to do.
type host struct {
	own    tls.Certificate
	public ed25519.PublicKey
	der    []byte

	signed, judged, greeted, given atomic.Int32
	trusts                         bool
	bad                            atomic.Pointer[string]
}

func newHost(t testing.TB, trusts bool) *host {
	t.Helper()
	own, _, err := identity.EphemeralCertificate(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	h := &host{own: own, der: own.Certificate[0], trusts: trusts}
	h.public = own.PrivateKey.(ed25519.PrivateKey).Public().(ed25519.PublicKey)
	h.own.PrivateKey = h
	return h
}

func (h *host) Public() crypto.PublicKey { return h.public }

func (h *host) Sign(_ io.Reader, message []byte, _ crypto.SignerOpts) ([]byte, error) {
	h.signed.Add(1)
	if !strings.HasPrefix(string(message), strings.Repeat(" ", 64)+"TLS 1.3, ") {
		said := string(message)
		h.bad.Store(&said)
	}
	return make([]byte, 64), nil
}

func (h *host) terms() transport.Terms {
	return transport.Terms{Proto: transport.Control, Own: &h.own, Verify: func([]*x509.Certificate) error {
		h.judged.Add(1)
		if !h.trusts {
			return mft.Fail(mft.CodeUntrusted, "verify", "", nil)
		}
		return nil
	}}
}

func (h *host) Expect(_ context.Context, hello entrance.Hello) (*entrance.Plan, error) {
	switch hello.Proto {
	case transport.Data:
		return &entrance.Plan{Raw: func(_ context.Context, conn net.Conn, _ []byte) {
			h.given.Add(1)
			conn.Close()
		}}, nil
	case transport.Control:
		return &entrance.Plan{Terms: h.terms(), Greet: func(_ context.Context, s *transport.Secure) (func(context.Context), error) {
			h.greeted.Add(1)
			return nil, s.Close()
		}}, nil
	}
	return nil, errors.New("nobody speaks that")
}

// An act is one message of somebody hostile.
type act struct {
	kind    uint8
	id      uint32
	payload []byte
	file    bool
}

var proof = []byte(strings.Repeat(" ", 64) + "TLS 1.3, server CertificateVerify\x00" + strings.Repeat("h", 32))

// against has somebody say these things to an agent, in step one after each answer, and returns
// why that hears him no further, nil when it would.
func against(t testing.TB, h *host, acts []act, inStep bool) (err error) {
	t.Helper()
	here, there, err := post.Pair()
	if err != nil {
		t.Fatal(err)
	}
	hostile, err := post.Open(there)
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(nil, slog.New(slog.DiscardHandler))
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { ended <- c.serve(ctx, here, h) }()
	_ = hostile.Send(post.Message{Kind: kindReady, Payload: plain.Append(nil, ready{Walls: restrict.Report{Role: restrict.RoleNetwork}})})
	heard := make(chan post.Message, 4*len(acts)+4) // what the agent says
	go func() {
		defer close(heard)
		for {
			m, err := hostile.Receive()
			if err != nil {
				return
			}
			heard <- m
		}
	}()
	var socket *os.File
	refused := !inStep
	for _, a := range acts {
		m := post.Message{Kind: a.kind, ID: a.id, Payload: a.payload}
		if a.file {
			if m.File, err = os.Open(os.DevNull); err != nil {
				t.Fatal(err)
			}
		}
		err := hostile.Send(m)
		if m.File != nil {
			m.File.Close()
		}
		if err != nil {
			break
		}
		if refused {
			continue
		}
		if a.kind == kindSecure && socket != nil {
			_, _ = io.Copy(io.Discard, socket) // the agent closes it when it has greeted, or refuses
			continue
		}
		answer := <-heard
		refused = answer.Kind == kindRefuse || answer.Kind == 0
		if answer.File != nil {
			socket = answer.File
		}
	}
	_ = hostile.Socket().CloseWrite()
	err = <-ended
	hostile.Close()
	for m := range heard {
		if m.File != nil {
			m.File.Close()
		}
	}
	if socket != nil {
		socket.Close()
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return err
}

func calls(proto string) []byte { return plain.Append(nil, call{"192.0.2.1:9", proto, "name"}) }

// TestHostileProcess: a process that somebody has taken over gets one signature for each
// connection, of a handshake, and no connection whose other end the agent has not judged.
func TestHostileProcess(t *testing.T) {
	h := newHost(t, true) // whose certificate somebody shows
	peer := plain.Append(nil, shown{[][]byte{h.der}})
	done := plain.Append(nil, secured{Remote: "192.0.2.1:9"})
	control := act{kindCall, 2, calls(transport.Control), false}
	for _, tt := range []struct {
		name            string
		trusts          bool
		acts            []act
		ends            bool
		answered        bool
		signed, greeted int32
	}{
		{"what is agreed", true, []act{control, {kindSign, 2, proof, false}, {kindShown, 2, peer, false}, {kindSecure, 2, done, false}}, false, true, 1, 1},
		{"who is not trusted", false, []act{control, {kindSign, 2, proof, false}, {kindShown, 2, peer, false}, {kindSecure, 2, done, false}}, false, true, 1, 0},
		{"two signatures", true, []act{control, {kindSign, 2, proof, false}, {kindSign, 2, proof, false}, {kindSecure, 2, done, false}}, false, true, 1, 0},
		{"another signature", true, []act{control, {kindSign, 2, []byte("mft envelope"), false}}, false, true, 0, 0},
		{"no signature", true, []act{control, {kindShown, 2, peer, false}, {kindSecure, 2, done, false}}, false, true, 0, 0},
		{"nobody shown", true, []act{control, {kindSign, 2, proof, false}, {kindSecure, 2, done, false}}, false, true, 1, 0},
		{"no certificate", true, []act{control, {kindShown, 2, plain.Append(nil, shown{[][]byte{[]byte("x")}}), false}}, false, true, 0, 0},
		{"no chain", true, []act{control, {kindShown, 2, plain.Append(nil, shown{}), false}}, false, true, 0, 0},
		{"a file with it", true, []act{control, {kindSign, 2, proof, true}}, false, true, 0, 0},
		{"the end before the beginning", true, []act{control, {kindEnded, 2, plain.Append(nil, failure{}), false}}, false, true, 0, 0},
		{"no socket", true, []act{{kindCall, 2, calls(transport.Data), false}, {kindRaw, 2, nil, true}}, false, true, 0, 0},
		{"about nothing", true, []act{{kindSign, 8, proof, true}, {kindSecure, 9, done, false}}, false, false, 0, 0},
		{"the same number twice", true, []act{{kindCall, 2, calls(transport.Control), false}, control}, true, false, 0, 0},
		{"a number of the agent's", true, []act{{kindCall, 3, calls(transport.Control), false}}, true, false, 0, 0},
		{"an order to the agent", true, []act{{kindDial, 3, plain.Append(nil, dial{Address: "x:1"}), false}}, true, false, 0, 0},
		{"no call", true, []act{{kindCall, 2, []byte("x"), false}}, true, false, 0, 0},
		{"from nowhere", true, []act{{kindCall, 2, plain.Append(nil, call{"host:1", transport.Control, ""}), false}}, true, false, 0, 0},
		{"too long", true, []act{{kindSign, 2, make([]byte, maxMessage+1), false}}, true, false, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t, tt.trusts)
			err := against(t, h, tt.acts, tt.answered)
			if (err != nil) != tt.ends {
				t.Errorf("it was heard until %v", err)
			}
			if s, g := h.signed.Load(), h.greeted.Load(); s != tt.signed || g != tt.greeted {
				t.Errorf("%d signatures and %d connections, want %d and %d", s, g, tt.signed, tt.greeted)
			}
			if bad := h.bad.Load(); bad != nil || h.given.Load() > 0 {
				t.Errorf("signed %v, given %d", bad, h.given.Load())
			}
		})
	}
}

// TestFlood: more about a connection than there is to say ends the line.
func TestFlood(t *testing.T) {
	h := newHost(t, true)
	acts := []act{{kindCall, 2, calls(transport.Control), false}}
	for range 5000 {
		acts = append(acts, act{kindCall, uint32(2 * len(acts)), calls(transport.Control), false})
	}
	_ = against(t, h, acts[1:], false)
	if h.signed.Load() > 0 || h.greeted.Load() > 0 {
		t.Error("it was led to do something")
	}
}

// script makes acts of bytes.
func script(b []byte) (acts []act) {
	for len(b) >= 4 && len(acts) < 64 {
		n := min(int(b[3]), len(b)-4)
		acts = append(acts, act{b[0], uint32(b[1]), b[4 : 4+n], b[2]%8 == 1})
		b = b[4+n:]
	}
	return acts
}

func unscript(acts []act) (b []byte) {
	for _, a := range acts {
		b = append(b, a.kind, byte(a.id), 0, byte(len(a.payload)))
		b = append(b, a.payload[:min(len(a.payload), 255)]...)
	}
	return b
}

// FuzzProcess: whatever a process says, the agent signs handshakes only, one for each
// connection, and has none whose other end it does not trust.
func FuzzProcess(f *testing.F) {
	f.Add(unscript([]act{{kindCall, 2, calls(transport.Control), false}, {kindSign, 2, proof, false}}))
	f.Add(unscript([]act{{kindCall, 4, calls(transport.Data), false}, {kindRaw, 4, []byte("heard"), false}}))
	f.Add(unscript([]act{
		{kindCall, 2, calls(transport.Control), false},
		{kindSign, 2, proof, false},
		{kindSecure, 2, plain.Append(nil, secured{Remote: "192.0.2.1:9"}), false},
		{kindFailed, 2, plain.Append(nil, failure{Code: mft.CodeBusy}), false},
	}))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, acts := newHost(t, false), script(b)
		_ = against(t, h, acts, false)
		opened := int32(0)
		for _, a := range acts {
			if a.kind == kindCall {
				opened++
			}
		}
		if h.bad.Load() != nil || h.greeted.Load() > 0 || h.given.Load() > 0 || h.signed.Load() > opened {
			t.Errorf("%d signatures for %d connections, %d greeted, %d given", h.signed.Load(), opened, h.greeted.Load(), h.given.Load())
		}
	})
}

// FuzzAgent: whatever an agent says, the process ends when the agent does.
func FuzzAgent(f *testing.F) {
	f.Add(unscript([]act{{kindRefuse, 2, nil, false}, {kindPass, 4, nil, false}, {kindSigned, 6, []byte("s"), false}}))
	f.Add(unscript([]act{{kindDial, 1, plain.Append(nil, dial{Address: "127.0.0.1:1"}), false}, {kindRefuse, 1, nil, false}}))
	f.Add(unscript([]act{{kindConnect, 3, plain.Append(nil, dial{Address: "nowhere", Proto: transport.Control}), false}, {kindAccept, 3, nil, false}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		here, there, err := post.Pair()
		if err != nil {
			t.Fatal(err)
		}
		conn, err := post.Open(there)
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			defer conn.Close()
			_ = Serve(context.Background(), conn, nil, restrict.Report{}, slog.New(slog.DiscardHandler))
		}()
		for _, a := range script(b) {
			if a.kind == kindDial || a.kind == kindConnect {
				var d dial
				if plain.Parse(a.payload, &d) == nil && !strings.HasPrefix(d.Address, "127.0.0.1:") {
					continue // nobody is dialled by chance
				}
			}
			if here.Send(post.Message{Kind: a.kind, ID: a.id, Payload: a.payload}) != nil {
				break
			}
		}
		here.Close()
		<-ended
	})
}
