package conduct

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/conduct/orders"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/journal"
	"mft.dev/mft/transfer/sender"
	"mft.dev/mft/trigger/firing"
)

// A house is a set of channels that runs, and the transfers that it has made.
type house struct {
	t       *testing.T
	set     *Set
	journal *journal.Journal

	mu     sync.Mutex
	placed []mft.Transfer
}

func newHouse(t *testing.T, channels ...mft.Channel) *house {
	t.Helper()
	j, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, journal: j}
	quiet, n := slog.New(slog.DiscardHandler), byte(0)
	h.set, err = Open(channels, Host{
		Self: "a", Journal: j, Trail: trail.New(j, quiet, time.Now), Log: quiet, Now: time.Now,
		Plan: func(to mft.AgentName, o mft.Overwrite) (mft.Transfer, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			n++
			return mft.Transfer{ID: mft.TransferID{n}, Role: mft.RoleSend, Peer: to, State: mft.StatePlanned, Overwrite: o, Created: time.Now(), Updated: time.Now()}, nil
		},
		Placed: func(row mft.Transfer) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.placed = append(h.placed, row)
		},
		Hold:    func(context.Context, mft.TransferID) error { return nil },
		Release: func(context.Context, mft.TransferID) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { h.set.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// until waits for something that has to happen.
func (h *house) until(what string, is func() bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for !is() {
		for _, x := range h.set.all() {
			x.wake()
		}
		select {
		case <-ctx.Done():
			h.t.Fatalf("it never happened that %s", what)
		case <-again.C:
		}
	}
}

// sent returns the transfers that were made.
func (h *house) sent() []mft.Transfer {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.placed)
}

func (h *house) view(channel string) View {
	v, err := h.set.View(h.t.Context(), channel)
	if err != nil && mft.CodeOf(err) != mft.CodeNotFound {
		h.t.Fatal(err)
	}
	return v
}

func (h *house) order(channel string, v orders.Verb) {
	h.t.Helper()
	if _, err := h.set.Order(h.t.Context(), channel, v, "ann"); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) apply(channels ...mft.Channel) {
	h.t.Helper()
	if err := h.set.Apply(channels); err != nil {
		h.t.Fatal(err)
	}
}

// TestApply: a run that is under way ends as it began; then the new order counts, and what
// was sent is remembered. A channel that is gone ends its run too.
func TestApply(t *testing.T) {
	src := t.TempDir()
	write := func(name string) {
		if err := os.WriteFile(filepath.Join(src, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ch := mft.Channel{
		Name: "c", From: mft.Endpoint{Agent: "a", Path: src}, To: []mft.Endpoint{{Agent: "b", Path: "/old"}},
		When: []mft.Trigger{{Kind: mft.TriggerManual}}, Overwrite: mft.OverwriteReplace,
	}
	h := newHouse(t, ch)
	b := &bench{t: t, journal: h.journal, now: time.Now()}
	write("one")
	h.order("c", orders.Ask)
	h.until("a run is under way", func() bool { return len(h.sent()) == 1 && h.view("c").Status.Phase == firing.Running })

	next := ch
	next.To = []mft.Endpoint{{Agent: "b", Path: "/new"}}
	h.apply(next, mft.Channel{Name: "elsewhere", From: mft.Endpoint{Agent: "b"}})
	if v := h.view("c"); !v.Changes || v.Channel.To[0].Path != "/old" {
		t.Errorf("during the run: %+v, want the old order, and that it changes", v)
	}
	if all := h.set.Channels(); len(all) != 1 || all[0].To[0].Path != "/new" {
		t.Errorf("Channels = %+v, want the one that begins here, as it will be", all)
	}
	write("two")
	h.order("c", orders.Ask) // is carried out by the next run
	b.come(h.sent()[0], mft.StateDone)
	h.until("the new order sends", func() bool { return len(h.sent()) == 2 })
	if row := h.sent()[1]; row.Destination != "/new/" || len(row.Sources) != 1 || filepath.Base(row.Sources[0]) != "two" {
		t.Errorf("the next run sent %q to %s, want what is new, to the new place", row.Sources, row.Destination)
	}

	h.apply()
	h.until("it is known that the channel goes", func() bool { return h.view("c").Changes })
	b.come(h.sent()[1], mft.StateDone)
	h.until("the channel is gone", func() bool { return h.view("c").Channel.Name == "" })
	states, _, err := h.journal.RunCounts(t.Context(), h.sent()[1].Run)
	if err != nil || states[mft.StateDone] != 1 {
		t.Errorf("the last run came to %v, %v, want its transfer done", states, err)
	}

	h.apply(ch)
	write("three")
	h.order("c", orders.Ask)
	h.until("a channel that comes back sends what is new", func() bool { return len(h.sent()) == 3 })
	if row := h.sent()[2]; row.Destination != "/old/" || len(row.Sources) != 1 || filepath.Base(row.Sources[0]) != "three" {
		t.Errorf("then %q was sent to %s, want what is new", row.Sources, row.Destination)
	}
}

// TestApplyTakenBack: an order that is taken back before it counts leaves the channel as
// it was, and one that cannot be carried out changes nothing.
func TestApplyTakenBack(t *testing.T) {
	ch := mft.Channel{Name: "c", From: mft.Endpoint{Agent: "a", Path: t.TempDir()}, When: []mft.Trigger{{Kind: mft.TriggerManual}}}
	h := newHouse(t, ch)
	for range 20 {
		h.apply()
		h.apply(ch)
	}
	h.until("the channel is there as it was", func() bool { v := h.view("c"); return v.Channel.Name == "c" && !v.Changes })
	broken := mft.Channel{Name: "d", From: ch.From, When: []mft.Trigger{{Kind: mft.TriggerSchedule, Expression: "never"}}}
	if err := h.set.Apply([]mft.Channel{broken}); mft.CodeOf(err) != mft.CodeConfig {
		t.Errorf("Apply of what cannot be = %v, want code %s", err, mft.CodeConfig)
	}
	if all := h.set.Channels(); len(all) != 1 || all[0].Name != "c" {
		t.Errorf("after that: %+v, want what was before", all)
	}
}

// TestBandwidthOfARunUnderWay: what is sent from now on goes by the limit that was applied last,
// and by the same throttle as what is being sent.
func TestBandwidthOfARunUnderWay(t *testing.T) {
	ch := mft.Channel{
		Name: "c", From: mft.Endpoint{Agent: "a", Path: t.TempDir()}, To: []mft.Endpoint{{Agent: "b", Path: "/srv/in"}},
		When: []mft.Trigger{{Kind: mft.TriggerManual}}, Bandwidth: mft.Bandwidth{Limit: 1 << 20},
	}
	if err := os.WriteFile(filepath.Join(ch.From.Path, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, ch)
	h.order("c", orders.Ask)
	h.until("a run is under way", func() bool { return h.view("c").Status.Phase == firing.Running })
	sends := func() sender.Outgoing {
		return h.set.Sends(mft.Transfer{Channel: "c"}, &trail.Conversation{}, sender.Outgoing{})
	}
	first := sends().Throttle
	for _, limit := range []int64{2 << 20, 0, 3 << 20} {
		changed := ch
		changed.Bandwidth.Limit = limit
		h.apply(changed)
		out := sends().Throttle
		if got, _ := first.Plan().At(time.Now()); got != limit || (out == first) != (limit > 0) || limit == 0 && out != nil {
			t.Errorf("with %d applied what is being sent is held to %d, what follows by %p, want %p", limit, got, out, first)
		}
		if v := h.view("c"); v.Limit != limit || v.Channel.Bandwidth.Limit != 1<<20 {
			t.Errorf("with %d applied it shows %d", limit, v.Limit)
		}
	}
}

// TestEndedTransferWakes: whoever waits for a run does not wait for the next look at the clock.
func TestEndedTransferWakes(t *testing.T) {
	ch := mft.Channel{
		Name: "c", From: mft.Endpoint{Agent: "a", Path: t.TempDir()}, To: []mft.Endpoint{{Agent: "b", Path: "/srv/in"}},
		When: []mft.Trigger{{Kind: mft.TriggerManual}},
	}
	set, err := Open([]mft.Channel{ch}, Host{Self: "a", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	set.Ended("")
	set.Ended("another")
	if n := len(set.conducted["c"].poke); n != 0 {
		t.Errorf("a transfer of no channel woke it %d times", n)
	}
	set.Ended("c")
	set.Ended("c")
	if n := len(set.conducted["c"].poke); n != 1 {
		t.Errorf("its own transfers left %d calls to wake, want 1", n)
	}
}
