package agent

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"mft.dev/mft"
	"mft.dev/mft/agent/admission"
	"mft.dev/mft/agent/applied"
	"mft.dev/mft/agent/conduct"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/courier"
	"mft.dev/mft/agent/dispatch"
	"mft.dev/mft/agent/exits"
	"mft.dev/mft/agent/exits/launch"
	"mft.dev/mft/agent/farend"
	"mft.dev/mft/agent/foreman"
	"mft.dev/mft/agent/inquiry"
	"mft.dev/mft/agent/notice"
	"mft.dev/mft/agent/order"
	"mft.dev/mft/agent/pairing"
	"mft.dev/mft/agent/route"
	"mft.dev/mft/agent/seat"
	"mft.dev/mft/agent/telemetry"
	"mft.dev/mft/agent/trace"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/agent/turn"
	"mft.dev/mft/agent/upkeep"
	"mft.dev/mft/agent/view"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/mailbox"
	"mft.dev/mft/identity"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/internal/restrict"
	"mft.dev/mft/journal"
	"mft.dev/mft/link"
	"mft.dev/mft/link/transport"
	"mft.dev/mft/transfer/marks"
)

// Options are what an agent is made of.
type Options struct {
	Config *config.Config // required
	// Log is for what nobody asked for; nil discards it.
	Log *slog.Logger
	// Version is that of the program.
	Version string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Exchange leads to peers that cannot be reached directly; nil for none.
	Exchange  *exchange.Exchange
	Telemetry *telemetry.Exporter // tells collectors of events; nil for none
	// Letters is how long is waited for letters; zero for what suits storage that
	// is far away.
	Letters mailbox.Delays
	// CardsFor is for how long what peers publish of their keys is used without
	// looking again: see package courier, whose choice is 0; not at all if it is less.
	CardsFor time.Duration
	// Workers have processes of their own for channels and grants; nil where there
	// is this process only.
	Workers foreman.Workers
	Launch  *launch.Desk // has commands run by processes of their own
	// Listener takes the place of one on Config.Agent.Listen; Run closes it.
	Listener net.Listener
	Network  link.Network // makes the connections to peers; nil has this process make them
	Walls    bool         // have exits confined, see exits.Config
	// Keys opens the keys in dir, once the data directory is the agent's; nil reads them.
	Keys      func(dir string, name mft.AgentName, now time.Time) (*identity.Keys, error)
	Processes func() []restrict.Report // tells of the walls around them; nil for none
}

// An Agent is the daemon of one host. Its Pairing is what it knows of peers,
// and is safe to use while Run runs, as its Tracer is.
type Agent struct {
	*pairing.Pairing
	view.View
	Tracer  *trace.Tracer
	cfg     *config.Config
	log     *slog.Logger
	version string
	now     func() time.Time
	offered net.Listener // Options.Listener
	apart   bool         // Options.Network is set
	held    atomic.Bool  // set by Hold

	journal   *journal.Journal
	trail     *trail.Trail
	book      order.Book
	link      *link.Link
	notices   *notice.Notices
	courier   *courier.Courier // nil without an exchange
	exits     *exits.Runner
	tells     *telemetry.Exporter
	about     func() []restrict.Report // Options.Processes
	channels  *conduct.Set
	foreman   *foreman.Foreman
	inquiries inquiry.Desk
	turns     *turn.Turns
	door      *admission.Door
	marks     *marks.Store
	queue     *dispatch.Dispatcher
	ways      *route.Table

	mu        sync.Mutex // guards what follows
	listening string
	started   time.Time
}

// New opens keys, trust store and journal of the agent that o describes and
// makes what is missing. It starts nothing. The error is CodeRunning when
// another process uses the data directory.
func New(o Options) (*Agent, error) {
	c := o.Config
	a := &Agent{
		cfg: c, log: cmp.Or(o.Log, slog.New(slog.DiscardHandler)), version: o.Version, now: o.Now, offered: o.Listener, apart: o.Network != nil,
		turns: turn.New(), door: admission.NewDoor(c.Agent.MaxTransfers),
		ways: route.New(o.Exchange != nil, c.Paths()), tells: o.Telemetry, about: o.Processes,
	}
	if a.now == nil {
		a.now = time.Now
	}
	a.queue = dispatch.New(dispatch.Config{Limit: c.Agent.MaxTransfers, Now: a.now, Work: a.work, Blocked: a.tellBlocked, Held: a.held.Load})
	if err := os.MkdirAll(c.Agent.DataDir, 0o700); err != nil {
		return nil, mft.Fail(confine.CodeFor(err), "make the data directory", c.Agent.DataDir, err)
	}
	// The journal comes first: its lock keeps a second agent from the keys.
	err := a.openJournal(&o)
	if err != nil {
		return nil, err
	}
	pc := pairing.Config{
		Config: c, Log: a.log, Now: a.now, Keys: o.Keys, Event: a.trail.Event, Up: a.linked,
		Keep: func(peer mft.AgentName) bool { return a.ways.Path(peer) != mft.PathRelay },
	}
	if o.Listener != nil {
		pc.Listening = o.Listener.Addr().String()
	}
	if a.Pairing, err = pairing.Open(pc); err != nil {
		return nil, errors.Join(err, a.journal.Close())
	}
	a.foreman = foreman.New(foreman.Config{Journal: a.journal, Workers: o.Workers, Table: seat.Of(c)})
	a.book = order.Book{Journal: a.journal, Trail: a.trail, Now: a.now, Knows: a.Knows, Queue: a.enqueue, Find: a.foreman.Find}
	a.link = a.Use(link.Config{Network: o.Network, Software: "mft/" + a.version, NextSequence: a.trail.NextSequence, Handle: a.handle})
	a.notices = notice.New(notice.Config{Journal: a.journal, Trail: a.trail, Log: a.log, Open: a.reach, Post: a.postCancel})
	if o.Exchange != nil {
		if err := a.openCourier(&o); err != nil {
			return nil, errors.Join(err, a.journal.Close())
		}
	}
	channels, err := applied.Of(c).Channels()
	if err != nil {
		return nil, errors.Join(err, a.journal.Close())
	}
	a.channels, err = conduct.Open(channels, conduct.Host{
		Self: c.Agent.Name, Journal: a.journal, Trail: a.trail, Log: a.log, Now: a.now, Placed: a.enqueue,
		Plan: func(to mft.AgentName, o mft.Overwrite) (mft.Transfer, error) { return a.book.Draw(mft.RoleSend, to, o) },
		Ask: func(ctx context.Context, peer mft.AgentName, id mft.TransferID) (farend.Conversation, error) {
			return a.link.Open(ctx, peer, id, "")
		},
		Groups: c.Groups, Lookout: a.foreman.Lookout, Launch: o.Launch,
		Leave:   a.cancel,
		Hold:    func(ctx context.Context, id mft.TransferID) error { _, err := a.Pause(ctx, id); return err },
		Release: func(ctx context.Context, id mft.TransferID) error { _, err := a.Resume(ctx, id); return err },
	})
	if err != nil {
		return nil, errors.Join(err, a.journal.Close())
	}
	a.openInquiries()
	return a, nil
}

// openInquiries makes what asks peers and answers them beside transfers.
func (a *Agent) openInquiries() {
	_, trust := a.Identity()
	a.Tracer = &trace.Tracer{Self: a.cfg.Agent.Name, Journal: a.journal, Verify: trust.Verify, Channels: a.channels.Channels, Allow: a.cfg.Allow}
	a.Tracer.Open = func(ctx context.Context, peer mft.AgentName, id mft.TransferID) (trace.Conversation, error) {
		return a.link.Open(ctx, peer, id, "")
	}
	a.inquiries = inquiry.Desk{Witness: a.witness, Grants: a.FileGrants, Foreman: a.foreman, Tracer: a.Tracer, Now: a.now}
}

// openJournal opens the journal and makes what lives on it.
func (a *Agent) openJournal(o *Options) error {
	dir := a.cfg.Agent.DataDir
	var err error
	if a.journal, err = journal.Open(context.Background(), filepath.Join(dir, journal.File)); err != nil {
		return err
	}
	a.tells.Follow(a.journal)
	a.trail = trail.New(a.journal, a.log, a.now)
	a.View = view.View{Journal: a.journal, Flush: a.trail.Flush, Live: a.live}
	a.marks = marks.Open(filepath.Join(dir, "marks"), a.log)
	a.exits, err = exits.New(exits.Config{
		Exits: a.cfg.Exits, Agent: a.cfg.Agent.Name, Journal: a.journal, Log: a.log, Now: a.now,
		Walls: o.Walls, Hidden: []string{dir, pairing.KeysDir(a.cfg)}, Launch: o.Launch,
	})
	if err != nil {
		return errors.Join(err, a.journal.Close())
	}
	a.trail.Ended = a.exits.Ended
	return nil
}

// linked rouses what waits for a peer that has come.
func (a *Agent) linked(peer mft.AgentName) {
	a.ways.Up(peer)
	a.queue.Rouse(peer)
	a.notices.Poke()
	a.channels.Hurry(peer)
}

// Close releases the journal. Run must have returned.
func (a *Agent) Close() error { return errors.Join(a.foreman.Close(), a.journal.Close()) }

// Name returns the name of the agent.
func (a *Agent) Name() mft.AgentName { return a.cfg.Agent.Name }

// Hold keeps the agent from beginning anything new from now on: peers hear
// mft.CodePendingUpdate. What runs goes on.
func (a *Agent) Hold() { a.held.Store(true) }

// Quiet gets a value when a transfer or an order about one has ended and there is
// no other: a time to tidy up. It is for one reader.
func (a *Agent) Quiet() <-chan struct{} { return a.turns.Quiet() }

// Config returns what the agent was made from. The caller must not change it.
func (a *Agent) Config() *config.Config { return a.cfg }

// Run listens, recovers what was interrupted, and serves until ctx ends; then
// it returns nil. What runs at that moment goes on after the next start. The
// error of an earlier return says what made it impossible to serve. Run can be
// called once.
func (a *Agent) Run(ctx context.Context) error {
	ln, err := a.listen(ctx)
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.started = a.now()
	if ln != nil {
		a.listening = ln.Addr().String()
	} else if a.apart {
		a.listening = a.cfg.Agent.Listen
	}
	a.mu.Unlock()
	if err := a.begin(ctx); err != nil {
		if ln != nil {
			ln.Close()
		}
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	start := func(f func(context.Context)) { g.Go(func() error { f(ctx); return nil }) }
	g.Go(func() error { return a.link.Serve(ctx, ln) })
	start(a.queue.Run)
	start(a.trail.Run)
	start(a.Pairing.Run)
	start(a.notices.Run)
	start(a.exits.Run)
	start(a.tells.Run)
	if a.courier != nil {
		start(a.courier.Run)
	}
	start(upkeep.Keeper{Journal: a.journal, Log: a.log, Now: a.now, Discard: a.foreman.Discard}.Run)
	start(a.channels.Run)
	err = g.Wait()
	a.trail.Flush()
	a.trail.Event(context.Background(), mft.Event{Kind: mft.EventAgentStopped, Detail: a.version})
	return err
}

// listen returns the listener for peers, nil for an agent that only dials.
func (a *Agent) listen(ctx context.Context) (net.Listener, error) {
	if a.offered != nil {
		return a.offered, nil
	}
	if a.cfg.Agent.Listen == "" || a.apart {
		return nil, nil
	}
	return transport.Listen(ctx, a.cfg.Agent.Listen)
}
