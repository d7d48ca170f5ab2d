package firing

import (
	"encoding/json"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

// A model is a stage whose actor may crash before and after each thing it does, and
// the people around it: what they were promised is counted on the side.
type model struct {
	*stage
	saved []byte // the state

	// What is owed to them, by what they did.
	owed   reasons // what no run that succeeded has begun after
	serves reasons // what was owed when the run under way began
	// How the runs have ended: well, so many of them, and badly, so many since.
	well, badly int64
	meddled     bool // with the failure marker, since then
}

// reasons are triggers that disappeared, and other reasons that were noticed.
type reasons struct{ taken, asked int }

// crash forgets what was not saved.
func (m *model) crash() {
	m.state = State{}
	if err := json.Unmarshal(m.saved, &m.state); err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) save() {
	var err error
	if m.saved, err = json.Marshal(m.state); err != nil {
		m.t.Fatal(err)
	}
}

// work observes and does one step, unless it crashes on the way. It reports which.
func (m *model) work(t *rapid.T) Step {
	const beforeSaving, beforeDoing, afterDoing, andLost = 1, 2, 3, 4
	when := rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 0, 0, beforeSaving, beforeDoing, afterDoing, andLost}).Draw(t, "crash")
	m.look()
	m.state = m.state.Observe(m.rules, m.world)
	step := m.state.Next(m.rules, m.world)
	m.state = m.state.Before(step)
	if when == beforeSaving {
		m.crash()
		return Step{}
	}
	m.save()
	m.owed.asked += len(m.world.Asked)
	m.world.Asked = nil
	if when == beforeDoing {
		m.crash()
		return Step{}
	}
	m.judge(t, step)
	if step.Do == Run { // content moves, perhaps for the second time
		m.serves = m.owed
	}
	there := m.files[step.Marker.Path] > 0
	result := m.do(step)
	if step.Do == Take && there && m.files[step.Marker.Path] == 0 {
		m.owed.taken++
	}
	if when == afterDoing || when == andLost {
		if when == andLost {
			m.world.Unseen = []mft.End{mft.EndDestination}
		}
		m.crash()
		return Step{}
	}
	m.state = m.state.After(step, result)
	return step
}

// judge complains of a step that is about to be done and must not be.
func (m *model) judge(t *rapid.T, step Step) {
	hindered := len(m.world.Blocks) > 0 || slices.Contains(m.world.Unseen, mft.EndSource) || m.world.Apart != "" ||
		slices.ContainsFunc(m.world.Barred, func(b mft.Marker) bool { return b.Kind == mft.MarkerBlock })
	switch {
	case m.world.closed(step.Marker):
		t.Fatalf("%s %s at an end that cannot be reached, or does not let it", step.Do, step.Marker.Kind)
	case (step.Do == Run || step.Do == Release) && hindered:
		t.Fatalf("%s, though content must not move", step.Do)
	case step.Do == Run && m.owed == (reasons{}):
		t.Fatal("a run begins for no reason")
	case step.Do == Wait && m.state.Phase == Running && m.state.Held != hindered:
		t.Fatalf("a run is held: %v, but content must not move: %v", m.state.Held, hindered)
	case step.Do == Place && step.Marker.Kind == mft.MarkerCompletion && (m.well == 0 || step.sign != m.well):
		t.Fatalf("completion is written for run %d of %d that went well", step.sign, m.well)
	case step.Do == Place && step.Marker.Kind == mft.MarkerFailure && m.badly == 0:
		t.Fatal("failure is written, and no run has failed since one that went well")
	case step.Do == Rest || step.Do == Remove && step.Marker.Kind == mft.MarkerActivity && m.state.Phase == Ending:
		m.said(t)
	case step.Do == Wait && m.state.Phase == Idle:
		m.said(t)
		for _, end := range m.seen() {
			if m.files["/"+string(end)+"/activity"] > 0 {
				t.Fatalf("nothing is under way, and activity is at the %s", end)
			}
		}
	}
}

// said complains of an end that can be reached, and does not say how the runs have ended.
func (m *model) said(t *rapid.T) {
	for _, end := range m.seen() {
		at := func(kind mft.MarkerKind) int64 { return m.files["/"+string(end)+"/"+string(kind)] }
		if failed := at(mft.MarkerFailure) > 0; failed != (m.badly > 0) && !m.meddled {
			t.Fatalf("failure is at the %s: %v, and %d runs have failed since one that went well", end, failed, m.badly)
		}
		if shown := m.state.Shown[spot(mft.Marker{Kind: mft.MarkerCompletion, End: end})]; shown != m.well || (at(mft.MarkerCompletion) > 0) != (m.well > 0) {
			t.Fatalf("completion is at the %s for %d of %d runs that went well", end, shown, m.well)
		}
	}
}

// seen are the ends that can be reached, and let everything be done.
func (m *model) seen() []mft.End {
	return slices.DeleteFunc([]mft.End{mft.EndSource, mft.EndDestination}, func(end mft.End) bool {
		return slices.Contains(m.world.Unseen, end) || end == mft.EndDestination && len(m.world.Barred) > 0
	})
}

// invariants hold at every moment.
func (m *model) invariants(t *rapid.T) {
	active := m.files["/source/activity"] > 0
	if m.state.Phase == Running && !active {
		t.Fatal("it runs without the activity marker")
	}
	if m.files["/source/trigger"+taken] > 0 && m.state.Phase != Idle && !active {
		t.Fatal("neither the trigger nor the activity marker is there")
	}
}

// TestModel lets people, failures and crashes meet in any order, and then has
// everything calm down: every trigger that was taken led to a run that succeeded and
// began after it, no run had no reason, and no marker is left that should not be.
func TestModel(t *testing.T) {
	for i := range 6 { // what one mistake needs to show comes together in one life of many
		t.Run(strconv.Itoa(i), func(t *testing.T) { rapid.Check(t, live) })
	}
}

// live is the life of one channel.
func live(t *rapid.T) {
	m := &model{stage: newStage(t), saved: []byte("{}")}
	m.rules.Silence = time.Hour
	ends := []mft.End{mft.EndSource, mft.EndDestination}
	end := func() string { return "/" + string(rapid.SampledFrom(ends).Draw(t, "end")) }
	work := func(t *rapid.T) {
		for range rapid.SampledFrom([]int{1, 4, 20}).Draw(t, "steps") {
			m.work(t)
			m.invariants(t)
		}
	}
	t.Repeat(map[string]func(*rapid.T){
		"":     m.invariants,
		"work": work, "work on": work, "and on": work, "and finish": func(t *rapid.T) {
			if work(t); m.state.Phase == Running {
				m.finish(Succeeded)
			}
			work(t)
		},
		"trigger":  func(*rapid.T) { m.files[end()+"/trigger"] = 1 },
		"withdraw": func(*rapid.T) { delete(m.files, end()+"/trigger") },
		"block":    func(*rapid.T) { m.files[end()+"/block"] = 1 },
		"unblock":  func(*rapid.T) { delete(m.files, end()+"/block") },
		"meddle": func(*rapid.T) {
			delete(m.files, end()+"/failure")
			m.meddled = true
		},
		"ask":  func(*rapid.T) { m.world.Asked = []Cause{ByArrival} },
		"pass": func(t *rapid.T) { m.pass(time.Duration(rapid.IntRange(-1, 40).Draw(t, "minutes")) * time.Minute) },
		"lose": func(*rapid.T) {
			m.world.Unseen = []mft.End{mft.EndDestination}
		},
		"unmount": func(*rapid.T) { m.world.Unseen = []mft.End{mft.EndSource} },
		"bar": func(t *rapid.T) {
			all := slices.DeleteFunc(allMarkers(), func(b mft.Marker) bool { return b.End != mft.EndDestination })
			m.world.Barred = []mft.Marker{rapid.SampledFrom(all).Draw(t, "marker")}
		},
		"find":   func(*rapid.T) { m.world.Unseen, m.world.Barred = nil, nil },
		"switch": func(*rapid.T) { m.world.Apart = rapid.SampledFrom([]Why{"", WhyApart, WhyPassive}).Draw(t, "apart") },
		"crash": func(*rapid.T) {
			m.crash()
		},
		"end": func(t *rapid.T) {
			if m.state.Phase == Running {
				m.finish(rapid.SampledFrom([]Outcome{Succeeded, NoAction, Failed}).Draw(t, "outcome"))
			}
		},
	})
	m.calm(t)
}

// finish ends the run under way.
func (m *model) finish(outcome Outcome) {
	m.state = m.state.Ended(m.rules, outcome, outcome == Succeeded, m.world.Now)
	m.save()
	m.meddled = false
	if m.badly++; outcome != Failed { // what came up during the run was not served by it
		m.well, m.badly = m.well+1, 0
		m.owed.taken -= m.serves.taken
		m.owed.asked -= m.serves.asked
	}
}

// calm lets everything be well from now on.
func (m *model) calm(t *rapid.T) {
	m.world.Unseen, m.world.Barred, m.world.Asked, m.world.Apart = nil, nil, nil, ""
	delete(m.files, "/source/block")
	delete(m.files, "/destination/block")
	waiting := 0
	for range 1000 {
		step := m.work(t)
		m.world.Unseen = nil // it was lost with a crash
		switch {
		case m.state.Phase == Running && step.Do == Wait:
			m.finish(Succeeded)
		case step.Do == Wait && step.Why == WhyNothing:
			waiting++
		case step.Do == Wait:
			m.pass(time.Minute)
		}
		if waiting > 1 {
			break
		}
	}
	if waiting < 2 {
		t.Fatalf("it does not come to rest: %+v, %+v", m.state, m.last)
	}
	if m.owed != (reasons{}) {
		t.Fatalf("no run has served %+v", m.owed)
	}
	for path := range m.files {
		if path != "/source/completion" && path != "/destination/completion" && !m.state.Silent {
			t.Fatalf("%s is left", path)
		}
	}
}
