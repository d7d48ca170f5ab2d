package firing

import (
	"encoding/json"
	"slices"
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
	const beforeSaving, beforeDoing, afterDoing = 1, 2, 3
	when := rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, beforeSaving, beforeDoing, afterDoing}).Draw(t, "crash")
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
	if slices.Contains(m.world.Unseen, step.Marker.End) {
		t.Fatalf("%s %s at an end that cannot be reached", step.Do, step.Marker.Kind)
	}
	if step.Do == Run { // content moves, perhaps for the second time
		m.serves = m.owed
		if m.serves == (reasons{}) {
			t.Fatal("a run begins for no reason")
		}
	}
	there := m.files[step.Marker.Path] > 0
	result := m.do(step)
	if step.Do == Take && there && m.files[step.Marker.Path] == 0 {
		m.owed.taken++
	}
	if when == afterDoing {
		m.crash()
		return Step{}
	}
	m.state = m.state.After(step, result)
	return step
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
	rapid.Check(t, func(t *rapid.T) {
		m := &model{stage: newStage(t), saved: []byte("{}")}
		m.rules.Silence = time.Hour
		ends := []mft.End{mft.EndSource, mft.EndDestination}
		end := func() string { return "/" + string(rapid.SampledFrom(ends).Draw(t, "end")) }
		t.Repeat(map[string]func(*rapid.T){
			"": m.invariants,
			"work": func(t *rapid.T) {
				for range 4 {
					m.work(t)
					m.invariants(t)
				}
			},
			"trigger":  func(*rapid.T) { m.files[end()+"/trigger"] = 1 },
			"withdraw": func(*rapid.T) { delete(m.files, end()+"/trigger") },
			"block":    func(*rapid.T) { m.files[end()+"/block"] = 1 },
			"unblock":  func(*rapid.T) { delete(m.files, end()+"/block") },
			"meddle":   func(*rapid.T) { delete(m.files, end()+"/failure") },
			"ask":      func(*rapid.T) { m.world.Asked = []Cause{ByArrival} },
			"pass":     func(t *rapid.T) { m.pass(time.Duration(rapid.IntRange(-1, 40).Draw(t, "minutes")) * time.Minute) },
			"lose": func(*rapid.T) {
				m.world.Unseen = []mft.End{mft.EndDestination}
			},
			"find": func(*rapid.T) { m.world.Unseen = nil },
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
	})
}

// finish ends the run under way.
func (m *model) finish(outcome Outcome) {
	m.state = m.state.Ended(m.rules, outcome, outcome == Succeeded, m.world.Now)
	m.save()
	if outcome != Failed { // what came up during the run was not served by it
		m.owed.taken -= m.serves.taken
		m.owed.asked -= m.serves.asked
	}
}

// calm lets everything be well from now on.
func (m *model) calm(t *rapid.T) {
	m.world.Unseen, m.world.Asked = nil, nil
	delete(m.files, "/source/block")
	delete(m.files, "/destination/block")
	waiting := 0
	for range 1000 {
		switch step := m.work(t); {
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
