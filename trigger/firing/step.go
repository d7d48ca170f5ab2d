package firing

import (
	"maps"
	"slices"
	"time"

	"mft.dev/mft"
)

// A Deed is what a step does.
type Deed string

// The deeds.
const (
	Wait    Deed = "wait"    // nothing can be done now
	Begin   Deed = "begin"   // a run gets its name
	Place   Deed = "place"   // a marker is made, or touched when it is there
	Remove  Deed = "remove"  // a marker is removed; that there is none does not matter
	Take    Deed = "take"    // a trigger is renamed to the name under which it counts as taken, unless that is there
	Drop    Deed = "drop"    // what was taken is removed
	Run     Deed = "run"     // content begins to move
	Hold    Deed = "hold"    // and stops for a while
	Release Deed = "release" // and goes on
	Rest    Deed = "rest"    // the run is over
)

// A Step is the one thing to do now.
type Step struct {
	Do     Deed
	Marker mft.Marker // of Place, Remove, Take and Drop
	// Why and Until are those of Wait and Hold: what for, and when to look again at
	// the latest, if at any time.
	Why   Why
	Until time.Time
	sign  int64 // what a marker is placed for
}

// A Result is what came of a step.
type Result struct {
	// Run is the name of the run that begins.
	Run string
	// Taken says that there was a trigger to take.
	Taken bool
}

// Next returns what to do.
func (s State) Next(r Rules, w World) Step {
	if step, ok := s.drop(r, w); ok {
		return step
	}
	if step, ok := s.mark(r, w); ok {
		return step
	}
	switch s.Phase {
	case Starting:
		return s.start(r, w)
	case Running:
		why := s.hindrance(r, w)
		switch {
		case why != "" && !s.Held:
			return Step{Do: Hold, Why: why}
		case why == "" && s.Held:
			return Step{Do: Release}
		}
		if why == "" {
			why = WhyRunning
		}
		return Step{Do: Wait, Why: why, Until: s.nextLook(r)}
	case Ending:
		return Step{Do: Rest}
	}
	why, until := s.idle(r, w)
	if why == "" {
		return Step{Do: Begin}
	}
	return Step{Do: Wait, Why: why, Until: until}
}

// idle returns what an idle channel waits for, if for anything.
func (s State) idle(r Rules, w World) (Why, time.Time) {
	triggered := len(w.Triggers) > 0
	switch {
	case s.Disabled && !slices.Contains(s.Owed, ByManual):
		return WhyDisabled, time.Time{}
	case len(s.Owed) == 0 && !triggered:
		switch {
		case r.blind(w, mft.MarkerTrigger):
			return WhyUnseen, s.nextLook(r)
		case w.bars(mft.MarkerTrigger):
			return WhyBarred, s.nextLook(r)
		}
		return WhyNothing, s.nextLook(r)
	case s.hindrance(r, w) != "":
		return s.hindrance(r, w), s.nextLook(r)
	case !triggered && w.Now.Before(s.Retry):
		return WhyRetry, earlier(s.Retry, s.nextLook(r))
	}
	return "", time.Time{}
}

// hindrance returns what keeps content from moving, if anything.
func (s State) hindrance(r Rules, w World) Why {
	switch {
	case s.Paused:
		return WhyPaused
	case w.Apart != "":
		return w.Apart
	case len(w.Blocks) > 0:
		return WhyBlocked
	case r.blind(w, mft.MarkerBlock):
		return WhyUnseen
	case w.bars(mft.MarkerBlock):
		return WhyBarred
	}
	return ""
}

// blind reports whether the source has such a marker, and nobody can look at it.
func (r Rules) blind(w World, kind mft.MarkerKind) bool {
	return slices.Contains(w.Unseen, mft.EndSource) && slices.ContainsFunc(r.Markers, func(m mft.Marker) bool {
		return m.End == mft.EndSource && m.Kind == kind
	})
}

// closed reports whether nothing can be done now about a marker.
func (w World) closed(m mft.Marker) bool {
	return slices.Contains(w.Unseen, m.End) || slices.Contains(w.Barred, m)
}

// bars reports whether a marker of this kind is barred.
func (w World) bars(kind mft.MarkerKind) bool {
	return slices.ContainsFunc(w.Barred, func(m mft.Marker) bool { return m.Kind == kind })
}

// nextLook returns when time alone changes something.
func (s State) nextLook(r Rules) (next time.Time) {
	for _, clock := range r.Clocks {
		if due, ok := clock.Next(s.Looked); ok {
			next = earlier(next, due)
		}
	}
	if r.Silence > 0 && !s.Silent {
		next = earlier(next, s.Data.Add(r.Silence+1))
	}
	return next
}

// earlier returns the earlier of two moments; zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// start returns the next step of a run that begins. What has come to be in the way since, while
// the agent was not there perhaps, keeps it from taking a trigger or moving content;
// activity stays, since a trigger may be taken already.
func (s State) start(r Rules, w World) Step {
	if why := s.hindrance(r, w); why != "" && len(s.Owed)+len(w.Triggers) > 0 {
		return Step{Do: Wait, Why: why, Until: s.nextLook(r)}
	}
	for _, m := range r.Markers {
		if m.Kind == mft.MarkerTrigger && !w.closed(m) && !slices.Contains(s.Tried, m.End) {
			return Step{Do: Take, Marker: m} // what was taken before is dropped by now
		}
	}
	if len(s.Owed) == 0 {
		return Step{Do: Rest} // what made it begin was withdrawn
	}
	return Step{Do: Run}
}

// drop returns the step that removes what was taken, if there is something. A
// trigger is not taken before that of last time is gone.
func (s State) drop(r Rules, w World) (Step, bool) {
	for _, m := range r.Markers {
		if m.Kind == mft.MarkerTrigger && slices.Contains(s.Aside, m.End) && !w.closed(m) {
			return Step{Do: Drop, Marker: m}, true
		}
	}
	return Step{}, false
}

// order is that in which markers are written.
var order = [...]mft.MarkerKind{mft.MarkerFailure, mft.MarkerCompletion, mft.MarkerSilence, mft.MarkerActivity}

// mark returns the next marker to write, if there is one.
func (s State) mark(r Rules, w World) (Step, bool) {
	for _, kind := range order {
		for _, m := range r.Markers {
			if m.Kind != kind || w.closed(m) {
				continue
			}
			sign := s.sign(kind)
			shown, known := s.Shown[spot(m)]
			switch {
			case sign == shown && (known || kind == mft.MarkerCompletion):
			case sign == 0:
				return Step{Do: Remove, Marker: m}, true
			default:
				return Step{Do: Place, Marker: m, sign: sign}, true
			}
		}
	}
	return Step{}, false
}

// sign returns what a marker has to say: 0 that it is not there.
func (s State) sign(kind mft.MarkerKind) int64 {
	is := map[bool]int64{true: 1}
	switch kind {
	case mft.MarkerFailure:
		return s.Failures
	case mft.MarkerCompletion:
		return s.Completed
	case mft.MarkerSilence:
		return is[s.Silent]
	}
	return is[s.Phase == Starting || s.Phase == Running]
}

// Before returns the state in which a step is done, which has to be saved first: what
// a marker says is not known from then on, until it is known that the step is done.
func (s State) Before(step Step) State {
	switch step.Do {
	case Place, Remove:
		s.Shown = maps.Clone(s.Shown)
		delete(s.Shown, spot(step.Marker))
	case Take:
		s.Trying = with(s.Trying, step.Marker.End)
	}
	return s
}

// After returns the state when a step has been done.
func (s State) After(step Step, result Result) State {
	end := step.Marker.End
	switch step.Do {
	case Begin:
		s.Phase, s.Run, s.Tried, s.Outcome = Starting, result.Run, nil, ""
	case Place, Remove:
		s.Shown = maps.Clone(s.Shown)
		if s.Shown == nil {
			s.Shown = map[Spot]int64{}
		}
		s.Shown[spot(step.Marker)] = step.sign
	case Take:
		s.Trying, s.Tried = without(s.Trying, end), with(s.Tried, end)
		if result.Taken {
			s.Aside, s.Owed = with(s.Aside, end), with(s.Owed, ByMarker)
		}
	case Drop:
		s.Aside = without(s.Aside, end)
	case Run:
		s.Phase, s.Serves, s.Owed, s.Retry = Running, s.Owed, nil, time.Time{}
		for _, end := range s.Trying { // whether it was taken or not, this run comes after it
			s.Aside = with(s.Aside, end)
		}
		s.Trying = nil
	case Hold:
		s.Held = true
	case Release:
		s.Held = false
	case Rest:
		if s.Phase == Starting {
			s.Phase, s.Outcome = Ending, withdrawn
			return s
		}
		s.Phase, s.Run = Idle, ""
	}
	return s
}

// with returns a list that has v as well, and without one that has it no more.
func with[T comparable](list []T, v T) []T {
	if slices.Contains(list, v) {
		return list
	}
	return append(slices.Clone(list), v)
}

func without[T comparable](list []T, v T) []T {
	return slices.DeleteFunc(slices.Clone(list), func(x T) bool { return x == v })
}
