package firing

import (
	"slices"
	"testing"
	"time"

	"mft.dev/mft"
)

// every is due at each multiple of itself.
type every time.Duration

func (e every) Next(after time.Time) (time.Time, bool) {
	return after.Truncate(time.Duration(e)).Add(time.Duration(e)), true
}

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// allMarkers are all markers at both ends.
func allMarkers() (out []mft.Marker) {
	for _, end := range []mft.End{mft.EndSource, mft.EndDestination} {
		for _, kind := range []mft.MarkerKind{
			mft.MarkerTrigger, mft.MarkerBlock, mft.MarkerActivity, mft.MarkerCompletion, mft.MarkerFailure, mft.MarkerSilence,
		} {
			out = append(out, mft.Marker{Kind: kind, End: end, Path: "/" + string(end) + "/" + string(kind)})
		}
	}
	return out
}

// A tester is a *testing.T or a *rapid.T.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// A stage plays a channel: it does the steps on markers that it keeps in a map.
type stage struct {
	t     tester
	rules Rules
	state State
	world World
	files map[string]int64
	steps []string // what was done, but waiting
	last  Step
}

const taken = "/taken"

func newStage(t tester) *stage {
	return &stage{
		t: t, rules: Rules{Markers: allMarkers(), RetryMin: time.Minute, RetryMax: time.Hour},
		world: World{Now: start}, files: map[string]int64{},
	}
}

// look fills in what is seen of the markers.
func (s *stage) look() {
	s.world.Triggers, s.world.Blocks = nil, nil
	for _, m := range s.rules.Markers {
		if s.files[m.Path]+s.files[m.Path+taken] == 0 || s.world.closed(m) {
			continue
		}
		switch m.Kind {
		case mft.MarkerTrigger:
			s.world.Triggers = append(s.world.Triggers, m.End)
		case mft.MarkerBlock:
			s.world.Blocks = append(s.world.Blocks, m.End)
		}
	}
}

// do does a step.
func (s *stage) do(step Step) (result Result) {
	at := step.Marker.Path
	switch step.Do {
	case Begin:
		result.Run = "run"
	case Place:
		s.files[at] = s.files[at] + 1
	case Remove:
		delete(s.files, at)
	case Take:
		if _, there := s.files[at]; there && s.files[at+taken] == 0 {
			delete(s.files, at)
			s.files[at+taken] = 1
		}
		result.Taken = s.files[at+taken] > 0
	case Drop:
		delete(s.files, at+taken)
	}
	return result
}

// once observes and does one step, and returns it.
func (s *stage) once() Step {
	s.look()
	s.state = s.state.Observe(s.rules, s.world)
	s.world.Asked = nil
	s.last = s.state.Next(s.rules, s.world)
	if s.last.Do != Wait {
		word := string(s.last.Do)
		if m := s.last.Marker; m.Kind != "" {
			word += " " + string(m.End) + " " + string(m.Kind)
		}
		s.steps = append(s.steps, word)
	}
	s.state = s.state.Before(s.last).After(s.last, s.do(s.last))
	return s.last
}

// settle goes on until there is nothing to do.
func (s *stage) settle() Step {
	s.t.Helper()
	for range 100 {
		if step := s.once(); step.Do == Wait {
			return step
		}
	}
	s.t.Fatalf("it never comes to rest: %v", s.steps)
	return Step{}
}

// runs settles, and complains unless a run is under way, or not.
func (s *stage) runs(want bool, when string) {
	s.t.Helper()
	if s.settle(); (s.state.Phase == Running && !s.state.Held) != want {
		s.t.Fatalf("%s: phase %q, held %v, %s; want it to run: %v", when, s.state.Phase, s.state.Held, s.last.Why, want)
	}
}

// end ends the run under way.
func (s *stage) end(outcome Outcome, moved bool) {
	s.t.Helper()
	s.runs(true, "before a run can end")
	s.state = s.state.Ended(s.rules, outcome, moved, s.world.Now)
	s.settle()
}

// has complains unless exactly these markers are there.
func (s *stage) has(when string, want ...string) {
	s.t.Helper()
	for path := range s.files {
		if !slices.Contains(want, path) {
			s.t.Errorf("%s: %s is there", when, path)
		}
	}
	for _, path := range want {
		if _, there := s.files[path]; !there {
			s.t.Errorf("%s: %s is not there", when, path)
		}
	}
}

func (s *stage) pass(d time.Duration) { s.world.Now = s.world.Now.Add(d) }

// only keeps the markers of these kinds, at the source.
func (s *stage) only(kinds ...mft.MarkerKind) {
	s.rules.Markers = slices.DeleteFunc(s.rules.Markers, func(m mft.Marker) bool {
		return m.End != mft.EndSource || !slices.Contains(kinds, m.Kind)
	})
}

func TestTriggerFires(t *testing.T) {
	s := newStage(t)
	s.runs(false, "without a trigger")
	s.files["/source/trigger"] = 1
	s.steps = nil
	s.runs(true, "with a trigger")
	want := []string{
		"begin", "place source activity", "place destination activity",
		"take source trigger", "drop source trigger", "take destination trigger", "run",
	}
	if !slices.Equal(s.steps, want) {
		t.Errorf("steps %v, want %v", s.steps, want)
	}
	s.has("while it runs", "/source/activity", "/destination/activity")
	s.steps = nil
	s.end(Succeeded, true)
	s.has("afterwards", "/source/completion", "/destination/completion")
	s.runs(false, "afterwards")
	if i := slices.Index(s.steps, "remove source activity"); i < slices.Index(s.steps, "place destination completion") {
		t.Errorf("activity is not removed last: %v", s.steps)
	}
}

func TestTriggerDuringARun(t *testing.T) {
	s := newStage(t)
	s.files["/source/trigger"] = 1
	s.runs(true, "with a trigger")
	s.files["/source/trigger"] = 1
	s.settle()
	s.has("while it runs", "/source/trigger", "/source/activity", "/destination/activity")
	s.end(Succeeded, true)
	s.runs(true, "after the first run")
	s.end(Succeeded, true)
	s.runs(false, "after the second")
	if s.state.Completed != 2 {
		t.Errorf("%d runs, want 2", s.state.Completed)
	}
}

func TestTriggerAndBlockTogether(t *testing.T) {
	for _, end := range []string{"/source", "/destination"} {
		s := newStage(t)
		s.files["/source/trigger"], s.files[end+"/block"] = 1, 1
		s.runs(false, "blocked")
		s.has("blocked", "/source/trigger", end+"/block")
		if s.last.Why != WhyBlocked {
			t.Errorf("it waits because %s", s.last.Why)
		}
		delete(s.files, end+"/block")
		s.runs(true, "no more blocked")
	}
}

func TestBlockDuringARun(t *testing.T) {
	s := newStage(t)
	s.files["/source/trigger"] = 1
	s.runs(true, "with a trigger")
	s.files["/destination/block"] = 1
	s.runs(false, "blocked")
	s.has("blocked", "/destination/block", "/source/activity", "/destination/activity")
	delete(s.files, "/destination/block")
	s.runs(true, "no more blocked")
	s.end(Succeeded, true)
	s.has("afterwards", "/source/completion", "/destination/completion")
}

func TestFailureAfterTheTriggerWasRemoved(t *testing.T) {
	s := newStage(t)
	s.only(mft.MarkerTrigger, mft.MarkerActivity, mft.MarkerFailure, mft.MarkerCompletion)
	s.files["/source/trigger"] = 1
	s.end(Failed, false)
	s.has("after it failed", "/source/failure")
	s.runs(false, "at once")
	if s.last.Why != WhyRetry || !s.last.Until.Equal(start.Add(time.Minute)) {
		t.Errorf("it waits because %s until %v", s.last.Why, s.last.Until)
	}
	s.pass(time.Minute)
	s.runs(true, "a minute later")
	s.has("while it is repeated", "/source/failure", "/source/activity")
	s.end(Failed, false)
	s.pass(time.Minute)
	s.runs(false, "a minute later again")
	if s.files["/source/failure"] != 2 {
		t.Errorf("the failure marker was made %d times, want 2", s.files["/source/failure"])
	}
	s.pass(time.Minute)
	s.end(Succeeded, false)
	s.has("when it succeeded", "/source/completion")
	s.pass(1000 * time.Hour)
	s.runs(false, "for ever")
}

func TestNewReasonEndsTheWaiting(t *testing.T) {
	s := newStage(t)
	s.files["/source/trigger"] = 1
	s.end(Failed, false)
	s.files["/source/trigger"] = 1
	s.runs(true, "with a new trigger")
	s.end(Failed, false)
	s.world.Asked = []Cause{ByManual}
	s.runs(true, "when an operator asks")
	s.end(Succeeded, false)
	s.runs(false, "afterwards") // all three reasons were served
}

// TestStaleActivityMarker has the host crash, and the channel find its own markers.
func TestStaleActivityMarker(t *testing.T) {
	s := newStage(t)
	s.files["/source/trigger"] = 1
	s.runs(true, "with a trigger")
	s.state = s.state.Ended(s.rules, Succeeded, true, s.world.Now) // saved, and then the crash
	s.settle()
	s.has("after a crash at the end of a run", "/source/completion", "/destination/completion")

	s = newStage(t) // everything that was saved is lost
	s.files["/source/activity"], s.files["/source/failure"], s.files["/destination/silence"] = 1, 1, 1
	s.files["/source/completion"] = 1
	s.settle()
	s.has("when nothing is known of them", "/source/completion")
}

func TestSilenceCountsDataAndNotRuns(t *testing.T) {
	s := newStage(t)
	s.only(mft.MarkerSilence)
	s.rules.Silence = time.Hour
	s.rules.Clocks = []Clock{every(10 * time.Minute)}
	for range 6 {
		s.settle()
		s.pass(10 * time.Minute)
		s.end(NoAction, false)
	}
	s.has("in the hour")
	s.pass(10 * time.Minute)
	s.settle()
	s.has("after an hour of runs without content", "/source/silence")
	s.end(Succeeded, true)
	s.has("when content has moved")
	s.state.Disabled = true
	s.pass(10 * time.Hour)
	s.settle()
	s.has("disabled")
	s.state.Disabled = false
	s.pass(59 * time.Minute)
	s.settle()
	s.has("enabled again")
}

func TestCompletionOfNothing(t *testing.T) {
	s := newStage(t)
	s.only(mft.MarkerCompletion)
	s.world.Asked = []Cause{ByManual}
	s.end(NoAction, false)
	s.has("when there was nothing to move", "/source/completion")
}

func TestTriggerIsWithdrawn(t *testing.T) {
	s := newStage(t)
	s.only(mft.MarkerTrigger, mft.MarkerActivity, mft.MarkerCompletion)
	s.files["/source/trigger"] = 1
	for s.state.Phase != Starting {
		s.once()
	}
	delete(s.files, "/source/trigger")
	s.runs(false, "when it was withdrawn")
	s.has("when it was withdrawn")
}

// crash does the next step, which must be this one, and forgets that it was done.
func (s *stage) crash(deed Deed, kind mft.MarkerKind) {
	s.t.Helper()
	s.look()
	s.state = s.state.Observe(s.rules, s.world)
	s.world.Asked = nil
	step := s.state.Next(s.rules, s.world)
	if step.Do != deed || step.Marker.Kind != kind {
		s.t.Fatalf("the next step is %s %s, want %s %s", step.Do, step.Marker.Kind, deed, kind)
	}
	s.state = s.state.Before(step)
	s.do(step)
}

// far has markers at the destination only, which is lost after a crash while a
// marker there was placed, or a trigger taken.
func far(t *testing.T, asked []Cause) *stage {
	s := newStage(t)
	s.rules.Markers = slices.DeleteFunc(s.rules.Markers, func(m mft.Marker) bool {
		return m.End == mft.EndSource || m.Kind != mft.MarkerTrigger && m.Kind != mft.MarkerActivity
	})
	s.settle()
	s.files["/destination/trigger"], s.world.Asked = 1, asked
	for s.state.Phase != Starting {
		s.once()
	}
	return s
}

func TestCrashWhileAMarkerIsPlaced(t *testing.T) {
	s := far(t, []Cause{ByManual})
	s.crash(Place, mft.MarkerActivity)
	s.world.Unseen = []mft.End{mft.EndDestination}
	s.end(Succeeded, true)
	s.world.Unseen = nil
	delete(s.files, "/destination/trigger")
	s.settle()
	s.has("when the end was found again")
}

func TestCrashWhileATriggerIsTaken(t *testing.T) {
	for name, asked := range map[string][]Cause{"with another reason": {ByManual}, "alone": nil} {
		t.Run(name, func(t *testing.T) {
			s := far(t, asked)
			s.once()
			s.crash(Take, mft.MarkerTrigger)
			s.world.Unseen = []mft.End{mft.EndDestination}
			if s.settle(); asked != nil {
				s.end(Succeeded, true)
			}
			s.world.Unseen = nil
			s.settle()
			if s.state.Phase == Running {
				s.end(Succeeded, true)
			}
			if s.state.Completed != 1 {
				t.Errorf("%d runs, want 1", s.state.Completed)
			}
			s.has("afterwards")
		})
	}
}

func TestLate(t *testing.T) {
	s := newStage(t)
	s.only(mft.MarkerTrigger, mft.MarkerActivity, mft.MarkerFailure, mft.MarkerCompletion)
	s.state = s.state.Late()
	s.settle()
	s.has("while nothing runs")
	s.files["/source/trigger"] = 1
	s.runs(true, "with a trigger")
	s.state = s.state.Late().Late()
	s.runs(true, "when it is late")
	if s.state.Failures != 1 {
		t.Errorf("a run that is late counts as %d that failed", s.state.Failures)
	}
	s.has("when it is late", "/source/activity", "/source/failure")
	s.end(Succeeded, true)
	s.has("when it succeeded after all", "/source/completion")
	s.pass(1000 * time.Hour)
	s.runs(false, "for ever") // it was one run
}

func TestFarEndCannotBeReached(t *testing.T) {
	s := newStage(t)
	s.files["/source/trigger"] = 1
	s.world.Unseen = []mft.End{mft.EndDestination}
	s.runs(true, "the agent there looks itself")
	s.end(Failed, false)
	s.has("when it failed", "/source/failure")
	s.world.Unseen = nil
	s.settle()
	s.has("when it can be reached", "/source/failure", "/destination/failure")

	s = newStage(t)
	s.files["/source/trigger"] = 1
	s.world.Unseen = []mft.End{mft.EndSource}
	s.runs(false, "when the trigger cannot be looked at")
	if s.last.Why != WhyUnseen {
		t.Errorf("it waits because %s", s.last.Why)
	}
	s.world.Asked = []Cause{ByManual}
	s.runs(false, "when the block marker cannot be looked at")
	if s.last.Why != WhyUnseen {
		t.Errorf("it waits because %s", s.last.Why)
	}
}

func TestMissedAndOverlapping(t *testing.T) {
	for _, tt := range []struct {
		name          string
		missed, again bool // whether it runs
		rules         func(r *Rules)
	}{
		{"once for all that were missed", true, true, func(*Rules) {}},
		{"missed ones are skipped", false, true, func(r *Rules) { r.SkipMissed = true }},
		{"overlapping ones are skipped", true, false, func(r *Rules) { r.SkipOverlap = true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t)
			s.rules.Clocks = []Clock{every(time.Hour)}
			tt.rules(&s.rules)
			s.runs(false, "before it is due")
			if !s.last.Until.Equal(start.Add(time.Hour)) {
				t.Errorf("it looks again at %v", s.last.Until)
			}
			s.pass(5*time.Hour + 30*time.Minute) // off
			if s.settle(); (s.state.Phase == Running) != tt.missed {
				t.Fatalf("phase %q after it was missed", s.state.Phase)
			}
			if tt.missed {
				s.end(Succeeded, true)
				s.runs(false, "after it was made up for")
			}
			s.pass(30 * time.Minute)
			s.runs(true, "when it is due")
			s.pass(time.Hour)
			s.settle()
			s.end(Succeeded, true)
			s.runs(tt.again, "after the run in which it was due")
		})
	}
}

// TestLateIsNotMissed has a channel busy while it is due.
func TestLateIsNotMissed(t *testing.T) {
	for name, busy := range map[string]bool{"busy": true, "off": false} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.rules.Clocks, s.rules.SkipMissed = []Clock{every(time.Hour)}, true
			s.runs(false, "before it is due")
			s.pass(time.Hour + 10*time.Minute)
			if busy {
				s.world.Busy = s.world.Now
			}
			s.runs(busy, "when it was due")
		})
	}
}

func TestPausedAndDisabled(t *testing.T) {
	s := newStage(t)
	s.rules.Clocks = []Clock{every(time.Hour)}
	s.files["/source/trigger"] = 1
	s.runs(true, "with a trigger")
	s.state.Paused = true
	s.runs(false, "paused")
	s.state = s.state.Ended(s.rules, Succeeded, true, s.world.Now) // its last transfers had ended
	s.state.Paused = false
	if s.settle(); s.state.Held || slices.Contains(s.steps, "release") {
		t.Errorf("a run that was over was released: %v", s.steps)
	}
	s.state.Disabled = true
	s.files["/source/trigger"] = 1
	s.pass(2 * time.Hour)
	s.runs(false, "disabled")
	s.world.Asked = []Cause{ByManual}
	s.runs(true, "when an operator asks")
	s.end(Succeeded, true)
	s.runs(false, "disabled as before")
	s.pass(2 * time.Hour)
	s.settle()
	s.state.Disabled = false
	s.pass(time.Minute)
	s.runs(false, "what was due then is not made up for")
}

func TestClockIsWrong(t *testing.T) {
	s := newStage(t)
	s.rules.Clocks = []Clock{every(time.Hour)}
	s.settle()
	s.pass(time.Hour)
	s.end(Succeeded, true)
	s.pass(-10 * time.Minute)
	s.settle()
	s.pass(15 * time.Minute)
	s.runs(false, "due twice by a clock that was put back")
	const years = 10 * 365 * 24 * time.Hour
	s.pass(years)
	s.end(Succeeded, true)
	s.pass(-years)
	s.settle()
	s.pass(time.Hour)
	s.end(Failed, false) // due when a clock that was years ahead was put right
	s.rules.Clocks, s.rules.Silence = nil, time.Hour
	s.pass(years)
	s.end(Failed, true)
	s.pass(-years)
	s.settle()
	s.pass(time.Hour)
	s.end(Failed, false) // repeated as if it had failed now
	s.pass(time.Minute)
	if s.settle(); !s.state.Silent {
		t.Error("it is not silent until the clock is years ahead again")
	}
}

// TestBarred has the other end refuse one marker after the other.
func TestBarred(t *testing.T) {
	barred := func(s *stage, kind mft.MarkerKind) {
		s.world.Barred = []mft.Marker{{Kind: kind, End: mft.EndDestination, Path: "/destination/" + string(kind)}}
	}
	s := newStage(t)
	s.files["/source/trigger"] = 1
	barred(s, mft.MarkerBlock)
	s.runs(false, "when the block marker must not be looked at")
	if s.last.Why != WhyBarred {
		t.Errorf("it waits because %s", s.last.Why)
	}
	barred(s, mft.MarkerActivity)
	s.runs(true, "when one that says what happens must not be written")
	s.has("then", "/source/activity")
	barred(s, mft.MarkerTrigger)
	s.end(Succeeded, true)
	s.runs(false, "when the trigger must not be looked at")
	if s.last.Why != WhyBarred {
		t.Errorf("it waits because %s", s.last.Why)
	}
	s.files["/source/trigger"] = 1
	s.runs(true, "with the trigger of the other end barred")
	s.world.Barred = nil
	s.end(Succeeded, true)
	s.has("when nothing is barred any more", "/source/completion", "/destination/completion")
}

// TestGroup has a channel at a server group, of which this host becomes the active member.
func TestGroup(t *testing.T) {
	s := newStage(t)
	s.rules.Clocks, s.rules.Silence = []Clock{every(time.Hour)}, 2*time.Hour
	s.files["/source/trigger"], s.world.Apart = 1, WhyPassive
	s.runs(false, "as a passive member")
	s.pass(5 * time.Hour)
	s.runs(false, "as a passive member, when it is due")
	s.has("as a passive member", "/source/trigger")
	if s.last.Why != WhyPassive {
		t.Errorf("it waits because %s", s.last.Why)
	}
	s.world.Apart = ""
	s.runs(true, "as the active member")
	s.world.Apart = WhyApart
	s.runs(false, "when there is none")
	s.world.Apart = ""
	s.end(Succeeded, true)
	s.runs(false, "afterwards") // all that was due is one run
}

// TestHinderedAtTheBeginning has something come to be in the way of a run between its first
// step and the one in which content begins to move, as when the agent was down then.
func TestHinderedAtTheBeginning(t *testing.T) {
	for name, tt := range map[string]struct {
		comes, goes func(s *stage)
		why         Why
	}{
		"blocked": {func(s *stage) { s.files["/source/block"] = 1 }, func(s *stage) { delete(s.files, "/source/block") }, WhyBlocked},
		"passive": {func(s *stage) { s.world.Apart = WhyPassive }, func(s *stage) { s.world.Apart = "" }, WhyPassive},
		"paused":  {func(s *stage) { s.state.Paused = true }, func(s *stage) { s.state.Paused = false }, WhyPaused},
	} {
		t.Run(name, func(t *testing.T) {
			for _, late := range []bool{false, true} { // after the trigger was taken
				s := newStage(t)
				s.only(mft.MarkerTrigger, mft.MarkerBlock, mft.MarkerActivity)
				s.files["/source/trigger"] = 1
				for s.state.Phase != Starting || late && len(s.state.Owed) == 0 {
					s.once()
				}
				tt.comes(s)
				if step := s.settle(); s.state.Phase != Starting || step.Why != tt.why || (s.files["/source/trigger"] > 0) == late {
					t.Errorf("taken %v: phase %q, %s, want %s: %v", late, s.state.Phase, step.Why, tt.why, s.steps)
				}
				tt.goes(s)
				s.end(Succeeded, true)
				s.has("afterwards")
				if s.state.Completed != 1 {
					t.Errorf("%d runs, want 1", s.state.Completed)
				}
			}
		})
	}
}
