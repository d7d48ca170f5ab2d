package conduct

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/almanac"
	"mft.dev/mft/agent/arrival"
	"mft.dev/mft/agent/conduct/orders"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/journal"
	"mft.dev/mft/trigger/firing"
	"mft.dev/mft/trigger/schedule"
)

// A bench is a conductor with a clock that the test sets, and transfers that come to
// what the test says.
type bench struct {
	t       *testing.T
	x       *Conductor
	journal *journal.Journal
	dir     string
	now     time.Time
	placed  []mft.Transfer
}

func newBench(t *testing.T, markers bool, when ...mft.Trigger) *bench {
	t.Helper()
	j, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	b := &bench{t: t, journal: j, dir: t.TempDir(), now: time.Now()}
	clock := func() time.Time { return b.now }
	quiet := slog.New(slog.DiscardHandler)
	ch := mft.Channel{
		Name: "c", From: mft.Endpoint{Agent: "a", Path: t.TempDir()}, To: []mft.Endpoint{{Agent: "b", Path: "/in"}},
		When: when, Overwrite: mft.OverwriteReplace,
	}
	if markers {
		for _, kind := range []mft.MarkerKind{mft.MarkerActivity, mft.MarkerCompletion, mft.MarkerFailure} {
			ch.Markers = append(ch.Markers, mft.Marker{Kind: kind, End: mft.EndSource, Path: filepath.Join(b.dir, string(kind))})
		}
	}
	arrives, ok := arrival.Trigger(ch, "a")
	n := byte(0)
	b.x, err = New(Config{
		Channel: ch, Arrives: ok, Journal: j, Log: quiet, Now: clock, Look: time.Second, Retry: time.Minute, Patience: 15 * time.Minute,
		Source: arrival.New(arrival.Config{
			Channel: ch, When: arrives, Journal: j, Trail: trail.New(j, quiet, clock), Log: quiet, Now: clock,
			Plan: func(to mft.AgentName, o mft.Overwrite) (mft.Transfer, error) {
				n++
				return mft.Transfer{ID: mft.TransferID{n}, Role: mft.RoleSend, Peer: to, State: mft.StatePlanned, Overwrite: o, Created: b.now, Updated: b.now}, nil
			},
			Placed: func(row mft.Transfer) { b.placed = append(b.placed, row) },
		}),
		Hold:    func(context.Context, mft.TransferID) error { return nil },
		Release: func(context.Context, mft.TransferID) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// write makes a file in the source.
func (b *bench) write(name string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.x.Source.Root(), name), []byte(name), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// after lets time go by, then has the conductor do all that there is to do, and
// returns what it waits for.
func (b *bench) after(d time.Duration) firing.Why {
	b.t.Helper()
	b.now = b.now.Add(d)
	if b.x.Arrives {
		b.x.Source.Look(b.t.Context())
	}
	for range 100 {
		step, err := b.x.once(b.t.Context())
		if err != nil {
			b.t.Fatal(err)
		}
		if step.Do == firing.Wait {
			return step.Why
		}
	}
	b.t.Fatal("there is no end of steps")
	return ""
}

// come has a transfer come to an end.
func (b *bench) come(row mft.Transfer, to mft.State) {
	b.t.Helper()
	err := b.journal.Update(b.t.Context(), func(tx *journal.Tx) error {
		if to == mft.StateDone {
			if err := tx.SetProgress(row.ID, mft.Count{Items: 1, Bytes: 1}, mft.Count{Items: 1, Bytes: 1}); err != nil {
				return err
			}
			for _, s := range []mft.State{mft.StateRunning, mft.StateDelivered} {
				if err := tx.SetState(row.ID, s, mft.Reason{}, b.now); err != nil {
					return err
				}
			}
		}
		return tx.SetState(row.ID, to, mft.Reason{Code: mft.CodeNotAllowed}, b.now)
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// shows checks which markers are there.
func (b *bench) shows(want ...mft.MarkerKind) {
	b.t.Helper()
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if len(got) != len(want) {
		b.t.Fatalf("markers: %v, want %v", got, want)
	}
	for i, kind := range want {
		if got[i] != string(kind) {
			b.t.Fatalf("markers: %v, want %v", got, want)
		}
	}
}

var poll1h = mft.Trigger{Kind: mft.TriggerPoll, Every: time.Hour}

// TestRunThatComesToNothing counts as failing after a while, and as a success when it
// succeeds.
func TestRunThatComesToNothing(t *testing.T) {
	b := newBench(t, true, poll1h)
	b.after(0)
	b.write("a")
	if why := b.after(time.Hour); why != firing.WhyRunning || len(b.placed) != 1 {
		t.Fatalf("%d transfers, the channel waits: %s", len(b.placed), why)
	}
	b.after(14 * time.Minute)
	b.shows(mft.MarkerActivity)
	b.after(time.Minute)
	b.shows(mft.MarkerActivity, mft.MarkerFailure)
	if s := b.x.state; s.Phase != firing.Running {
		t.Errorf("the phase is %q, want that the run goes on", s.Phase)
	}
	b.come(b.placed[0], mft.StateDone)
	b.after(time.Minute)
	b.shows(mft.MarkerCompletion)
}

// TestProgressIsPatience: a run that comes to something is not late, however long it
// takes.
func TestProgressIsPatience(t *testing.T) {
	b := newBench(t, true, poll1h)
	b.after(0)
	b.write("a")
	b.after(time.Hour)
	for range 4 {
		moved := mft.Count{Items: 0, Bytes: int64(b.now.Minute() + 1)}
		if err := b.journal.Update(t.Context(), func(tx *journal.Tx) error { return tx.SetProgress(b.placed[0].ID, moved, moved) }); err != nil {
			t.Fatal(err)
		}
		b.after(10 * time.Minute)
	}
	b.shows(mft.MarkerActivity)
}

func TestJoining(t *testing.T) {
	arrive := mft.Trigger{Kind: mft.TriggerArrival, Stable: time.Second, Rescan: time.Second}
	start := func(t *testing.T, markers bool) *bench {
		b := newBench(t, markers, arrive)
		b.write("a")
		b.after(0)
		if why := b.after(time.Second); why != firing.WhyRunning || len(b.placed) != 1 {
			t.Fatalf("%d transfers, the channel waits: %s", len(b.placed), why)
		}
		return b
	}
	another := func(b *bench, d time.Duration) {
		b.write("b")
		b.after(d)
		b.after(time.Second)
	}
	t.Run("early", func(t *testing.T) {
		b := start(t, true)
		if another(b, time.Second); len(b.placed) != 2 || b.placed[1].Run != b.placed[0].Run {
			t.Fatalf("transfers: %+v, want two of one run", b.placed)
		}
		b.come(b.placed[0], mft.StateDone)
		b.after(time.Second)
		b.shows(mft.MarkerActivity)
		b.come(b.placed[1], mft.StateDone)
		b.after(time.Second)
		b.shows(mft.MarkerCompletion)
	})
	t.Run("late, and somebody waits", func(t *testing.T) {
		b := start(t, true)
		if another(b, joining); len(b.placed) != 1 {
			t.Fatalf("%d transfers, want that the run comes to its end", len(b.placed))
		}
		b.come(b.placed[0], mft.StateDone)
		if b.after(time.Second); len(b.placed) != 2 || b.placed[1].Run == b.placed[0].Run {
			t.Fatalf("transfers: %+v, want one of another run", b.placed)
		}
	})
	t.Run("late, and nobody waits", func(t *testing.T) {
		b := start(t, false)
		if another(b, joining); len(b.placed) != 2 || b.placed[1].Run != b.placed[0].Run {
			t.Fatalf("transfers: %+v, want two of one run", b.placed)
		}
	})
	t.Run("late, and something failed", func(t *testing.T) {
		b := start(t, false)
		another(b, time.Second)
		b.come(b.placed[1], mft.StateFailed)
		b.after(time.Second)
		b.write("c")
		b.after(joining)
		if b.after(time.Second); len(b.placed) != 2 {
			t.Fatalf("%d transfers, want that the run comes to its end", len(b.placed))
		}
		b.come(b.placed[0], mft.StateDone)
		if b.after(time.Second); len(b.placed) != 3 || len(b.placed[2].Sources) != 2 {
			t.Fatalf("transfers: %+v, want one more, of what is new and what failed", b.placed)
		}
	})
}

// TestFailedRunIsNoNews: what a run sent in vain is not a reason for the next, which time
// or a hurry makes.
func TestFailedRunIsNoNews(t *testing.T) {
	b := newBench(t, false, mft.Trigger{Kind: mft.TriggerArrival, Stable: time.Second, Rescan: time.Second})
	b.write("a")
	b.after(0)
	b.after(time.Second)
	b.come(b.placed[0], mft.StateRejected)
	for range 20 {
		if why := b.after(time.Second); why != firing.WhyRetry || len(b.placed) != 1 {
			t.Fatalf("%d transfers, the channel waits: %s", len(b.placed), why)
		}
	}
	b.x.Hurry()
	if why := b.after(time.Second); why != firing.WhyRunning || len(b.placed) != 2 {
		t.Fatalf("%d transfers, the channel waits: %s", len(b.placed), why)
	}
	b.come(b.placed[1], mft.StateRejected)
	b.after(time.Second)
	b.after(59 * time.Second)
	b.after(61 * time.Second)
	if len(b.placed) != 3 {
		t.Errorf("%d transfers after two minutes, want a third attempt", len(b.placed))
	}
}

// TestExpectations tells once of each thing that did not come to pass, and of its end.
func TestExpectations(t *testing.T) {
	b := newBench(t, false, mft.Trigger{Kind: mft.TriggerMarker})
	b.x.rules.Silence = 10 * time.Hour
	due := schedule.Poll(6 * time.Hour)
	b.x.expected.Due, b.x.expected.Grace, b.x.expected.Items = due, time.Hour, mft.Range{Min: 5}
	b.now = b.now.Truncate(6 * time.Hour)
	b.after(0)
	b.after(6*time.Hour + time.Minute)
	if code := mft.CodeOf(b.x.Status().Problem); code != mft.CodeLate {
		t.Errorf("the status says %v, want that content is late", b.x.Status().Problem)
	}
	b.after(time.Hour)
	b.after(4 * time.Hour)
	if code := mft.CodeOf(b.x.Status().Problem); code != mft.CodeMissing {
		t.Errorf("the status says %v, want that content is missing", b.x.Status().Problem)
	}
	if _, err := b.x.orders.Add(t.Context(), orders.Ask, "ann"); err != nil {
		t.Fatal(err)
	}
	b.write("a")
	b.after(time.Minute)
	b.come(b.placed[0], mft.StateDone)
	b.after(time.Minute)
	if err := b.x.Status().Problem; err != nil {
		t.Errorf("the status says %v after all has come", err)
	}
	var got []mft.Code
	events, err := b.journal.Events(t.Context(), 0, 1000)
	for _, e := range events {
		if e.Kind == mft.EventExpected {
			got = append(got, e.Code)
		}
	}
	want := []mft.Code{mft.CodeLate, mft.CodeMissing, mft.CodeSilent, mft.CodeOK, mft.CodeUnusual, mft.CodeOK}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("told %v, %v, want %v", got, err, want)
	}
}

// TestDays holds a channel, and what is expected of it, to a calendar.
func TestDays(t *testing.T) {
	ch := mft.Channel{
		Name: "c", When: []mft.Trigger{{Kind: mft.TriggerSchedule, Expression: "0 6 * * *", Zone: "UTC"}},
		Days:       mft.Days{On: mft.OnNext, Calendar: mft.Calendar{Name: "uk", Workdays: "mon-fri", Holidays: []string{"12-25"}}},
		Expect:     mft.Expectation{DueBy: "0 7 * * *", Zone: "UTC"},
		SkipMissed: true, SkipOverlap: true,
	}
	old := newBench(t, false)
	c := old.x.Config
	c.Channel = ch
	x, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	holiday := time.Date(2026, 12, 24, 12, 0, 0, 0, time.UTC) // a Thursday
	monday := time.Date(2026, 12, 28, 6, 0, 0, 0, time.UTC)
	if at, ok := x.rules.Clocks[0].Next(holiday); !ok || !at.Equal(monday) {
		t.Errorf("due %v, want %v", at, monday)
	}
	if at, ok := x.expected.Due.Next(holiday); !ok || !at.Equal(monday.Add(time.Hour)) {
		t.Errorf("expected %v, want an hour after %v", at, monday)
	}
	if !x.rules.SkipMissed || !x.rules.SkipOverlap {
		t.Error("what is to be skipped is not")
	}
}

// TestCalendarChanges has a channel go by a file of holidays that changes, and say when that is
// broken.
func TestCalendarChanges(t *testing.T) {
	now, path := time.Date(2026, 12, 24, 12, 0, 0, 0, time.UTC), filepath.Join(t.TempDir(), "holidays")
	c := newBench(t, false).x.Config
	c.Almanac = almanac.New(func() time.Time { return now })
	c.Channel = mft.Channel{
		Name: "c", When: []mft.Trigger{{Kind: mft.TriggerSchedule, Expression: "0 6 * * *", Zone: "UTC"}}, Expect: mft.Expectation{DueBy: "0 7 * * *", Zone: "UTC"},
		Days: mft.Days{On: mft.OnWorkday, Calendar: mft.Calendar{Name: "uk", Workdays: "mon-fri", File: path}},
	}
	x, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		content string
		day     int
		code    mft.Code
	}{{"# none\n", 25, ""}, {"12-25\n", 28, ""}, {"12-25\n12-28\nnonsense\n", 28, mft.CodeCalendar}, {"12-25\n12-28\n", 29, ""}} {
		if err := os.WriteFile(path, []byte(step.content), 0o644); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
		x.consult()
		times := x.times()
		at, _ := times.Clocks[0].Next(now)
		due, _ := times.Due.Next(now)
		if err := x.Status().Problem; at.Day() != step.day || due.Day() != step.day || err == nil && step.code != "" || err != nil && mft.CodeOf(err) != step.code {
			t.Errorf("with %q it is due %v, expected %v, problem %v, want the %d., %s", step.content, at, due, err, step.day, step.code)
		}
	}
}

// TestBusyIsNotMissed has what was due during a step that took long owed all the same.
func TestBusyIsNotMissed(t *testing.T) {
	for name, busy := range map[string]bool{"busy": true, "off": false} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, false, poll1h)
			b.now = b.now.Truncate(time.Hour)
			b.x.rules.SkipMissed = true
			b.after(0)
			b.now = b.now.Add(time.Hour + 10*time.Minute)
			if busy {
				b.x.busy = b.now
			}
			b.after(0)
			if ran := b.x.state.Completed+int64(len(b.x.state.Serves)) > 0; ran != busy {
				t.Errorf("it ran: %v, want %v", ran, busy)
			}
		})
	}
}
