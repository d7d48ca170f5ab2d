package expectation

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

// daily is due at an hour of each day, in UTC.
type daily int

func (d daily) Next(after time.Time) (time.Time, bool) {
	due := after.UTC().Truncate(24 * time.Hour).Add(time.Duration(d) * time.Hour)
	for !due.After(after) {
		due = due.Add(24 * time.Hour)
	}
	return due, true
}

// at is a moment of day n at a time.
func at(n int, clock string) time.Time {
	t, err := time.Parse("15:04", clock)
	if err != nil {
		panic(err)
	}
	return time.Date(2026, 11, n, t.Hour(), t.Minute(), 0, 0, time.UTC)
}

// A happening is a look, or a run that moved something.
type happening struct {
	when  time.Time
	moved mft.Count
}

func look(n int, clock string) happening { return happening{when: at(n, clock)} }

func run(n int, clock string) happening {
	return happening{when: at(n, clock), moved: mft.Count{Items: 1, Bytes: 100}}
}

// codes are what is found, one after the other.
func codes(r Rules, happenings ...happening) (out []mft.Code) {
	var s State
	for _, h := range happenings {
		var found []Finding
		s, found = s.Observe(r, h.when)
		for _, f := range found {
			out = append(out, f.Code)
		}
		if h.moved.Items > 0 {
			s, found = s.Ended(r, h.moved, h.when)
			for _, f := range found {
				out = append(out, f.Code)
			}
		}
	}
	return out
}

func TestDue(t *testing.T) {
	r := Rules{Due: daily(3), Grace: time.Hour}
	for _, tt := range []struct {
		name string
		seen []happening
		want []mft.Code
	}{
		{"nothing is due before the first time", []happening{look(1, "04:00"), look(2, "02:59")}, nil},
		{"in time", []happening{look(1, "04:00"), run(2, "02:00"), look(2, "03:00"), look(2, "05:00")}, nil},
		{"late, then missing, each once", []happening{look(1, "04:00"), look(2, "03:00"), look(2, "03:59"), look(2, "04:00"), look(2, "09:00")}, []mft.Code{mft.CodeLate, mft.CodeMissing}},
		{"late, then there", []happening{look(1, "04:00"), look(2, "03:00"), run(2, "03:30"), look(2, "05:00")}, []mft.Code{mft.CodeLate, mft.CodeOK}},
		{"missing, then there", []happening{look(1, "04:00"), look(2, "03:00"), run(2, "08:00"), look(2, "09:00")}, []mft.Code{mft.CodeLate, mft.CodeMissing, mft.CodeOK}},
		{"what comes late is not tomorrow's", []happening{look(1, "04:00"), look(2, "03:00"), run(2, "08:00"), look(3, "03:00")}, []mft.Code{mft.CodeLate, mft.CodeMissing, mft.CodeOK, mft.CodeLate}},
		{"two after it are", []happening{look(1, "04:00"), look(2, "03:00"), run(2, "03:10"), run(2, "08:00"), look(3, "03:00")}, []mft.Code{mft.CodeLate, mft.CodeOK}},
		{"what was today's is not tomorrow's", []happening{look(1, "04:00"), run(2, "02:00"), look(2, "03:00"), look(3, "03:00")}, []mft.Code{mft.CodeLate}},
		{"a week that nobody looked: the last only", []happening{look(1, "04:00"), look(8, "03:30")}, []mft.Code{mft.CodeLate}},
		{"a week, and something came before it", []happening{look(1, "04:00"), run(1, "05:00"), look(8, "03:30")}, []mft.Code{mft.CodeLate}},
		{"a week that nobody looked is judged once", []happening{look(1, "04:00"), look(8, "03:30"), look(8, "03:40")}, []mft.Code{mft.CodeLate}},
		{"still missing the day after", []happening{look(1, "04:00"), look(2, "04:00"), look(3, "04:00")}, []mft.Code{mft.CodeLate, mft.CodeMissing, mft.CodeLate, mft.CodeMissing}},
		{"a clock that is put back", []happening{look(1, "04:00"), look(2, "03:00"), look(2, "02:00"), look(2, "03:00")}, []mft.Code{mft.CodeLate}},
		{"a clock that was years ahead", []happening{look(28, "04:00"), look(1, "04:00"), look(2, "03:00")}, []mft.Code{mft.CodeLate}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := codes(r, tt.seen...); !slices.Equal(got, tt.want) {
				t.Errorf("found %v, want %v", got, tt.want)
			}
		})
	}
}

// TestNothingIsDueAnyMore takes the due time out of the rules.
func TestNothingIsDueAnyMore(t *testing.T) {
	s, _ := State{Judged: at(1, "04:00"), Overdue: at(1, "03:00")}.Ended(Rules{}, mft.Count{Items: 1}, at(2, "02:00"))
	if s != (State{}) {
		t.Errorf("%+v is left", s)
	}
}

func TestAWeekAndWhatCameBefore(t *testing.T) {
	// What came in the first of seven periods does not count for the last.
	r := Rules{Due: daily(3)}
	s, _ := State{}.Observe(r, at(1, "04:00"))
	s, _ = s.Ended(r, mft.Count{Items: 1}, at(1, "05:00"))
	s, found := s.Observe(r, at(8, "03:30"))
	if len(found) != 2 || s.Overdue != at(8, "03:00") {
		t.Errorf("found %v, overdue since %v, want the last due time", found, s.Overdue)
	}
}

func TestAmounts(t *testing.T) {
	r := Rules{Bytes: mft.Range{Min: 10, Max: 20}, Items: mft.Range{Min: 2}}
	for _, tt := range []struct {
		name  string
		moved mft.Count
		want  int
	}{
		{"as expected", mft.Count{Items: 2, Bytes: 10}, 0},
		{"as much as may be", mft.Count{Items: 1 << 40, Bytes: 20}, 0},
		{"too few files", mft.Count{Items: 1, Bytes: 20}, 1},
		{"too many bytes", mft.Count{Items: 2, Bytes: 21}, 1},
		{"neither", mft.Count{Items: 1, Bytes: 9}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, found := State{}.Ended(r, tt.moved, at(1, "00:00"))
			if len(found) != tt.want {
				t.Errorf("found %v, want %d", found, tt.want)
			}
			for _, f := range found {
				if f.Code != mft.CodeUnusual {
					t.Errorf("found %v", f)
				}
			}
		})
	}
}

// TestEachDayIsJudgedOnce: whatever happens, and however the state is kept in between, each
// due time that is looked at in time is either met or late, once.
func TestEachDayIsJudgedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rules{Due: daily(3), Grace: time.Duration(rapid.IntRange(0, 40).Draw(t, "grace")) * time.Hour}
		s, _ := State{}.Observe(r, at(1, "04:00"))
		now := at(1, "04:00")
		late, missing, came := 0, 0, 0
		count := func(found []Finding) {
			for _, f := range found {
				switch f.Code {
				case mft.CodeLate:
					late++
				case mft.CodeMissing:
					missing++
				default:
					came++
				}
			}
		}
		wantLate, moved, overdue := 0, false, false
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			next := now.Add(time.Duration(rapid.IntRange(1, 23).Draw(t, "hours")) * time.Hour)
			if due, _ := r.Due.Next(now); !due.After(next) {
				if !moved {
					wantLate++
					overdue = true
				} else {
					overdue = false
				}
				moved = false
			}
			now = next
			b, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			s = State{}
			if err := json.Unmarshal(b, &s); err != nil {
				t.Fatal(err)
			}
			var found []Finding
			s, found = s.Observe(r, now)
			count(found)
			if rapid.Bool().Draw(t, "run") {
				s, found = s.Ended(r, mft.Count{Items: 1}, now)
				count(found)
				if overdue {
					overdue = false
				} else {
					moved = true
				}
			}
			if (s.Code() != mft.CodeOK) != overdue {
				t.Fatalf("the state says %v, want overdue %t", s, overdue)
			}
		}
		if late != wantLate || missing > late || came > late {
			t.Fatalf("%d late, %d missing, %d came, want %d late and no more of the others", late, missing, came, wantLate)
		}
	})
}
