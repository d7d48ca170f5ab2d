package link

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/rendezvous"
	"mft.dev/mft/link/transport"
)

// Config is what a link needs. Name, Keys, Trust, NextSequence and Handle
// must be set.
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
	// Rotated is told of each peer that showed a new key, for which the
	// pinned one vouched; may be nil.
	Rotated func(peer mft.AgentName, pin identity.Pin)
	// Changed is told that Peers returns something else than before, and must
	// neither wait nor call the link; may be nil.
	Changed func()
	// Network makes the connections; nil has this process make them.
	Network Network
	// Log is for what no caller learns of otherwise; nil discards it.
	Log *slog.Logger
	// Now is the clock for envelopes and trust; nil is time.Now.
	Now func() time.Time
}

// A Link is an agent's connections to its peers. It is safe for concurrent
// use.
type Link struct {
	c    Config
	dial func(ctx context.Context, address string) (net.Conn, error)

	served  atomic.Bool
	run     chan func(context.Context) // to Serve, which runs it in a goroutine
	stopped chan struct{}              // closed when Serve ends

	data *rendezvous.Place[*Conversation]

	mu    sync.Mutex
	peers map[mft.AgentName]*peerLinks
}

// New returns a link. It starts nothing.
func New(c Config) *Link {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Changed == nil {
		c.Changed = func() {}
	}
	return &Link{
		c:       c,
		dial:    transport.Dial,
		run:     make(chan func(context.Context)),
		stopped: make(chan struct{}),
		data:    rendezvous.New[*Conversation](),
		peers:   map[mft.AgentName]*peerLinks{},
	}
}

// Serve accepts connections from ln, which may be nil for an agent that only
// dials, and carries every conversation until ctx ends. Then it tells the
// peers, closes ln and all connections, waits for everything that the link
// started, calls of Config.Handle included, and returns nil. It returns
// earlier, with the cause, only when ln fails. It can be called once.
func (l *Link) Serve(ctx context.Context, ln net.Listener) error {
	if !l.served.CompareAndSwap(false, true) {
		return mft.Fail(mft.CodeInternal, "serve", string(l.c.Name), errors.New("Serve was called before"))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	failed := make(chan error, 1)
	network := l.network(ln)
	all.Go(func() { failed <- network.Accept(ctx, l) })
	err := l.start(ctx, &all, failed)
	cancel() // connections say goodbye and end
	close(l.stopped)
	all.Wait()
	return err
}

// network is what makes connections; ln is for one that this process makes itself.
func (l *Link) network(ln net.Listener) Network {
	if l.c.Network != nil {
		return l.c.Network
	}
	return here{l, ln}
}

// start runs what is handed to l.run until ctx ends or the listener fails.
func (l *Link) start(ctx context.Context, all *sync.WaitGroup, failed <-chan error) error {
	for {
		select {
		case f := <-l.run:
			all.Go(func() { f(ctx) })
		case err := <-failed:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}

// spawn has Serve run f in a goroutine that it waits for, with a context that
// ends with Serve. It waits for Serve to begin, and fails when ctx or Serve
// has ended.
func (l *Link) spawn(ctx context.Context, f func(context.Context)) error {
	select {
	case l.run <- f:
		return nil
	case <-l.stopped:
		return errStopped()
	case <-ctx.Done():
		return transport.Interrupted("wait for the link to start", ctx)
	}
}

func errStopped() error {
	return mft.Fail(mft.CodeMaintenance, "use the link", "", errors.New("this agent is stopping"))
}
