package conduct

import (
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/conduct/orders"
	"mft.dev/mft/journal"
	"mft.dev/mft/trigger/firing"
)

// paper returns the orders of a channel in the journal at path, and a conductor that
// hears of them.
func paper(t *testing.T, path string) (*Conductor, *journal.Journal) {
	t.Helper()
	j, err := journal.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	x, err := New(Config{
		Channel: mft.Channel{Name: "nightly", When: []mft.Trigger{{Kind: mft.TriggerManual}}}, Journal: j,
		Log: slog.New(slog.DiscardHandler), Now: time.Now, Retry: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	return x, j
}

// TestOrdersOutlastACrash: what was accepted is in the journal, is obeyed once, and who
// ordered it is told.
func TestOrdersOutlastACrash(t *testing.T) {
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "journal.db")
	x, j := paper(t, path)
	for _, v := range []orders.Verb{orders.Ask, orders.Pause, orders.Ask} {
		if _, err := x.orders.Add(ctx, v, "ann"); err != nil {
			t.Fatalf("%s: %v", v, err)
		}
	}
	if err := j.Close(); err != nil { // before the conductor has heard of it
		t.Fatal(err)
	}
	x, j = paper(t, path)
	defer func() { _ = j.Close() }()
	s, err := x.obey(ctx, firing.World{Now: time.Now()})
	if err != nil || !s.Paused || !slices.Contains(s.Owed, firing.ByManual) {
		t.Fatalf("after a crash: %+v, %v; want a paused channel that owes a run", s, err)
	}
	if again, err := x.obey(ctx, firing.World{Now: time.Now()}); err != nil || !slices.Contains(again.Owed, firing.ByManual) {
		t.Errorf("what was not saved is forgotten: %+v, %v", again, err)
	}
	if err := x.save(ctx, s, x.hopes); err != nil {
		t.Fatal(err)
	}
	x.state.Owed = nil // the run has been made
	if s, err = x.obey(ctx, firing.World{Now: time.Now()}); err != nil || len(s.Owed) != 0 {
		t.Errorf("an order is obeyed twice: %+v, %v", s, err)
	}
	events, err := j.Events(ctx, 0, 0)
	if err != nil || len(events) != 3 || events[1].Kind != mft.EventChannelPaused || events[1].Channel != "nightly" || events[1].Detail != "by ann" {
		t.Errorf("events = %+v, %v; want who ordered what", events, err)
	}
}

// TestDisablingWithdraws: a channel that is disabled does not run because of an order
// that was given before, but because of one that is given after.
func TestDisablingWithdraws(t *testing.T) {
	ctx := t.Context()
	x, j := paper(t, filepath.Join(t.TempDir(), "journal.db"))
	defer func() { _ = j.Close() }()
	for _, tt := range []struct {
		do   orders.Verb
		want []firing.Cause
	}{
		{orders.Ask, []firing.Cause{firing.ByManual}}, {orders.Disable, nil}, {orders.Ask, []firing.Cause{firing.ByManual}}, {orders.Enable, []firing.Cause{firing.ByManual}},
	} {
		if _, err := x.orders.Add(ctx, tt.do, "ann"); err != nil {
			t.Fatal(err)
		}
		s, err := x.obey(ctx, firing.World{Now: time.Now()})
		if err == nil {
			err = x.save(ctx, s, x.hopes)
		}
		if err != nil || !slices.Equal(s.Owed, tt.want) {
			t.Errorf("after %s: owed %v, %v; want %v", tt.do, s.Owed, err, tt.want)
		}
	}
}
