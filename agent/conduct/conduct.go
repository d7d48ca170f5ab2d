// Package conduct has a channel run when package firing says so: it looks at the
// markers, does one step after the other, and keeps the state in the journal before
// each.
//
// A run is the transfers that carry its id. It has ended when all of them have: well,
// if each was delivered; with no action, if there was nothing to send. What a failed
// run did not deliver is sent by the next one.
package conduct

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"mft.dev/mft"
	"mft.dev/mft/agent/arrival"
	"mft.dev/mft/agent/farend"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol/marking"
	"mft.dev/mft/trigger/expectation"
	"mft.dev/mft/trigger/firing"
	"mft.dev/mft/trigger/schedule"
)

// Config is what a conductor needs; every field must be set.
type Config struct {
	Channel mft.Channel
	// Source makes the transfers of a run, and Arrives says that files which arrive there
	// are a reason for one.
	Source  *arrival.Watcher
	Arrives bool
	Journal *journal.Journal
	Log     *slog.Logger
	Now     func() time.Time
	// Hold and Release stop a transfer for a while.
	Hold, Release func(ctx context.Context, id mft.TransferID) error
	// Look is the longest time between two looks at the markers, Retry the shortest
	// between a run that failed and its repetition. Patience is how long a run may come to
	// nothing more before it counts as failing, though it goes on.
	Look, Retry, Patience time.Duration
	// Far knows what Far returns of the channel.
	Far interface {
		Look(mark farend.Mark) farend.Sight
		Do(ctx context.Context, deed marking.Deed, mark farend.Mark) (bool, error)
	}
}

// A Conductor conducts one channel.
type Conductor struct {
	Config
	rules    firing.Rules
	far      map[mft.Marker]farend.Mark // those of the rules that are on other hosts
	expected expectation.Rules

	// Only the goroutine of Run uses these.
	state firing.State
	hopes expectation.State
	kept  string // what of it is in the journal, but for times
	seen  map[mft.Marker]error
	come  [2]int64 // what the run under way has come to
	since time.Time
	began time.Time // or the agent did, if the run is older
	// broken says that something of it came to nothing.
	broken bool
	// taken is how many orders to run are in the state that is kept, and taking in the
	// one that is about to be.
	taken, taking int64

	orders *orders

	poke  chan struct{} // go on now
	calls chan func()   // what somebody asks, for which the goroutine of Run is needed

	retiring atomic.Bool // see retire

	mu      sync.Mutex // guards what follows
	shown   Status
	failed  error // why the last run failed, nil if it did not
	missed  error // what is expected and did not come to pass
	hurried bool  // a failed run should be repeated now
}

// Status tells how a channel stands.
type Status struct {
	Phase   firing.Phase
	Why     firing.Why
	Since   time.Time // when it began to be so, or the agent first saw it
	Until   time.Time // when it goes on by itself; zero when it does not
	Problem error
	State   firing.State // is not to be changed
}

// String says it in a few words.
func (s Status) String() string {
	out := cmp.Or(string(s.Why), string(s.Phase), "begins")
	if !s.Until.IsZero() && (s.Why == firing.WhyNothing || s.Why == firing.WhyRetry) {
		out += " until " + s.Until.Format(time.DateTime)
	}
	return out
}

// kinds are the kinds of the triggers.
func (x *Conductor) kinds() (out []string) {
	for _, t := range x.Channel.When {
		out = append(out, string(t.Kind))
	}
	return out
}

// longestRetry is the longest time between a run that failed and its repetition.
const longestRetry = time.Hour

// New returns a conductor, which starts nothing. CodeConfig says what is wrong with
// the channel.
func New(c Config) (*Conductor, error) {
	x := &Conductor{Config: c, seen: map[mft.Marker]error{}, poke: make(chan struct{}, 1), calls: make(chan func()), orders: newOrders(c)}
	x.rules = firing.Rules{Silence: c.Channel.Expect.Silence, RetryMin: c.Retry, RetryMax: max(c.Retry, longestRetry)}
	x.rules.Markers, x.far = markers(c.Channel)
	e := c.Channel.Expect
	x.expected = expectation.Rules{Grace: e.Grace, Bytes: e.Size, Items: e.Count}
	if e.DueBy != "" {
		due, err := clock(c.Channel.Name, e.DueBy, e.Zone)
		if err != nil {
			return nil, err
		}
		x.expected.Due = due
	}
	for _, t := range c.Channel.When {
		switch t.Kind {
		case mft.TriggerSchedule:
			clock, err := clock(c.Channel.Name, t.Expression, t.Zone)
			if err != nil {
				return nil, err
			}
			x.rules.Clocks = append(x.rules.Clocks, clock)
		case mft.TriggerPoll:
			x.rules.Clocks = append(x.rules.Clocks, poll(t.Every))
		}
	}
	return x, nil
}

// clock reads a schedule in a zone, that of the host if it has no name.
func clock(channel, expression, zone string) (*schedule.Schedule, error) {
	in := time.Local
	if zone != "" {
		var err error
		if in, err = time.LoadLocation(zone); err != nil {
			return nil, mft.Fail(mft.CodeConfig, "conduct channel", channel, err)
		}
	}
	return schedule.Parse(expression, in, schedule.EveryDay, nil)
}

// poll is due at each multiple of a time.
type poll time.Duration

func (p poll) Next(after time.Time) (time.Time, bool) {
	return after.Truncate(time.Duration(p)).Add(time.Duration(p)), true
}

// Status tells how the channel stands.
func (x *Conductor) Status() Status {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.shown
	s.Problem = cmp.Or(s.Problem, x.failed, x.missed)
	return s
}

// Hurry has a run that failed repeated now: what it failed of may be over.
func (x *Conductor) Hurry() {
	x.mu.Lock()
	x.hurried = true
	x.mu.Unlock()
	x.wake()
}

// wake has the conductor go on now.
func (x *Conductor) wake() {
	select {
	case x.poke <- struct{}{}:
	default:
	}
}

// takeHurry reports whether there is a hurry, which is over then.
func (x *Conductor) takeHurry() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	was := x.hurried
	x.hurried = false
	return was
}

// Run conducts the channel until ctx is done, or no run is under way and the conductor
// retires.
func (x *Conductor) Run(ctx context.Context) {
	var watching sync.WaitGroup
	defer watching.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if x.Arrives {
		watching.Go(func() { x.Source.Watch(ctx) })
	}
	x.began = x.Now()
	for {
		next := x.Now().Add(x.Look)
		if x.Arrives {
			next = sooner(next, x.Source.Look(ctx))
		}
		err := x.recall(ctx)
		for err == nil && ctx.Err() == nil {
			if x.leaves(ctx) {
				return
			}
			var step firing.Step
			if step, err = x.once(ctx); err == nil && step.Do == firing.Wait {
				next = sooner(next, step.Until)
				break
			}
		}
		x.complain(ctx, err)
		again := time.NewTimer(max(next.Sub(x.Now()), time.Millisecond))
		select {
		case <-ctx.Done():
			again.Stop()
			return
		case <-x.Source.Wake():
			again.Stop()
		case <-x.poke:
			again.Stop()
		case f := <-x.calls:
			again.Stop()
			f()
		case <-again.C:
		}
	}
}

// sooner returns the earlier of two moments, of which the second may be zero for
// never.
func sooner(a, b time.Time) time.Time {
	if b.IsZero() || a.Before(b) {
		return a
	}
	return b
}

// complain tells once of what is in the way.
func (x *Conductor) complain(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	x.mu.Lock()
	news := err != nil && mft.CodeOf(err) != mft.CodeOf(x.shown.Problem)
	if x.shown.Problem = err; err == nil {
		x.shown.Problem = x.trouble()
	}
	x.mu.Unlock()
	if news {
		x.Log.Warn("a channel is in trouble", "channel", x.Channel.Name, "err", err)
	}
}

// once observes and does one step.
func (x *Conductor) once(ctx context.Context) (firing.Step, error) {
	w := x.look()
	if x.Arrives && x.Source.News() && !x.joins() {
		w.Asked = append(w.Asked, firing.ByArrival)
	}
	s, err := x.obey(ctx, w)
	if err != nil {
		return firing.Step{}, err
	}
	if x.takeHurry() {
		s = s.Hasten()
	}
	hopes, found := x.hopes, []expectation.Finding(nil)
	if !s.Disabled { // nothing is expected of one that is
		hopes, found = hopes.Observe(x.expected, w.Now)
	}
	if s.Silent && !x.state.Silent {
		found = append(found, expectation.Finding{Code: mft.CodeSilent, Detail: silence(s).Error()})
	}
	if s.Phase == firing.Running {
		ended, err := x.progress(ctx, s)
		if err != nil || ended {
			return firing.Step{}, err
		}
	}
	step := s.Next(x.rules, w)
	s = s.Before(step)
	x.show(s, hopes, step)
	if err := x.save(ctx, s, hopes, x.tell(found)...); err != nil {
		return step, err
	}
	if step.Do == firing.Run {
		return step, x.begin(ctx, s.After(step, firing.Result{}))
	}
	result, err := x.do(ctx, step)
	if err != nil {
		return step, err
	}
	x.state = s.After(step, result) // saved before the next step
	return step, nil
}

func (x *Conductor) show(s firing.State, hopes expectation.State, step firing.Step) {
	x.mu.Lock()
	defer x.mu.Unlock()
	since := x.shown.Since
	if step.Why != x.shown.Why || since.IsZero() {
		since = x.Now()
	}
	x.shown = Status{Phase: s.Phase, Why: step.Why, Since: since, Until: step.Until, Problem: x.shown.Problem, State: s}
	x.missed = nil
	switch {
	case !hopes.Overdue.IsZero():
		x.missed = mft.Fail(hopes.Code(), "expect of channel", x.Channel.Name, errors.New(hopes.String()))
	case s.Silent:
		x.missed = mft.Fail(mft.CodeSilent, "expect of channel", x.Channel.Name, silence(s))
	}
}

// silence says for how long a channel has been silent.
func silence(s firing.State) error {
	return fmt.Errorf("no content has moved since %s", s.Data.Format(time.DateTime))
}

// do does a step.
func (x *Conductor) do(ctx context.Context, step firing.Step) (firing.Result, error) {
	switch step.Do {
	case firing.Begin:
		id, err := uuid.NewV7()
		return firing.Result{Run: id.String()}, err
	case firing.Hold:
		return firing.Result{}, x.each(ctx, x.Hold)
	case firing.Release:
		return firing.Result{}, x.each(ctx, x.Release)
	}
	return x.mark(ctx, step)
}
