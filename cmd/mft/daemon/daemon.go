// Package daemon runs the agent of a host in this process: the agent itself,
// its local socket, what the service manager wants to know, and bounds for the
// memory that it takes.
//
// [Run] blocks for as long as the agent lives. The package refuses to go into
// the background: that is the business of systemd and its like.
package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"mft.dev/mft/agent"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/agent/telemetry"
	"mft.dev/mft/cmd/mft/depot"
)

// Options are what Run needs besides the configuration.
type Options struct {
	// Version is that of the program.
	Version string
	Log     *slog.Logger
	// Env looks up variables of the environment.
	Env func(string) string
}

// Run serves peers and commands until ctx ends, which is no error.
func Run(ctx context.Context, cfg *config.Config, o Options) (err error) {
	log := o.Log
	signal.Ignore(syscall.SIGHUP) // a terminal that goes away is no reason to end
	o.boundMemory()
	store, err := depot.Open(cfg, o.Env)
	if err != nil {
		return err
	}
	defer store.Close()
	a, err := o.agent(cfg, store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	relay, err := o.relay(ctx, a, store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, relay.Close()) }()
	ln, err := localapi.Listen(cfg.Agent.Socket, cfg.Agent.SocketGroup)
	if err != nil {
		return err
	}
	log.Info("agent starts", "name", cfg.Agent.Name, "version", o.Version, "config", cfg.Path, "listen", cfg.Agent.Listen, "socket", cfg.Agent.Socket)
	for _, note := range append(store.Notes, cfg.Notes...) {
		log.Warn(note)
	}
	defer context.AfterFunc(ctx, func() {
		log.Info("agent ends")
		o.notify("STOPPING=1")
	})()
	g, alive := errgroup.WithContext(ctx)
	g.Go(func() error { return a.Run(alive) })
	g.Go(func() error { return relay.Run(alive) })
	g.Go(func() error { return localapi.Serve(alive, ln, a, relay.Held) })
	g.Go(func() error {
		// The agent serves its direct links meanwhile, and afterwards too.
		if err := store.Ready(alive); err != nil && alive.Err() == nil {
			log.Warn("the exchange cannot be used yet; it is tried again and again", "err", err)
		}
		return nil
	})
	g.Go(func() error {
		if started(alive, a) {
			o.notify("READY=1")
		}
		return nil
	})
	g.Go(func() error {
		giveBack(alive, a.Quiet(), func() {
			runtime.GC() // what is in pools goes at the second time
			debug.FreeOSMemory()
		})
		return nil
	})
	if err := g.Wait(); ctx.Err() == nil || !errors.Is(err, context.Canceled) {
		return err
	}
	return nil // it was told to end before it had quite begun
}

// agent makes the agent.
func (o Options) agent(cfg *config.Config, x *depot.Depot) (*agent.Agent, error) {
	return agent.New(agent.Options{
		Config: cfg, Log: o.Log, Version: o.Version, Exchange: x.Exchange,
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

// boundMemory keeps the heap close to what is in use: an agent shares its host
// with the programs whose files it moves. What the operator says in GOGC and
// GOMEMLIMIT has the last word.
func (o Options) boundMemory() {
	if o.Env("GOGC") == "" {
		debug.SetGCPercent(40)
	}
	if o.Env("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(160 << 20)
	}
}

// restAfter is how long nothing ends before memory is given back: for a
// channel that moves one file after the other it would be taken again at once.
const restAfter = time.Second

// giveBack frees what the start and then transfers have left, once it has been
// quiet for a while. The runtime would return it to the system within minutes
// only.
func giveBack(ctx context.Context, quiet <-chan struct{}, free func()) {
	rest := time.NewTimer(restAfter)
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-quiet:
			rest.Reset(restAfter)
		case <-rest.C:
			free()
		}
	}
}

// notify tells the service manager of a change of state, if there is one that
// wants to know (sd_notify(3)).
func (o Options) notify(state string) {
	name := o.Env("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	if name[0] == '@' {
		name = "\x00" + name[1:] // of the abstract name space
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err == nil {
		defer conn.Close()
		_, err = conn.Write([]byte(state))
	}
	if err != nil {
		o.Log.Warn("cannot tell the service manager", "state", state, "err", err)
	}
}
