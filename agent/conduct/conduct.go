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
	"mft.dev/mft/agent/almanac"
	"mft.dev/mft/agent/arrival"
	"mft.dev/mft/agent/conduct/orders"
	"mft.dev/mft/agent/departure"
	"mft.dev/mft/agent/exits/launch"
	"mft.dev/mft/agent/failover"
	"mft.dev/mft/agent/farend"
	"mft.dev/mft/agent/group"
	"mft.dev/mft/agent/source"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol/marking"
	"mft.dev/mft/transfer/throttle"
	"mft.dev/mft/trigger"
	"mft.dev/mft/trigger/expectation"
	"mft.dev/mft/trigger/firing"
	"mft.dev/mft/trigger/pace"
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
	// Far knows what farend.Markers returns of the channel.
	Far interface {
		Look(mark farend.Mark) farend.Sight
		Do(ctx context.Context, deed marking.Deed, mark farend.Mark) (bool, error)
		Try(ctx context.Context, mark farend.Mark) error
	}
	// Groups are the server groups that channels may name, and Follower follows those that
	// this one does; nil for none.
	Groups   *group.Groups
	Follower *failover.Follower
	// Almanac has the calendars as they are; nil leaves them as they came.
	Almanac *almanac.Book
	// Departure has files leave the source.
	Departure *departure.Departure
	// Launch runs the commands of guards; nil has this process do it.
	Launch *launch.Desk
}

// A Conductor conducts one channel.
type Conductor struct {
	Config
	rules    firing.Rules
	far      map[mft.Marker]farend.Mark // those of the rules that are on other hosts
	expected expectation.Rules
	pace     *pace.Rules
	dated    mft.Channel        // the channel with its calendars as they are
	throttle *throttle.Throttle // of the channel, also when it changes

	// Only the goroutine of Run uses these.
	state firing.State
	hopes expectation.State
	kept  string // what of it is in the journal, but for times
	last  kept   // that as a value of its own; what is equal to it need not be written to be compared
	seen  map[mft.Marker]error
	come  [2]int64 // what the run under way has come to
	since time.Time
	began time.Time // or the agent did, if the run is older
	busy  time.Time // up to when the last step took, since when the channel was observed
	// broken says that something of it came to nothing.
	broken bool
	// taken is how many orders to run are in the state that is kept, and taking in the
	// one that is about to be.
	taken, taking int64

	orders *orders.Book

	poke  chan struct{} // go on now
	calls chan func()   // what somebody asks, for which the goroutine of Run is needed

	retiring atomic.Bool // see retire

	mu      sync.Mutex // guards what follows
	shown   Status
	failed  error // why the last run failed, nil if it did not
	missed  error // what is expected and did not come to pass
	dates   error // why a calendar may be an old one
	left    error // why something that was delivered is still at the source
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
	Hopes   expectation.State
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
	x := &Conductor{Config: c, seen: map[mft.Marker]error{}, poke: make(chan struct{}, 1), calls: make(chan func()), orders: orders.NewBook(c.Journal, c.Channel.Name, c.Now)}
	x.rules = firing.Rules{Silence: c.Channel.Expect.Silence, RetryMin: c.Retry, RetryMax: max(c.Retry, longestRetry)}
	x.rules.SkipMissed, x.rules.SkipOverlap = c.Channel.SkipMissed, c.Channel.SkipOverlap
	x.rules.Markers, x.far = farend.Markers(c.Channel, c.Groups.All())
	if _, err := trigger.Chosen(source.PlaceOf(c.Channel, "").Select); err != nil {
		return nil, err
	}
	times, err := almanac.Read(c.Channel)
	if err != nil {
		return nil, err
	}
	x.throttle = throttle.New(nil, c.Now)
	e := c.Channel.Expect
	x.expected = expectation.Rules{Grace: e.Grace, Bytes: e.Size, Items: e.Count, Due: times.Due}
	x.dated, x.rules.Clocks, x.pace = c.Channel, times.Clocks, times.Pace
	return x, nil
}

// Status tells how the channel stands.
func (x *Conductor) Status() Status {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.shown
	s.Problem = cmp.Or(s.Problem, x.failed, x.left, x.missed, x.dates)
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
	if x.recall(ctx) == nil { // to be shown while the source is looked at for the first time
		x.show(x.state, x.hopes, x.state.Next(x.rules, firing.World{Now: x.began}))
	}
	for {
		next := x.Now().Truncate(x.Look).Add(x.Look) // as all channels: the host wakes up once for all of them
		if x.Arrives {
			next = sooner(next, x.Source.Look(ctx))
		}
		if !x.busy.IsZero() { // else nothing was observed since the agent began
			x.busy = x.Now()
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

// consult has the channel go by its calendars as they are now. Only here rules, expected and
// pace change, which others read under mu.
func (x *Conductor) consult() {
	fresh, changed, err := x.Almanac.Channel(x.dated)
	var times almanac.Times
	if changed {
		if times, err = almanac.Read(fresh); err != nil {
			changed = false
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.dates = err; changed {
		x.dated, x.rules.Clocks, x.expected.Due, x.pace = fresh, times.Clocks, times.Due, times.Pace
	}
}

// times returns what the channel does by the clock now.
func (x *Conductor) times() almanac.Times {
	x.mu.Lock()
	defer x.mu.Unlock()
	return almanac.Times{Clocks: x.rules.Clocks, Due: x.expected.Due, Pace: x.pace}
}

// once observes and does one step.
func (x *Conductor) once(ctx context.Context) (firing.Step, error) {
	x.consult()
	w := x.look(ctx)
	w.Busy = x.busy
	defer func() {
		if !x.state.Looked.Before(w.Now) { // what was observed is kept
			x.busy = x.Now()
		}
	}()
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
	if !s.Disabled && w.Apart != firing.WhyPassive { // nothing is expected of one that is
		hopes, found = hopes.Observe(x.expected, w.Now)
	}
	if s.Silent && !x.state.Silent {
		found = append(found, expectation.Finding{Code: mft.CodeSilent, Detail: silence(s).Error()})
	}
	if err := x.clear(ctx, s.Phase == firing.Running); err != nil {
		return firing.Step{}, err
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
	x.shown = Status{Phase: s.Phase, Why: step.Why, Since: since, Until: step.Until, Problem: x.shown.Problem, State: s, Hopes: hopes}
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
