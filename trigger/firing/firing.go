package firing

import (
	"time"

	"mft.dev/mft"
)

// A Clock is a schedule.
type Clock interface {
	// Next returns the first moment after another at which it is due, if any.
	Next(after time.Time) (time.Time, bool)
}

// Rules are what the configuration says of a channel.
type Rules struct {
	Markers []mft.Marker
	Clocks  []Clock
	// SkipMissed says that what was due while the agent did not run is not made up
	// for. Otherwise it is, once however often it was due.
	SkipMissed bool
	// SkipOverlap says that what is due during a run is not owed. Otherwise there is
	// one more run.
	SkipOverlap bool
	// Silence is how long no content may move before the channel counts as
	// silent; 0 is for ever.
	Silence time.Duration
	// RetryMin is how long after a run that failed it is repeated; twice as long each
	// time, up to RetryMax.
	RetryMin, RetryMax time.Duration
}

// late is how long after it was due something counts as missed.
const late = time.Minute

// Why says what a channel waits for.
type Why string

// What a channel waits for.
const (
	WhyNothing  Why = "nothing is due"
	WhyDisabled Why = "the channel is disabled"
	WhyPaused   Why = "the channel is paused"
	WhyBlocked  Why = "a block marker is there"
	WhyUnseen   Why = "the markers of the source cannot be looked at"
	WhyApart    Why = "no member of the server group is active, or several are"
	WhyPassive  Why = "another member of the server group is active"
	WhyBarred   Why = "a marker at the other end cannot be looked at"
	WhyRetry    Why = "the last run failed; it is repeated"
	WhyRunning  Why = "a run is under way"
)

// A Cause is why a run is owed.
type Cause string

// The causes.
const (
	BySchedule Cause = "schedule"
	ByMarker   Cause = "marker"
	ByArrival  Cause = "arrival"
	ByPoll     Cause = "poll"
	ByManual   Cause = "manual"
)

// An Outcome is how a run ended.
type Outcome string

// How runs end.
const (
	Succeeded Outcome = "success"
	NoAction  Outcome = "no action" // there was nothing to move
	Failed    Outcome = "failure"
	withdrawn Outcome = "withdrawn" // the trigger was gone when it was to be taken
)

// A Phase is where a channel is between two runs.
type Phase string

// The phases.
const (
	Idle     Phase = ""
	Starting Phase = "starting" // markers are written and triggers taken
	Running  Phase = "running"
	Ending   Phase = "ending" // markers are written
)

// A State is what has to outlive a crash, as JSON for instance. The zero value is
// that of a channel that never ran.
type State struct {
	Phase Phase
	// Run is the one that is under way, made by whoever does the steps.
	Run string
	// Owed is why one more run is owed, beside the one under way.
	Owed []Cause
	// Serves is why the run under way is made.
	Serves  []Cause
	Outcome Outcome
	Held    bool
	// Trying is where a trigger may have been taken or not, and Tried are the ends of
	// which this is known. Aside is where one lies under its other name, and counts.
	Trying, Tried, Aside []mft.End
	// Failures counts runs that failed since the last that did not, and Retry says when
	// the next is made. Completed counts those that did not fail, ever.
	Failures, Completed int64
	Retry               time.Time
	// Looked is up to when the clocks have been asked.
	Looked time.Time
	// Data is when content last moved, or when the channel was new.
	Data     time.Time
	Silent   bool
	Paused   bool
	Disabled bool
	// Shown is what each marker says: 0 that it was removed, otherwise what it was made
	// for. Nothing is known of one that is not in it.
	Shown map[Spot]int64
}

// A Spot is a marker without its path.
type Spot string

func spot(m mft.Marker) Spot { return Spot(string(m.End) + "/" + string(m.Kind)) }

// A World is what is seen at a moment.
type World struct {
	Now time.Time
	// Busy is up to when somebody worked on the channel since it was last observed, zero
	// for nobody: what was due until then was not missed, only late.
	Busy time.Time
	// Triggers and Blocks are the ends at which such a marker is there, or what was
	// taken of a trigger; Unseen those where nobody can look.
	Triggers, Blocks, Unseen []mft.End
	// Barred are markers that the other end does not let be looked at or written, or
	// that could not be written for now.
	Barred []mft.Marker
	// Apart is why nothing can move that is no marker: WhyApart or WhyPassive.
	Apart Why
	// Asked are other reasons to run that have come up.
	Asked []Cause
}

// Observe makes what is due owed. What was Asked may be forgotten when the state has
// been saved.
func (s State) Observe(r Rules, w World) State {
	s = s.trueTimes(r, w.Now)
	if s.Disabled || w.Apart == WhyPassive { // is not silent, and has the whole time when it is enabled
		s.Data, s.Silent = w.Now, false
	}
	for _, clock := range r.Clocks {
		due, ok := clock.Next(s.Looked)
		if !ok || due.After(w.Now) {
			continue
		}
		if !r.SkipMissed || !due.After(w.Busy) || w.Now.Sub(lastDue(clock, due, w.Now)) <= late {
			s = s.owe(r, BySchedule)
		}
	}
	if w.Now.After(s.Looked) {
		s.Looked = w.Now
	}
	for _, cause := range w.Asked {
		s = s.owe(r, cause)
	}
	if r.Silence > 0 && w.Now.Sub(s.Data) > r.Silence {
		s.Silent = true
	}
	return s
}

// trueTimes puts right what a clock that was wrong has left behind. When it is put
// back by a little nothing is due twice; when it was far ahead the channel does not
// wait until it gets there again.
func (s State) trueTimes(r Rules, now time.Time) State {
	if s.Looked.IsZero() || s.Looked.Sub(now) > time.Hour {
		s.Looked = now
	}
	if s.Data.IsZero() || s.Data.After(now) {
		s.Data = now
	}
	if s.Retry.Sub(now) > r.RetryMax {
		s.Retry = now.Add(r.RetryMax)
	}
	return s
}

// lastDue returns the last moment up to now at which a clock was due, of which
// due is one. After so many it does not matter which.
func lastDue(clock Clock, due, now time.Time) time.Time {
	if near := now.Add(-late); due.Before(near) {
		if next, ok := clock.Next(near.Add(-time.Nanosecond)); ok && !next.After(now) {
			return next
		}
		return due
	}
	return due
}

// owe adds a reason for a run. It ends the waiting for a repetition.
func (s State) owe(r Rules, cause Cause) State {
	if s.Disabled && cause != ByManual || r.SkipOverlap && cause == BySchedule && s.Phase != Idle {
		return s
	}
	s.Retry = time.Time{}
	s.Owed = with(s.Owed, cause)
	return s
}

// Ended notes that the run under way is over, and whether content moved in it.
func (s State) Ended(r Rules, outcome Outcome, moved bool, now time.Time) State {
	if s.Phase != Running {
		return s
	}
	s.Phase, s.Outcome, s.Held = Ending, outcome, false
	if moved {
		s.Data, s.Silent = now, false
	}
	if outcome != Failed {
		s.Failures, s.Serves = 0, nil
		s.Completed++
		return s
	}
	for _, cause := range s.Serves {
		s.Owed = with(s.Owed, cause)
	}
	s.Retry = now.Add(r.pause(s.Failures))
	s.Serves = nil
	s.Failures++
	return s
}

// Hasten notes that what a run failed of may be over: it is repeated at once.
func (s State) Hasten() State {
	s.Retry = time.Time{}
	return s
}

// Late notes that the run under way takes so long that it counts as one that
// failed, though it goes on.
func (s State) Late() State {
	if s.Phase == Running {
		s.Failures = max(s.Failures, 1)
	}
	return s
}

// pause is how long after so many failures and one more a run is repeated.
func (r Rules) pause(failures int64) time.Duration {
	d := r.RetryMin
	for range min(failures, 40) {
		if d *= 2; d >= r.RetryMax {
			return r.RetryMax
		}
	}
	return min(d, r.RetryMax)
}
