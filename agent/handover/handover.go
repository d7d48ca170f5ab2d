// Package handover is how `mft update` and the process of an agent talk while
// one version takes the place of another: HTTP with JSON on a socket of its own,
// beside the local socket, for the user of the agent and root alone.
//
//	c := handover.NewClient(path)
//	state, err := c.State(ctx)
//	err = c.Try(ctx, handover.Order{Manifest: sealed, Staged: true})
//	… c.State says that the version on trial is ready …
//	err = c.End(ctx, true)
//
// The group that may use the local socket may not use this one: whoever has a
// binary run is the agent. The package decides nothing; a [Program] does.
package handover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"syscall"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi/route"
	"mft.dev/mft/agent/localapi/socket"
	"mft.dev/mft/release"
)

const (
	// maxMessage is more than a manifest in JSON takes.
	maxMessage = 2*release.MaxManifest + 4096
	// answerTimeout is how long one answer may take.
	answerTimeout = 30 * time.Second
)

// SocketBeside returns the path of the socket that belongs to the local socket
// at path.
func SocketBeside(path string) string { return filepath.Join(filepath.Dir(path), "update.sock") }

// A State is what the process of an agent says of itself.
type State struct {
	Version string `json:"version"`
	// Executable is the file that it runs, without links.
	Executable string `json:"executable"`
	// Ready means that the journal is open and can be read, and that the agent
	// listens to its peers, if it does at all.
	Ready bool `json:"ready"`
	// Trial means that it is to show that it comes up, and begins nothing.
	Trial bool `json:"trial"`
	// Pending is the version that is to be tried next.
	Pending string `json:"pending,omitempty"`
	// Tried is the last version that was tried and failed, and Problem why; while
	// one is Pending, of that nothing is known yet, also where both are the same.
	Tried   string         `json:"tried,omitempty"`
	Problem *route.Problem `json:"problem,omitempty"`
}

// An Order asks an agent to try another version.
type Order struct {
	// Manifest is the sealed manifest of the release; the agent believes it no
	// more than anybody else.
	Manifest []byte `json:"manifest"`
	// Staged means that the binary lies beside the one that runs, see package
	// place; else it is there already.
	Staged bool `json:"staged"`
}

// A verdict ends a trial.
type verdict struct {
	Accept bool `json:"accept"`
}

// A Program is a process of an agent. Its methods are called by several
// goroutines.
type Program interface {
	State(ctx context.Context) State
	// Try has the agent finish what it does, end, and try the release; it
	// returns when that has begun.
	Try(ctx context.Context, o Order) error
	// End ends the trial of this process.
	End(ctx context.Context, accept bool) error
}

// Listen makes the socket at path.
func Listen(path string) (*socket.Listener, error) { return socket.Listen(path, "") }

// refusedKey is where the context of a connection says why it is refused.
type refusedKey struct{}

// Serve answers on ln until ctx ends, then closes ln and returns nil.
func Serve(ctx context.Context, ln *socket.Listener, p Program) error {
	srv := &http.Server{
		Handler: handler(p), ReadHeaderTimeout: answerTimeout, ReadTimeout: answerTimeout, WriteTimeout: 2 * answerTimeout,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			return context.WithValue(ctx, refusedKey{}, ln.Admits(conn))
		},
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(ln)
	if stop() {
		srv.Close()
		return mft.Fail(mft.CodeIO, "serve the socket for updates", ln.Addr().String(), err)
	}
	<-stopped
	return nil
}

func handler(p Program) http.Handler {
	mux := http.NewServeMux()
	answer := func(pattern string, f func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			err, _ := r.Context().Value(refusedKey{}).(error)
			if err != nil {
				err = mft.Fail(mft.CodePermission, "talk to the agent", "", err)
			}
			var out any
			if err == nil {
				r.Body = http.MaxBytesReader(w, r.Body, maxMessage)
				out, err = f(r)
			}
			status := http.StatusOK
			if err != nil {
				status, out = http.StatusBadRequest, route.ProblemOf(err)
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_ = json.NewEncoder(w).Encode(out) // the caller may have gone
		})
	}
	answer("GET /v1/state", func(r *http.Request) (any, error) { return p.State(r.Context()), nil })
	answer("POST /v1/try", func(r *http.Request) (any, error) {
		var o Order
		if err := read(r, &o); err != nil {
			return nil, err
		}
		return struct{}{}, p.Try(r.Context(), o)
	})
	answer("POST /v1/end", func(r *http.Request) (any, error) {
		var v verdict
		if err := read(r, &v); err != nil {
			return nil, err
		}
		return struct{}{}, p.End(r.Context(), v.Accept)
	})
	return mux
}

func read(r *http.Request, out any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(out); err != nil {
		return mft.Fail(mft.CodeUsage, "read order", r.URL.Path, err)
	}
	return nil
}

// A Client talks to the process behind a socket. It may be used concurrently.
type Client struct {
	path string
	http http.Client
}

// NewClient returns a client of the process that listens at path.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &Client{path: path, http: http.Client{
		Timeout: answerTimeout, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true},
	}}
}

// State asks what runs. The error is mft.CodeNotRunning when nobody answers.
func (c *Client) State(ctx context.Context) (State, error) {
	var out State
	return out, c.call(ctx, http.MethodGet, "/v1/state", nil, &out)
}

// Try orders a trial.
func (c *Client) Try(ctx context.Context, o Order) error {
	return c.call(ctx, http.MethodPost, "/v1/try", o, &struct{}{})
}

// End ends a trial: the version takes the place of the one before, or not.
func (c *Client) End(ctx context.Context, accept bool) error {
	return c.call(ctx, http.MethodPost, "/v1/end", verdict{accept}, &struct{}{})
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	const op = "talk to the agent"
	var body io.Reader = http.NoBody
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return mft.Fail(mft.CodeInternal, op, path, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, body)
	if err != nil {
		return mft.Fail(mft.CodeInternal, op, path, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return mft.Fail(c.code(ctx, err), op, c.path, err)
	}
	defer resp.Body.Close() // read to its end, or given up
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxMessage))
	if err != nil {
		return mft.Fail(mft.CodeDisconnected, op, c.path, err)
	}
	if resp.StatusCode == http.StatusOK {
		if err := json.Unmarshal(b, out); err != nil {
			return mft.Fail(mft.CodeProtocol, op, c.path, err)
		}
		return nil
	}
	var p route.Problem
	if err := json.Unmarshal(b, &p); err != nil || p.Code == "" {
		return mft.Fail(mft.CodeProtocol, op, c.path, errors.New(resp.Status))
	}
	return p.Err()
}

// code tells a process that is not there from one that went away.
func (c *Client) code(ctx context.Context, err error) mft.Code {
	switch {
	case ctx.Err() != nil:
		return mft.CodeCancelled
	case errors.Is(err, fs.ErrPermission):
		return mft.CodePermission
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return mft.CodeNotRunning
	}
	var operation *net.OpError
	if errors.As(err, &operation) && operation.Op == "dial" {
		return mft.CodeNotRunning
	}
	return mft.CodeDisconnected
}
