package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"mft.dev/mft"
	"mft.dev/mft/agent"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/exits/launch"
	"mft.dev/mft/agent/foreman/supervised"
	"mft.dev/mft/agent/handover"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/agent/localapi/route"
	"mft.dev/mft/agent/seat"
	"mft.dev/mft/agent/telemetry"
	"mft.dev/mft/cmd/mft/depot"
	"mft.dev/mft/link"
)

// A life is one agent from its start to its end. It implements
// handover.Program.
type life struct {
	o     Options
	cfg   *config.Config
	agent *agent.Agent
	last  failed
	end   context.CancelFunc
	told  chan struct{} // closed when next is set

	mu    sync.Mutex // guards what follows
	next  *candidate // what is to be tried after this life
	ready bool       // on trial: the journal is open, and it listens
}

// live runs an agent until ctx ends or another version is to be tried, which
// it returns.
func (o Options) live(ctx context.Context, cfg *config.Config, last failed) (next *candidate, err error) {
	store, err := depot.Open(cfg, o.Env)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	own := &processes{o: o, cfg: cfg}
	if err := own.confine(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, own.close()) }()
	a, err := o.agent(cfg, store, own)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	relay := (*depot.Served)(nil)
	if o.Trial == nil { // what a relay keeps is not copied, so no other version opens it before it stays
		if relay, err = o.relay(ctx, a, store); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, relay.Close()) }()
	}
	o.Log.Info("agent starts", "name", cfg.Agent.Name, "version", o.Version, "config", cfg.Path, "listen", cfg.Agent.Listen,
		"socket", cfg.Agent.Socket, "trial", o.Trial != nil)
	for _, note := range append(store.Notes, cfg.Notes...) {
		o.Log.Warn(note)
	}
	alive, end := context.WithCancel(ctx)
	defer end()
	l := &life{o: o, cfg: cfg, agent: a, last: last, end: end, told: make(chan struct{})}
	defer context.AfterFunc(ctx, func() {
		o.Log.Info("agent ends")
		o.notify("STOPPING=1")
	})()
	if err := l.serve(alive, store, relay); err != nil && (alive.Err() == nil || !errors.Is(err, context.Canceled)) {
		return nil, err
	} // it was told to end, perhaps before it had quite begun
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next, nil
}

// agent makes the agent.
func (o Options) agent(cfg *config.Config, x *depot.Depot, own *processes) (*agent.Agent, error) {
	var peers link.Network // nil where this process makes its connections
	if o.Network != nil {
		peers = o.Network
	}
	var commands *launch.Desk // nil where this process runs commands
	if w, is := o.Workers.(*supervised.Workers); is {
		commands = &launch.Desk{User: cfg.Agent.User, Table: seat.Of(cfg), Start: w.Launch}
	}
	return agent.New(agent.Options{
		Config: cfg, Log: o.Log, Version: o.Version, Exchange: x.Exchange, Workers: o.Workers, Launch: commands, Network: peers, Walls: o.Walls,
		Keys: own.open, Processes: own.walls,
		Telemetry: telemetry.New(telemetry.Config{
			Section: cfg.Telemetry, Agent: cfg.Agent.Name, Version: o.Version, Dir: cfg.Agent.DataDir, Log: o.Log, Env: o.Env,
		}),
	})
}

// relay opens what this host keeps for others, and tells the exchange that it uses
// itself who it is.
func (o Options) relay(ctx context.Context, a *agent.Agent, x *depot.Depot) (*depot.Served, error) {
	keys, trust := a.Identity()
	x.Identify(keys, trust)
	return depot.Serve(ctx, a.Config(), keys, trust, o.Log)
}

// serve runs everything that belongs to an agent until ctx ends.
func (l *life) serve(ctx context.Context, store *depot.Depot, relay *depot.Served) error {
	doors, err := l.doors(relay)
	if err != nil {
		return err
	}
	g, alive := errgroup.WithContext(ctx)
	for _, open := range doors {
		g.Go(func() error { return open(alive) })
	}
	if l.o.Trial != nil {
		g.Go(func() error { return l.onTrial(alive) })
	} else {
		g.Go(func() error { return l.agent.Run(alive) })
		g.Go(func() error { return relay.Run(alive) })
		g.Go(func() error {
			if started(alive, l.agent) {
				l.o.notify("READY=1")
			}
			return nil
		})
		g.Go(func() error {
			// The agent serves its direct links meanwhile, and afterwards too.
			if err := store.Ready(alive); err != nil && alive.Err() == nil {
				l.o.Log.Warn("the exchange cannot be used yet; it is tried again and again", "err", err)
			}
			return nil
		})
		g.Go(func() error {
			l.o.watchdog(alive, func(ctx context.Context) { _, _ = l.agent.Status(ctx) })
			return nil
		})
	}
	g.Go(func() error {
		l.drain(alive)
		return nil
	})
	g.Go(func() error {
		giveBack(alive, l.agent.Quiet(), func() {
			runtime.GC() // what is in pools goes at the second time
			debug.FreeOSMemory()
		})
		return nil
	})
	return g.Wait()
}

// onTrial listens where the agent would, says that all is well, and waits for
// the end. The journal and the keys are open; peers are not heard, and nothing
// of an earlier life goes on, so that there is nothing to take back.
func (l *life) onTrial(ctx context.Context) error {
	if l.cfg.Agent.Listen != "" {
		var lc net.ListenConfig
		ln, err := lc.Listen(ctx, "tcp", l.cfg.Agent.Listen)
		if err != nil {
			return mft.Fail(mft.CodeConfig, "listen on", l.cfg.Agent.Listen, err)
		}
		defer ln.Close()
	}
	if _, err := l.agent.Status(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	l.ready = true
	l.mu.Unlock()
	if err := l.o.Trial.Ready(l.o.Version); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// doors makes the sockets of this host, and returns what serves each. An agent
// on trial hears only who updates it.
func (l *life) doors(relay *depot.Served) ([]func(context.Context) error, error) {
	var doors []func(context.Context) error
	if l.o.Trial == nil {
		ln, err := localapi.Listen(l.cfg.Agent.Socket, l.cfg.Agent.SocketGroup)
		if err != nil {
			return nil, err
		}
		doors = append(doors, func(ctx context.Context) error { return localapi.Serve(ctx, ln, l.agent, relay.Held) })
	}
	ln, err := handover.Listen(handover.SocketBeside(l.cfg.Agent.Socket))
	if err != nil {
		l.o.Log.Warn("this agent cannot be updated while it runs", "err", err)
		return doors, nil
	}
	return append(doors, func(ctx context.Context) error { return handover.Serve(ctx, ln, l) }), nil
}

// started waits until the agent listens to its peers.
func started(ctx context.Context, a *agent.Agent) bool {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		if status, err := a.Status(ctx); err == nil && !status.Started.IsZero() {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-again.C:
		}
	}
}

// State implements handover.Program.
func (l *life) State(ctx context.Context) handover.State {
	s := handover.State{
		Version: l.o.Version, Executable: l.o.Program.Path, Trial: l.o.Trial != nil,
		Tried: l.last.version, Problem: route.ProblemOf(l.last.err),
	}
	status, err := l.agent.Status(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	s.Ready = err == nil && (l.ready || !status.Started.IsZero())
	if l.next != nil {
		s.Pending = l.next.version
	}
	return s
}

// Try implements handover.Program.
func (l *life) Try(_ context.Context, o handover.Order) error {
	next, err := l.o.examine(l.cfg, o)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next != nil {
		return mft.Fail(mft.CodeBadState, "try version", next.version, fmt.Errorf("version %s is to be tried already", l.next.version))
	}
	l.next = next
	l.agent.Hold()
	l.o.Log.Info("the agent begins nothing new, to be updated", "version", next.version)
	close(l.told)
	return nil
}

// drainTime is how long transfers that run may go on before they are
// interrupted; they resume afterwards.
const drainTime = 20 * time.Second

// drain ends this life when another version is to be tried and nothing runs
// any more, or that has taken too long.
func (l *life) drain(ctx context.Context) {
	defer l.end()
	select {
	case <-ctx.Done():
		return
	case <-l.told:
	}
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		status, err := l.agent.Status(ctx)
		if err != nil || status.Counts[mft.StateRunning]+status.Counts[mft.StateVerifying] == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

// End implements handover.Program.
func (l *life) End(_ context.Context, accept bool) error {
	if l.o.Trial == nil {
		return mft.Fail(mft.CodeBadState, "end the trial", l.o.Version, errors.New("this version is not on trial"))
	}
	return l.o.Trial.End(accept)
}
