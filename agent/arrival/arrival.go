// Package arrival knows the source of a channel: which files are there that were not
// sent as they are, and which of them have stopped changing. It makes the transfers of
// the channel's runs.
//
// A [Watcher] is made with [New], and is for one goroutine, which decides when
// there is a run:
//
//	next := w.Look(ctx)          // only where files that arrive are a reason
//	if w.News() { … }            // something is stable that was not sent like this
//	files, err := w.Gather(ctx, run) // what is stable, or
//	files, err := w.Sweep(ctx, run)  // everything, as it is
//
// The full scan from time to time is the truth; notices of the system only make it look
// sooner. That a version of a file was sent is journaled together with the transfer
// that sends it: it is sent once, whenever the agent dies.
//
// The package refuses to follow symbolic links, to send anything but regular
// files, and to forget a file because its destination is not known yet. It
// does not read files, and moves none: the queue does.
package arrival

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/lookout"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/internal/watch"
	"mft.dev/mft/journal"
	"mft.dev/mft/trigger"
)

// Config is what a watcher needs; every field but At must be set.
type Config struct {
	Channel mft.Channel
	// When is the trigger that makes this agent watch, see Trigger; zero for none.
	When    mft.Trigger
	Journal *journal.Journal
	Trail   *trail.Trail
	Log     *slog.Logger
	Now     func() time.Time
	// Plan returns a new transfer to an agent or to a server group, complete but for its
	// channel, sources and destination.
	Plan func(to mft.AgentName, o mft.Overwrite) (mft.Transfer, error)
	// At looks at the source; nil is this process.
	At lookout.Lookout
	// Placed is told of each transfer that was made and is queued.
	Placed func(mft.Transfer)
}

// A Watcher watches the source of one channel.
type Watcher struct {
	Config
	root string // of the source, in the form of this host
	// source says which files move.
	source trigger.Source

	memory    memory
	stability *trigger.Stability
	settling  map[string]*settling
	// ready are the files that are stable and were not sent like this, with those that a
	// run sent in vain. news says that one has become stable since files were gathered.
	ready   map[string]arrived
	news    bool
	crowded bool // the last look left files for the next
	// line are the files that are for later batches of the run lined.
	line  []arrived
	lined string
	next  time.Time

	wake chan struct{}

	mu    sync.Mutex // guards what follows
	hints map[string]bool
	shown Status
	said  map[mft.Code]bool // what has been complained about since it last went well
}

// A settling file was seen and is not stable yet.
type settling struct {
	first time.Time // when it was first seen
	again time.Time // when to look again
}

// An arrived file has not been sent like this.
type arrived struct {
	path     string // below the root of the channel
	seen     trigger.Sighting
	detected time.Time
}

// Status tells how the source of a channel is watched.
type Status struct {
	Name     string
	From     string
	Watching string    // "inotify", "fsnotify" or "scanning"
	LastScan time.Time // zero before the first one
	Settling int       // files that are not stable yet
	Problem  error     // why files may be late or missed; nil if all is well
}

const (
	defaultStable = time.Second
	// How long there is between two scans when nobody says, with notices that can be
	// relied on and without.
	noticedRescan = 10 * time.Minute
	defaultRescan = 30 * time.Second
	// maxSettling bounds the files that are watched while they settle, and those that
	// are ready; maxHints the paths that are remembered between two looks. What is
	// beyond is found by a scan.
	maxSettling = 100000
	maxHints    = 10000
	// portion is how many files one transfer of a channel has at most.
	portion = 200
	// scanShare bounds scanning to one part in so many of the time.
	scanShare = 10
	// lookLater is how long after a look that did not go well the next is made.
	lookLater = time.Second
	// watchAgain is how long after it could not go on a source is watched again, at first;
	// at last as seldom as it is looked at.
	watchAgain = time.Second
	// scanning is the mechanism that always works.
	scanning = "scanning"
)

// Trigger returns the trigger by which the agent self watches ch, if any.
func Trigger(ch mft.Channel, self mft.AgentName) (mft.Trigger, bool) {
	if ch.From.Agent != self {
		return mft.Trigger{}, false
	}
	for _, t := range ch.When {
		if t.Kind == mft.TriggerArrival {
			if t.Stable <= 0 {
				t.Stable = defaultStable
			}
			return t, true
		}
	}
	return mft.Trigger{}, false
}

// New returns a watcher. It starts nothing.
func New(c Config) *Watcher {
	root, markers := filepath.Clean(c.Channel.From.Path), map[string]bool{}
	for _, m := range c.Channel.Markers {
		if rel, err := filepath.Rel(root, m.Path); err == nil && m.End == mft.EndSource {
			markers[filepath.ToSlash(rel)] = true
		}
	}
	chosen, err := trigger.Chosen(c.Channel.Select)
	if err != nil { // the configuration refuses it: nothing moves
		c.Channel.Select = mft.Selection{Exclude: []string{"["}}
	}
	if c.At == nil {
		c.At = lookout.Local{Root: root}
	}
	return &Watcher{
		Config: c, root: root, source: trigger.Source{Select: c.Channel.Select, Markers: markers, Chosen: chosen},
		memory: newMemory(), stability: trigger.NewStability(c.When.Stable, maxSettling), settling: map[string]*settling{},
		ready: map[string]arrived{},
		wake:  make(chan struct{}, 1), hints: map[string]bool{}, said: map[mft.Code]bool{},
		shown: Status{Name: c.Channel.Name, From: c.Channel.From.Path, Watching: scanning},
	}
}

// Root returns the directory that is watched, in the form of this host.
func (w *Watcher) Root() string { return w.root }

// Status tells how it goes.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shown
}

// complain tells once of what is in the way, until it went well again.
func (w *Watcher) complain(err error) {
	code := mft.CodeOf(err)
	w.mu.Lock()
	w.shown.Problem = err
	repeated := w.said[code]
	w.said[code] = true
	w.mu.Unlock()
	if !repeated {
		w.Log.Warn("a channel is in trouble", "channel", w.Channel.Name, "err", err)
	}
}

// hint remembers that path is worth a look; "" is everything.
func (w *Watcher) hint(path string) {
	w.mu.Lock()
	if path == "" || len(w.hints) >= maxHints {
		clear(w.hints)
		path = ""
	}
	if !w.hints[""] {
		w.hints[path] = true
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// takeHints returns what is worth a look, nil for nothing.
func (w *Watcher) takeHints() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.hints) == 0 { // as most of the time
		return nil
	}
	out := w.hints
	w.hints = map[string]bool{}
	return out
}

// Wake gets a value when a look is worth while before it is due.
func (w *Watcher) Wake() <-chan struct{} { return w.wake }

// News reports whether a file has become stable, that was not sent like this, since files
// were last gathered.
func (w *Watcher) News() bool { return w.news }

// Look looks at what is due and at what has been noticed, and returns when to look
// again.
func (w *Watcher) Look(ctx context.Context) time.Time {
	hints := w.takeHints()
	now, well := w.Now(), true
	if hints[""] || !now.Before(w.next) {
		well = w.look(ctx, map[string]bool{"": true})
		took := w.Now().Sub(now)
		pause := w.rescan()
		if hints[""] { // so that channels which began together do not scan together
			pause -= rand.N(pause / 2)
		}
		w.next = w.Now().Add(max(pause, took*scanShare))
		if w.crowded && len(w.settling) > 0 {
			w.next = w.Now().Add(max(w.When.Stable, took))
		}
	} else {
		for path, s := range w.settling {
			if !now.Before(s.again) {
				if hints == nil {
					hints = map[string]bool{}
				}
				hints[path] = true
			}
		}
		if len(hints) > 0 {
			well = w.look(ctx, hints)
		}
	}
	due := w.nextLook(w.next)
	if later := w.Now().Add(lookLater); !well && due.Before(later) {
		return later // what is due stays due
	}
	return due
}

// rescan is how long there is between two scans.
func (w *Watcher) rescan() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.When.Rescan > 0:
		return w.When.Rescan
	case w.shown.Watching == scanning:
		return defaultRescan
	}
	return noticedRescan
}

// nextLook returns when something is due, at the latest nextScan.
func (w *Watcher) nextLook(nextScan time.Time) time.Time {
	for _, s := range w.settling {
		if s.again.Before(nextScan) {
			nextScan = s.again
		}
	}
	return nextScan
}

// Watch turns notices of the system into reasons to look, until ctx ends. Without them,
// and where they tell only of what this host does, scanning has to do. It is for a
// goroutine of its own.
func (w *Watcher) Watch(ctx context.Context) {
	pause := watchAgain
	for ctx.Err() == nil {
		begun := w.Now()
		err := w.At.Watch(ctx, func(path string, reliable bool) {
			if reliable {
				w.mu.Lock()
				w.shown.Watching = watch.Mechanism()
				w.mu.Unlock()
			}
			w.hint(path)
		})
		w.mu.Lock()
		w.shown.Watching = scanning
		w.mu.Unlock()
		if err != nil && ctx.Err() == nil {
			w.complain(err)
		}
		if w.Now().Sub(begun) > w.rescan() { // it had worked
			pause = watchAgain
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, w.rescan())
	}
}
