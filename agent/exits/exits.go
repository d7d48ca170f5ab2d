package exits

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"mft.dev/mft"
	"mft.dev/mft/agent/exits/launch"
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
	// some is how many of them are read at a time.
	some = 256
)

// Config is what a Runner needs. Now is only used for the time of events.
type Config struct {
	Exits   []mft.Exit
	Agent   mft.AgentName // this host's
	Journal *journal.Journal
	Log     *slog.Logger
	Now     func() time.Time
	// Walls has commands confined, on Linux, but those that are not to be; the
	// program must call process.Become. Hidden are the files and directories of
	// the agent that they cannot reach.
	Walls  bool
	Hidden []string
	// Launch, if there is a supervisor, runs the commands; otherwise this process does.
	Launch *launch.Desk
}

// A Runner runs the commands of one agent. Its methods may be called
// concurrently.
type Runner struct {
	c     Config
	rules []*rule.Rule
	// Of phase pre, AtOnce of each.
	turn     chan struct{} // of what is offered to this host
	offering chan struct{} // of what this host offers

	wake chan struct{} // a transfer has been left
	run  func(context.Context, process.Order) (process.Outcome, error)

	mu   sync.Mutex // guards what follows
	held map[mft.TransferID]*held
	told map[mft.TransferID]string // what was said last of an offer
}

// held is a transfer that has ended and commands of which run, or are to run
// again.
type held struct {
	active bool // somebody has it; all below is theirs alone then
	until  time.Time
	due    map[[16]byte]time.Time // of commands that failed
}

// New returns a runner, which starts nothing. The error has code CodeConfig: an
// exit is not as it should be, or names a user or group that there is not, or
// that this agent may not be.
func New(c Config) (*Runner, error) {
	user := ""
	if c.Launch != nil {
		user = c.Launch.User
	}
	rules, notes, err := check(c.Exits, user)
	if err != nil {
		return nil, err
	}
	for _, note := range notes {
		c.Log.Warn(note)
	}
	return &Runner{
		c: c, rules: rules, turn: make(chan struct{}, AtOnce), offering: make(chan struct{}, AtOnce), wake: make(chan struct{}, 1), run: process.Run,
		held: map[mft.TransferID]*held{}, told: map[mft.TransferID]string{},
	}, nil
}

// Watch has what a transfer delivers kept until its commands have run, if any
// rule may concern it. It is for the transaction that accepts the transfer.
func (r *Runner) Watch(tx *journal.Tx, t mft.Transfer) error {
	if mft.IsCanary(t.Destination, t.ID) {
		return nil
	}
	post := func(one *rule.Rule) bool {
		return one.Phase() == mft.ExitPost && one.For(mft.EndDestination, t.Peer, t.Channel)
	}
	fault := func(one *rule.Rule) bool {
		return one.Phase() == mft.ExitError && one.For(mft.EndDestination, t.Peer, t.Channel)
	}
	listed := slices.ContainsFunc(r.rules, post)
	if !listed && !slices.ContainsFunc(r.rules, fault) {
		return nil
	}
	return tx.Watch(t.ID, listed)
}

// Run runs what follows from transfers that have ended, and what an earlier
// life of the agent left to do, until ctx ends. Then it stops the commands that
// run, and returns when they are over.
func (r *Runner) Run(ctx context.Context) {
	var group errgroup.Group
	group.SetLimit(AtOnce)
	defer func() { _ = group.Wait() }()
	for ctx.Err() == nil {
		seen := r.c.Journal.Newest()
		err := r.round(ctx, &group)
		if err != nil && ctx.Err() == nil {
			r.c.Log.Error("cannot find the transfers that exits follow", "err", err)
		}
		r.wait(ctx, seen, err == nil && len(r.rules) > 0)
	}
}

// round has every transfer settled that it is time for.
func (r *Runner) round(ctx context.Context, group *errgroup.Group) error {
	for after := int64(0); ; {
		ids, last, err := r.c.Journal.WatchedEnded(ctx, after, some)
		if err != nil {
			return err
		}
		for _, id := range ids {
			h := r.take(id)
			if h == nil {
				continue
			}
			group.Go(func() error {
				err := r.settle(ctx, id, h)
				if err != nil && ctx.Err() == nil {
					r.c.Log.Error("exits of a transfer have to wait", "transfer", id, "err", err)
				}
				r.leave(id, h, err)
				return nil
			})
		}
		if len(ids) < some || ctx.Err() != nil {
			return ctx.Err()
		}
		after = last
	}
}

// wait returns when there may be something to do: there is a new event, if
// those matter, a transfer has been left, or it is time to run a command again.
func (r *Runner) wait(ctx context.Context, seen int64, events bool) {
	ctx, cancel := context.WithTimeout(ctx, r.patience())
	defer cancel()
	if !events {
		select {
		case <-ctx.Done():
		case <-r.wake:
		}
		return
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-ctx.Done():
		case <-r.wake:
			cancel()
		}
	}()
	_ = r.c.Journal.Wait(ctx, seen)
	cancel()
	<-over
}

// patience returns how long nothing is to be done.
func (r *Runner) patience() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	least := look
	for _, h := range r.held {
		if !h.active {
			least = min(least, max(time.Until(h.until), time.Millisecond))
		}
	}
	return least
}

// take claims a transfer; nil when somebody has it or it is not time yet.
func (r *Runner) take(id mft.TransferID) *held {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.held[id]
	switch {
	case h == nil:
		h = &held{due: map[[16]byte]time.Time{}}
		r.held[id] = h
	case h.active || time.Now().Before(h.until):
		return nil
	}
	h.active = true
	return h
}

// leave gives a transfer back: until something of it is due, or for a moment
// when it could not be dealt with.
func (r *Runner) leave(id mft.TransferID, h *held, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h.active = false
	switch {
	case err != nil:
		h.until = time.Now().Add(look)
	case len(h.due) == 0:
		delete(r.held, id)
	default:
		h.until = time.Time{}
		for _, at := range h.due {
			if h.until.IsZero() || at.Before(h.until) {
				h.until = at
			}
		}
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
