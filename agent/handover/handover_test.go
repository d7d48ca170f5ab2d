package handover

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi/route"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A program answers as it is told, and remembers what it was asked.
type program struct {
	state    State
	err      error
	tried    Order
	accepted *bool
}

func (p *program) State(context.Context) State { return p.state }

func (p *program) Try(_ context.Context, o Order) error {
	p.tried = o
	return p.err
}

func (p *program) End(_ context.Context, accept bool) error {
	p.accepted = &accept
	return p.err
}

// serve returns a client of p.
func serve(t *testing.T, p Program) *Client {
	t.Helper()
	path := SocketBeside(filepath.Join(t.TempDir(), "agent.sock"))
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, ln, p) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return NewClient(path)
}

func TestTalk(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p := &program{state: State{
		Version: "1.3.0", Executable: "/usr/bin/mft", Ready: true, Tried: "1.4.0", Problem: &route.Problem{Code: mft.CodeTrial, Detail: "no"},
	}}
	c := serve(t, p)
	got, err := c.State(ctx)
	if err != nil || got.Version != "1.3.0" || got.Problem == nil || mft.CodeOf(got.Problem.Err()) != mft.CodeTrial {
		t.Errorf("State = %+v, %v, want what the program says", got, err)
	}
	if err := c.Try(ctx, Order{Manifest: []byte("m\xff"), Staged: true}); err != nil || !bytes.Equal(p.tried.Manifest, []byte("m\xff")) || !p.tried.Staged {
		t.Errorf("Try = %v and came as %+v", err, p.tried)
	}
	p.err = mft.Fail(mft.CodeBadRelease, "open", "x", errors.New("no key"))
	if err := c.Try(ctx, Order{}); mft.CodeOf(err) != mft.CodeBadRelease {
		t.Errorf("Try = %v, want the code of the program", err)
	}
	if err := c.End(ctx, true); mft.CodeOf(err) != mft.CodeBadRelease || p.accepted == nil || !*p.accepted {
		t.Errorf("End = %v and came as %v", err, p.accepted)
	}
	if err := c.Try(ctx, Order{Manifest: make([]byte, maxMessage)}); err == nil {
		t.Error("an order without bounds was taken")
	}
	if err := c.call(ctx, http.MethodPost, "/v1/try", map[string]string{"run": "/bin/sh"}, nil); mft.CodeOf(err) != mft.CodeUsage {
		t.Errorf("an unknown word = %v, want code %s", err, mft.CodeUsage)
	}
}

func TestNobody(t *testing.T) {
	if _, err := NewClient(filepath.Join(t.TempDir(), "s")).State(t.Context()); mft.CodeOf(err) != mft.CodeNotRunning {
		t.Errorf("State where nobody is = %v, want code %s", err, mft.CodeNotRunning)
	}
}
