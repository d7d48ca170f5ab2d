package localapi

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi/route"
	"mft.dev/mft/agent/trace"
)

// A Client talks to the agent behind a socket. It may be used by several
// goroutines at once; it keeps no connection between calls.
type Client struct {
	*route.Client
	repeat repetition
}

// NewClient returns a client of the agent that listens on the Unix socket at
// path socket. It does not connect.
func NewClient(socket string) *Client {
	return &Client{route.NewClient(socket), repetition{repeatFor, repeatPause}}
}

// Status returns the agent as it is this moment.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return route.Get[Status](ctx, c.Client, "/v1/status")
}

// Transfers returns the transfers that f selects, newest first.
func (c *Client) Transfers(ctx context.Context, f Filter) ([]Transfer, error) {
	return route.Get[[]Transfer](ctx, c.Client, "/v1/transfers?"+f.query().Encode())
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
	return route.Get[TransferDetail](ctx, c.Client, "/v1/transfers/"+id.String())
}

// Act does action to a transfer and returns it as it is afterwards; for
// ActionRetry that is the new transfer.
func (c *Client) Act(ctx context.Context, id mft.TransferID, action Action) (Transfer, error) {
	return route.Post[Transfer](ctx, c.Client, "/v1/transfers/"+id.String()+"/"+url.PathEscape(string(action)), nil)
}

// Watch calls f with the transfers of ids whenever one has changed, at most
// about four times a second each, and first with all of them. It returns nil
// once all have ended, and the error of f if f returns one.
func (c *Client) Watch(ctx context.Context, ids []mft.TransferID, f func(Transfer) error) error {
	q := url.Values{}
	for _, id := range ids {
		q.Add("id", id.String())
	}
	return route.Listen(ctx, c.Client, "/v1/watch?"+q.Encode(), func(l line) error {
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
	return route.Listen(ctx, c.Client, "/v1/events?"+q.Encode(), func(l line) error {
		if l.Event == nil {
			return nil
		}
		return f(*l.Event)
	})
}

// Trace tells where a file is; with ask, other agents are asked: see trace.Tracer.Find.
func (c *Client) Trace(ctx context.Context, what string, ask bool) (trace.Report, error) {
	q := url.Values{"what": {what}}
	if !ask {
		q.Set("here", "")
	}
	return route.Get[trace.Report](ctx, c.Client, "/v1/trace?"+q.Encode())
}

// Invite makes an invitation.
func (c *Client) Invite(ctx context.Context, order InviteOrder) (Invite, error) {
	return route.Post[Invite](ctx, c.Client, "/v1/invites", order)
}

// Join accepts an invitation and returns the host as a new peer.
func (c *Client) Join(ctx context.Context, order JoinOrder) (Peer, error) {
	return route.Post[Peer](ctx, c.Client, "/v1/join", order)
}

// Peers returns the peers by name.
func (c *Client) Peers(ctx context.Context) ([]Peer, error) {
	return route.Get[[]Peer](ctx, c.Client, "/v1/peers")
}

// Peer returns one peer.
func (c *Client) Peer(ctx context.Context, name mft.AgentName) (Peer, error) {
	return route.Get[Peer](ctx, c.Client, peerPath(name))
}

// RemovePeer forgets a peer that came by pairing: its keys and what it was
// allowed. A peer of the configuration file is removed there.
func (c *Client) RemovePeer(ctx context.Context, name mft.AgentName) error {
	return c.Call(ctx, "DELETE", peerPath(name), nil, nil)
}

// AllowPeer replaces what pairing allowed a peer. An empty directory grants
// nothing; what the configuration file grants is not touched.
func (c *Client) AllowPeer(ctx context.Context, name mft.AgentName, g PeerGrant) error {
	return c.Call(ctx, "POST", peerPath(name)+"/allow", g, nil)
}

func peerPath(name mft.AgentName) string { return "/v1/peers/" + url.PathEscape(string(name)) }

// Keys returns the agent's own public keys.
func (c *Client) Keys(ctx context.Context) (Keys, error) {
	return route.Get[Keys](ctx, c.Client, "/v1/keys")
}

// RotateKey makes a new signing key and returns all of them. The old one is
// accepted for overlap, so that peers that are away learn of the new one.
func (c *Client) RotateKey(ctx context.Context, overlap time.Duration) (Keys, error) {
	var out Keys
	return out, c.Call(ctx, "POST", "/v1/keys/rotate", rotation{Overlap: overlap.String()}, &out)
}

type rotation struct {
	Overlap string `json:"overlap"` // as time.Duration.String writes it
}
