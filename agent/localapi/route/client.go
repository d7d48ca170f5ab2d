package route

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"syscall"
	"time"

	"mft.dev/mft"
)

const (
	// MaxBody is how long the body of an order may be, in bytes.
	MaxBody = 1 << 20
	// maxLine is how long one line of a stream may be.
	maxLine = 4 << 20
)

// A Client gives orders to the agent behind a socket. It may be used by several
// goroutines at once; it keeps no connection between calls.
type Client struct {
	socket string
	http   http.Client
}

// NewClient returns a client of the agent that listens on the Unix socket at
// path socket. It does not connect.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{socket: socket, http: http.Client{
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true, ResponseHeaderTimeout: answerTimeout},
	}}
}

// Get returns what the agent has at path.
func Get[T any](ctx context.Context, c *Client, path string) (out T, err error) {
	return out, c.Call(ctx, http.MethodGet, path, nil, &out)
}

// Post gives an order, which may be nil, and returns the answer.
func Post[T any](ctx context.Context, c *Client, path string, order any) (out T, err error) {
	return out, c.Call(ctx, http.MethodPost, path, order, &out)
}

// Call does one exchange. A nil in sends no body, a nil out drops the answer.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	resp, err := c.do(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return c.failure(ctx, err)
	}
	return understand(path, b, out)
}

func understand(path string, answer []byte, out any) error {
	if err := json.Unmarshal(answer, out); err != nil {
		return mft.Fail(mft.CodeProtocol, "read answer of the agent", path, err)
	}
	return nil
}

// do sends a request and returns the response if its status is 200.
func (c *Client) do(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, mft.Fail(mft.CodeInternal, "write order", path, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, body)
	if err != nil {
		return nil, mft.Fail(mft.CodeUsage, "write order", path, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.failure(ctx, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody))
	if err != nil {
		return nil, c.failure(ctx, err)
	}
	var p Problem
	if err := json.Unmarshal(b, &p); err != nil || p.Code == "" {
		return nil, mft.Fail(mft.CodeProtocol, "read answer of the agent", path, fmt.Errorf("status %s", resp.Status))
	}
	return nil, p.Err()
}

// failure tells an agent that is not there from one that may not be talked to
// and from one that went away.
func (c *Client) failure(ctx context.Context, err error) error {
	const op = "talk to the agent"
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("talking to the agent: %w", ctx.Err())
	case errors.Is(err, fs.ErrPermission):
		return mft.Fail(mft.CodePermission, op, c.socket, err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT):
		return mft.Fail(mft.CodeNotRunning, op, c.socket, nil)
	}
	var op2 *net.OpError
	if errors.As(err, &op2) && op2.Op == "dial" {
		return mft.Fail(mft.CodeNotRunning, op, c.socket, err)
	}
	return mft.Fail(mft.CodeDisconnected, op, c.socket, err)
}

// last is what a line of a stream may have besides what it tells: why the stream
// ends, or that all is told. A stream that ends without was cut off.
type last struct {
	Problem *Problem `json:"problem,omitempty"`
	End     bool     `json:"end,omitempty"`
}

// Listen calls f with every line of a stream.
func Listen[T any](ctx context.Context, c *Client, path string, f func(T) error) error {
	return listen(ctx, c, http.MethodGet, path, f)
}

// Order gives an order, and calls f with every line of what is told of it.
func Order[T any](ctx context.Context, c *Client, path string, f func(T) error) error {
	return listen(ctx, c, http.MethodPost, path, f)
}

func listen[T any](ctx context.Context, c *Client, method, path string, f func(T) error) error {
	resp, err := c.do(ctx, method, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	in := bufio.NewScanner(resp.Body)
	in.Buffer(nil, maxLine)
	for in.Scan() {
		var end last
		var line T
		if err := errors.Join(understand(path, in.Bytes(), &end), understand(path, in.Bytes(), &line)); err != nil {
			return err
		}
		if end.Problem != nil || end.End {
			return end.Problem.Err()
		}
		if err := f(line); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("watching: %w", ctx.Err())
	}
	return mft.Fail(mft.CodeDisconnected, "talk to the agent", c.socket, in.Err())
}

// answerTimeout is how long an order may take, from its first byte to the
// last of the answer. Pairing with a slow peer is the longest.
const answerTimeout = 2 * time.Minute
