// Package daemon runs the agent of a host in this process: the agent itself,
// its local socket, what the service manager wants to know, the change to
// another version, and bounds for the memory that it takes.
//
// [Run] blocks for as long as the agent lives. The package refuses to go into
// the background: that is the business of systemd and its like.
package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/foreman"
	"mft.dev/mft/cmd/mft/daemon/trial"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/spare"
	"mft.dev/mft/link/network"
	"mft.dev/mft/release/place"
)

// Options are what Run needs besides the configuration.
type Options struct {
	// Version is that of the program.
	Version string
	Log     *slog.Logger
	// Walls has the agent start this program once more, confined, for its keys and
	// its exits: only a program whose main function calls Become of both may say so.
	Walls bool
	// Env looks up variables of the environment.
	Env func(string) string
	// Program is the process that may be replaced; its zero value is one that
	// refuses updates.
	Program Program
	// Workers and Network are what a supervisor gives the agent, nil without one.
	Workers foreman.Workers
	Network *network.Client
	// Trial is set when this process is to show that it comes up: it begins
	// nothing, and ends when its trial does.
	Trial *trial.Subject
}

// Run serves peers and commands until ctx ends, which is no error.
func Run(ctx context.Context, cfg *config.Config, o Options) error {
	signal.Ignore(syscall.SIGHUP) // a terminal that goes away is no reason to end
	o.boundMemory()
	if o.Trial != nil {
		var watch sync.WaitGroup
		defer watch.Wait()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		watch.Go(func() {
			defer cancel()
			o.Trial.Ended(ctx)
		})
		_, err := o.live(ctx, cfg, failed{})
		return err
	}
	var last failed
	for {
		restored, err := spare.Settle(ctx, journalOf(cfg))
		if err != nil {
			return err
		}
		if restored {
			o.Log.Warn("the journal is as it was before another version tried it")
		}
		next, err := o.live(ctx, cfg, last)
		if err != nil || next == nil || ctx.Err() != nil {
			return err
		}
		o.Log.Info("another version is tried", "version", next.version, "binary", next.binary)
		if err = o.try(ctx, cfg, next); err == nil {
			o.Log.Info("the other version came up, and takes over", "version", next.version)
			err = o.Program.become()
			if errors.Is(err, ErrReplaced) {
				return err
			}
		}
		o.Log.Error("the other version does not take over; this one goes on", "version", next.version, "err", err)
		last = failed{next.version, err}
	}
}

// A failed is a version that was tried in vain.
type failed struct {
	version string
	err     error
}

func journalOf(cfg *config.Config) string { return filepath.Join(cfg.Agent.DataDir, journal.File) }

// How long a version on trial may take.
const (
	readyTimeout  = 2 * time.Minute // a large journal that gets a new schema
	acceptTimeout = time.Minute
	stopTimeout   = 20 * time.Second
)

// try has the other version show that it comes up.
func (o Options) try(ctx context.Context, cfg *config.Config, next *candidate) error {
	var watch sync.WaitGroup
	defer watch.Wait()
	watched, over := context.WithCancel(ctx)
	defer over()
	watch.Go(func() { o.watchdog(watched, func(context.Context) {}) })
	// It was when it was ordered; that may be a while ago.
	if err := place.Verify(next.binary, next.signed); err != nil {
		return err
	}
	if err := spare.Take(ctx, journalOf(cfg)); err != nil {
		return err
	}
	return trial.Guard{
		Binary: next.binary, Version: next.version, Args: o.Program.Args, Env: o.Program.Env, Errs: o.Program.Errs,
		Ready: readyTimeout, Accept: acceptTimeout, Stop: stopTimeout,
	}.Run(ctx)
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
