package link

import (
	"context"
	"log/slog"
	"net"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity"
)

// Config is what a link needs. Keys, Trust, NextSequence and Handle must be
// set.
type Config struct {
	// Name is this agent.
	Name  mft.AgentName
	Keys  *identity.Keys
	Trust *identity.Trust
	// Invites are the invitations that guests may redeem; nil for none.
	Invites *identity.Invites
	// Software is told to peers, for example "mft/1.2.0".
	Software string
	// Address is where peers may dial this agent, HOST:PORT; an empty host
	// stands for whatever host a peer sees, an empty Address for nowhere.
	Address string
	// NextSequence returns a durable number, higher than any that it has
	// returned for this recipient before.
	NextSequence func(ctx context.Context, recipient mft.AgentName) (uint64, error)
	// Handle is called in a goroutine of its own for each conversation that
	// a peer opens. The context ends with the link, not with the connection.
	// The conversation is closed when Handle returns.
	Handle func(ctx context.Context, c *Conversation)
	// Joined is told of each peer that redeemed an invitation; may be nil.
	Joined func(identity.Peer)
	// Log is for what no caller learns of otherwise; nil discards it.
	Log *slog.Logger
	// Now is the clock for envelopes and trust; nil is time.Now.
	Now func() time.Time
}

// A Link is an agent's connections to its peers. It is safe for concurrent
// use.
type Link struct{}

// New returns a link. It starts nothing.
func New(c Config) *Link { return &Link{} }

// Serve accepts connections from ln, which may be nil for an agent that only
// dials, and carries every conversation until ctx ends. Then it tells the
// peers, closes ln and all connections, waits for everything that the link
// started, calls of Config.Handle included, and returns nil. It returns
// earlier, with the cause, only when ln fails. It can be called once.
func (l *Link) Serve(ctx context.Context, ln net.Listener) error { return nil }

// Open starts a conversation with peer about the transfer id: over a control
// connection that is up, or by dialling. Nothing is sent before the first
// Send. It waits for Serve to begin. Errors: mft.CodeUnknownPeer,
// mft.CodeUnreachable, mft.CodeUntrusted, mft.CodeVersion, mft.CodeBusy when
// the connection carries its 256 conversations, mft.CodeMaintenance when
// Serve has ended.
func (l *Link) Open(ctx context.Context, peer mft.AgentName, id mft.TransferID, channel string) (*Conversation, error) {
	return nil, nil
}

// Keep keeps a control connection to peer up until ctx ends: while there is
// none it dials, after a pause that grows from 1 s to 60 s. It returns the
// context's error, or why there is no point: mft.CodeUnknownPeer when the
// peer is not or no longer known, mft.CodeUnreachable when it has no address.
func (l *Link) Keep(ctx context.Context, peer mft.AgentName) error { return nil }

// Drop closes every connection to peer, as after its removal.
func (l *Link) Drop(peer mft.AgentName) {}

// Join redeems an invitation: it dials the inviter, proves knowledge of the
// secret, and adds the inviter to the trusted peers. Serve need not run.
// Errors: mft.CodeUnreachable, mft.CodeUntrusted when another key answers
// than the invitation names, mft.CodeInvite when the inviter refuses.
func (l *Link) Join(ctx context.Context, invite identity.Invite) (identity.Peer, error) {
	return identity.Peer{}, nil
}

// PeerState is one peer and the connection to it.
type PeerState struct {
	Name      mft.AgentName
	Address   string
	Connected bool
	// Since is when the connection was made or lost; zero when there was
	// none since the link began.
	Since time.Time
	// Inbound says that the peer dialled.
	Inbound bool
	// Remote is the network address of the other end; Software what it says
	// it runs.
	Remote   string
	Software string
	// Conversations counts those that the connection carries.
	Conversations int
	// LastError says why there is no connection, nil when there is one or
	// none was tried.
	LastError error
}

// Peers returns the state of every known peer, by name.
func (l *Link) Peers() []PeerState { return nil }
