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
	"mft.dev/mft/agent/arrival"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/journal"
	"mft.dev/mft/trigger/firing"
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
	due := poll(6 * time.Hour)
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
	b.x.orders.now.Asked++
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
