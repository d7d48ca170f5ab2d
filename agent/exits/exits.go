package exits

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"mft.dev/mft"
	"mft.dev/mft/agent/exits/process"
	"mft.dev/mft/agent/exits/rule"
	"mft.dev/mft/journal"
)

const (
	// AtOnce is how many transfers that have ended have a command running at
	// once, and how many that are offered.
	AtOnce = 4
	// look is the longest time between two looks for transfers that have ended.
	// Every event has one follow; this is for what failed.
	look = 30 * time.Second
	// some is how many of them one look takes.
	some = 256
)

// Config is what a Runner needs. Now is only used for the time of events.
type Config struct {
	Rules   []*rule.Rule
	Agent   mft.AgentName // this host's
	Journal *journal.Journal
	Log     *slog.Logger
	Now     func() time.Time
}

// A Runner runs the commands of one agent. Its methods may be called
// concurrently.
type Runner struct {
	c    Config
	turn chan struct{} // of phase pre, AtOnce of them
	run  func(context.Context, process.Order) (process.Outcome, error)

	mu     sync.Mutex // guards active
	active map[mft.TransferID]bool
}

// New returns a runner, which starts nothing. The error has code CodeConfig: a
// rule names a user or group that there is not, or that this agent may not be.
func New(c Config) (*Runner, error) {
	for _, r := range c.Rules {
		e := r.Exit()
		if _, err := process.Find(e.User, e.Group); err != nil {
			return nil, mft.Fail(mft.CodeConfig, "set up the exit", e.Run[0], err)
		}
		if e.User == "" && os.Geteuid() == 0 {
			c.Log.Warn("an exit runs as root; name a user for it", "run", e.Run[0])
		}
	}
	return &Runner{c: c, turn: make(chan struct{}, AtOnce), run: process.Run, active: map[mft.TransferID]bool{}}, nil
}

// Watch has what a transfer delivers kept until its commands have run, if any
// rule may concern it. It is for the transaction that accepts the transfer.
func (r *Runner) Watch(tx *journal.Tx, t mft.Transfer) error {
	for _, one := range r.c.Rules {
		if one.Phase() != mft.ExitPre && one.For(t.Peer, t.Channel) {
			return tx.Watch(t.ID)
		}
	}
	return nil
}

// Run runs what follows from transfers that have ended, and what an earlier
// life of the agent left to do, until ctx ends. Then it stops the commands that
// run, and returns when they are over.
func (r *Runner) Run(ctx context.Context) error {
	var group errgroup.Group
	group.SetLimit(AtOnce)
	defer func() { _ = group.Wait() }()
	for ctx.Err() == nil {
		after := r.c.Journal.Newest()
		ids, err := r.c.Journal.WatchedEnded(ctx, some)
		if err != nil && ctx.Err() == nil {
			r.c.Log.Error("cannot find the transfers that exits follow", "err", err)
		}
		for _, id := range ids {
			if !r.take(id) {
				continue
			}
			group.Go(func() error {
				defer r.leave(id)
				if err := r.settle(ctx, id); err != nil && ctx.Err() == nil {
					r.c.Log.Error("exits of a transfer have to wait", "transfer", id, "err", err)
				}
				return nil
			})
		}
		r.wait(ctx, after, err == nil)
	}
	return ctx.Err()
}

// wait returns when there may be something to do. Without rules there never
// is, once what is left over has been seen to.
func (r *Runner) wait(ctx context.Context, after int64, ok bool) {
	if len(r.c.Rules) > 0 || !ok {
		limited, cancel := context.WithTimeout(ctx, look)
		defer cancel()
		if ok {
			ctx = limited
			_ = r.c.Journal.Wait(ctx, after)
			return
		}
		ctx = limited
	}
	<-ctx.Done()
}

// take claims a transfer, and reports whether nobody had.
func (r *Runner) take(id mft.TransferID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.active[id] {
		return false
	}
	r.active[id] = true
	return true
}

func (r *Runner) leave(id mft.TransferID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.active, id)
}
