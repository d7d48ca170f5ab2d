package localapi

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
	"net/url"
	"strconv"
	"syscall"
	"time"

	"mft.dev/mft"
)

// A Client talks to the agent behind a socket. It may be used by several
// goroutines at once; it keeps no connection between calls.
type Client struct {
	socket string
	http   http.Client
	repeat repetition
}

// NewClient returns a client of the agent that listens on the Unix socket at
// path socket. It does not connect.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{socket: socket, repeat: repetition{repeatFor, repeatPause}, http: http.Client{
		Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true, ResponseHeaderTimeout: 2 * time.Minute},
	}}
}

// Status returns the agent as it is this moment.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var out Status
	return out, c.call(ctx, "GET", "/v1/status", nil, &out)
}

// Transfers returns the transfers that f selects, newest first.
func (c *Client) Transfers(ctx context.Context, f Filter) ([]Transfer, error) {
	var out []Transfer
	return out, c.call(ctx, "GET", "/v1/transfers?"+f.query().Encode(), nil, &out)
}

func (f Filter) query() url.Values {
	q := url.Values{}
	set := func(key, value string) {
		if value != "" {
			q.Add(key, value)
		}
	}
	set("role", string(f.Role))
	set("peer", string(f.Peer))
	set("channel", f.Channel)
	for _, s := range f.States {
		set("state", string(s))
	}
	if f.Limit > 0 {
		set("limit", strconv.Itoa(f.Limit))
	}
	return q
}

// Transfer returns one transfer and its events, oldest first.
func (c *Client) Transfer(ctx context.Context, id mft.TransferID) (TransferDetail, error) {
	var out TransferDetail
	return out, c.call(ctx, "GET", "/v1/transfers/"+id.String(), nil, &out)
}

// Act does action to a transfer and returns it as it is afterwards; for
// ActionRetry that is the new transfer.
func (c *Client) Act(ctx context.Context, id mft.TransferID, action Action) (Transfer, error) {
	var out Transfer
	return out, c.call(ctx, "POST", "/v1/transfers/"+id.String()+"/"+url.PathEscape(string(action)), nil, &out)
}

// Watch calls f with the transfers of ids whenever one has changed, at most
// about four times a second each, and first with all of them. It returns nil
// once all have ended, and the error of f if f returns one.
func (c *Client) Watch(ctx context.Context, ids []mft.TransferID, f func(Transfer) error) error {
	q := url.Values{}
	for _, id := range ids {
		q.Add("id", id.String())
	}
	return c.stream(ctx, "/v1/watch?"+q.Encode(), func(l line) error {
		if l.Transfer == nil {
			return nil
		}
		return f(*l.Transfer)
	})
}

// Events calls f with the events after sequence number after, oldest first.
// With follow it goes on with those to come until ctx ends.
func (c *Client) Events(ctx context.Context, after int64, follow bool, f func(Event) error) error {
	q := url.Values{"after": {strconv.FormatInt(after, 10)}, "follow": {strconv.FormatBool(follow)}}
	return c.stream(ctx, "/v1/events?"+q.Encode(), func(l line) error {
		if l.Event == nil {
			return nil
		}
		return f(*l.Event)
	})
}

// Invite makes an invitation.
func (c *Client) Invite(ctx context.Context, order InviteOrder) (Invite, error) {
	var out Invite
	return out, c.call(ctx, "POST", "/v1/invites", order, &out)
}

// Join accepts an invitation and returns the host as a new peer.
func (c *Client) Join(ctx context.Context, order JoinOrder) (Peer, error) {
	var out Peer
	return out, c.call(ctx, "POST", "/v1/join", order, &out)
}

// Peers returns the peers by name.
func (c *Client) Peers(ctx context.Context) ([]Peer, error) {
	var out []Peer
	return out, c.call(ctx, "GET", "/v1/peers", nil, &out)
}

// Peer returns one peer.
func (c *Client) Peer(ctx context.Context, name mft.AgentName) (Peer, error) {
	var out Peer
	return out, c.call(ctx, "GET", peerPath(name), nil, &out)
}

// RemovePeer forgets a peer that came by pairing: its keys and what it was
// allowed. A peer of the configuration file is removed there.
func (c *Client) RemovePeer(ctx context.Context, name mft.AgentName) error {
	return c.call(ctx, "DELETE", peerPath(name), nil, nil)
}

// AllowPeer replaces what pairing allowed a peer. An empty directory grants
// nothing; what the configuration file grants is not touched.
func (c *Client) AllowPeer(ctx context.Context, name mft.AgentName, g PeerGrant) error {
	return c.call(ctx, "POST", peerPath(name)+"/allow", g, nil)
}

func peerPath(name mft.AgentName) string { return "/v1/peers/" + url.PathEscape(string(name)) }

// Keys returns the agent's own public keys.
func (c *Client) Keys(ctx context.Context) (Keys, error) {
	var out Keys
	return out, c.call(ctx, "GET", "/v1/keys", nil, &out)
}

// RotateKey makes a new signing key and returns all of them. The old one is
// accepted for overlap, so that peers that are away learn of the new one.
func (c *Client) RotateKey(ctx context.Context, overlap time.Duration) (Keys, error) {
	var out Keys
	return out, c.call(ctx, "POST", "/v1/keys/rotate", rotation{Overlap: overlap.String()}, &out)
}

type rotation struct {
	Overlap string `json:"overlap"` // as time.Duration.String writes it
}

// call does one exchange. A nil in sends no body, a nil out drops the answer.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
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
	if err := json.Unmarshal(b, out); err != nil {
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
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
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

// line is one line of a stream; exactly one field is set. A stream that ends
// without End was cut off.
type line struct {
	Transfer *Transfer `json:"transfer,omitempty"`
	Event    *Event    `json:"event,omitempty"`
	Problem  *Problem  `json:"problem,omitempty"`
	End      bool      `json:"end,omitempty"`
}

// stream calls f with every line of an NDJSON answer.
func (c *Client) stream(ctx context.Context, path string, f func(line) error) error {
	resp, err := c.do(ctx, "GET", path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	in := bufio.NewScanner(resp.Body)
	in.Buffer(nil, maxLine)
	for in.Scan() {
		var l line
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			return mft.Fail(mft.CodeProtocol, "read answer of the agent", path, err)
		}
		if l.Problem != nil {
			return l.Problem.Err()
		}
		if l.End {
			return nil
		}
		if err := f(l); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("watching: %w", ctx.Err())
	}
	return mft.Fail(mft.CodeDisconnected, "talk to the agent", c.socket, in.Err())
}

const (
	// maxBody is how long the body of an order may be.
	maxBody = 1 << 20
	// maxLine is how long one line of a stream may be.
	maxLine = 4 << 20
)
