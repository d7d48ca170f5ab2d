package agent_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// conducted starts two hosts of which alpha has a channel with all markers of the
// source, inside the tree that moves.
func conducted(t *testing.T, when ...mft.Trigger) (alpha, beta *host) {
	return watched(t, func(ch *mft.Channel) {
		ch.When = when
		for _, kind := range []mft.MarkerKind{mft.MarkerTrigger, mft.MarkerBlock, mft.MarkerActivity, mft.MarkerCompletion, mft.MarkerFailure} {
			ch.Markers = append(ch.Markers, mft.Marker{Kind: kind, End: mft.EndSource, Path: filepath.Join(ch.From.Path, "."+string(kind))})
		}
	})
}

// markers are the names of the markers that are there, but completion.
func (h *host) markers() (out []string) {
	h.t.Helper()
	entries, err := os.ReadDir(h.out)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") && e.Name() != ".completion" {
			out = append(out, e.Name())
		}
	}
	return out
}

// runs waits until so many runs of the channel have ended, and there are exactly these
// markers.
func (h *host) runs(n int, markers ...string) []mft.Event {
	h.t.Helper()
	h.until("runs", func() bool { return len(h.runsEnded()) >= n && slices.Equal(h.markers(), markers) },
		func() any { return append(h.markers(), strings.Join(details(h.runsEnded()), "; ")) })
	return h.only(n)
}

// only returns how the runs have ended, which are so many.
func (h *host) only(n int) []mft.Event {
	h.t.Helper()
	ended := h.runsEnded()
	if len(ended) != n {
		h.t.Fatalf("%d runs have ended, want %d: %v", len(ended), n, details(ended))
	}
	return ended
}

// runsEnded returns what the journal tells of the ends of runs.
func (h *host) runsEnded() []mft.Event {
	h.t.Helper()
	events, err := h.agent.Events(h.t.Context(), 0, 10_000)
	if err != nil {
		h.t.Fatal(err)
	}
	return slices.DeleteFunc(events, func(e mft.Event) bool { return e.Kind != mft.EventRunEnded })
}

func details(events []mft.Event) (out []string) {
	for _, e := range events {
		out = append(out, e.Detail)
	}
	return out
}

func TestMarkersFire(t *testing.T) {
	alpha, beta := conducted(t, mft.Trigger{Kind: mft.TriggerMarker})
	write(t, alpha.out, "a.csv", "1")
	write(t, alpha.out, ".block", "")
	write(t, alpha.out, ".trigger", "")
	alpha.until("the wait", func() bool {
		s, err := alpha.agent.Status(t.Context())
		return err == nil && strings.Contains(s.Channels[0].Watching, "block")
	}, func() any { return alpha.markers() })
	if got := tree(t, beta.in); len(got) != 0 {
		t.Fatalf("while it is blocked there is %v", got)
	}
	if err := os.Remove(filepath.Join(alpha.out, ".block")); err != nil {
		t.Fatal(err)
	}
	beta.awaitTree(beta.in, map[string]string{"a.csv": "1"})
	alpha.runs(1)
	if _, err := os.Stat(filepath.Join(alpha.out, ".completion")); err != nil {
		t.Error(err)
	}

	// A file alone does nothing, and a trigger alone is a run with no action.
	write(t, alpha.out, "b.csv", "2")
	write(t, alpha.out, ".trigger", "")
	beta.awaitTree(beta.in, map[string]string{"a.csv": "1", "b.csv": "2"})
	alpha.runs(2)
	write(t, alpha.out, ".trigger", "")
	ended := alpha.runs(3)
	if last := ended[2].Detail; !strings.HasSuffix(last, "no action") {
		t.Errorf("the last run: %s", last)
	}
	if n := len(alpha.list(journal.Filter{})); n != 2 {
		t.Errorf("%d transfers, want 2", n)
	}
}

// lead restarts the host with its channel leading to another directory.
func (h *host) lead(to string) {
	h.stop()
	h.conf.Channels[0].To[0].Path = to
	h.start()
}

// TestRunFails refuses what a channel sends, and then lets it in: no new trigger is
// needed for it to be sent again.
func TestRunFails(t *testing.T) {
	alpha, beta := conducted(t, mft.Trigger{Kind: mft.TriggerMarker})
	write(t, alpha.out, "a.csv", "1")
	away := filepath.Join(t.TempDir(), "away")
	if err := os.Rename(alpha.out, away); err != nil {
		t.Fatal(err)
	}
	alpha.until("trouble", func() bool {
		s, err := alpha.agent.Status(t.Context())
		return err == nil && strings.Contains(s.Channels[0].Watching, "cannot be looked at")
	}, func() any { s, _ := alpha.agent.Status(t.Context()); return s.Channels })
	if err := os.Rename(away, alpha.out); err != nil {
		t.Fatal(err)
	}
	alpha.lead(beta.in + "2")
	write(t, alpha.out, ".trigger", "")
	ended := alpha.runs(1, ".failure")
	if ended[0].Code != mft.CodeNotAllowed || !strings.Contains(ended[0].Detail, "1 of 1 transfers") {
		t.Errorf("it ended with %s: %s", ended[0].Code, ended[0].Detail)
	}
	alpha.lead(beta.in) // it repeats what failed when the peer is there again
	beta.awaitTree(beta.in, map[string]string{"a.csv": "1"})
	alpha.runs(2)
}

// TestRunIsInterrupted stops the agent at every stage of runs that are due all the time: each
// file arrives once, and no marker stays.
func TestRunIsInterrupted(t *testing.T) {
	alpha, beta := conducted(t, mft.Trigger{Kind: mft.TriggerMarker})
	want := map[string]string{}
	for i := range 8 {
		name := string(rune('a'+i)) + ".csv"
		write(t, alpha.out, name, name)
		want[name] = name
		write(t, alpha.out, ".trigger", "")
		time.Sleep(time.Duration(i) * 7 * time.Millisecond) // somewhere in the run
		alpha.stop()
		alpha.start()
	}
	beta.awaitTree(beta.in, want)
	alpha.until("the end", func() bool { return len(alpha.markers()) == 0 }, func() any { return alpha.markers() })
	if n := len(alpha.list(journal.Filter{States: []mft.State{mft.StateDone}})); n > 8 {
		t.Errorf("%d transfers for 8 files", n)
	}
}

// TestBlockDuringARun has a block marker appear while a run waits for its peer:
// its transfers are held, also when the peer is back and the agent was restarted, and
// go on when the marker has gone.
func TestBlockDuringARun(t *testing.T) {
	alpha, beta := conducted(t, mft.Trigger{Kind: mft.TriggerMarker})
	write(t, alpha.out, "a.csv", "1")
	beta.stop()
	write(t, alpha.out, ".trigger", "")
	state := func(want ...mft.State) {
		t.Helper()
		alpha.until("state", func() bool {
			rows := alpha.list(journal.Filter{})
			return len(rows) == 1 && slices.Contains(want, rows[0].State)
		}, func() any { return alpha.list(journal.Filter{}) })
	}
	state(mft.StateQueued, mft.StateWaiting, mft.StateRunning)
	write(t, alpha.out, ".block", "")
	state(mft.StatePaused)
	beta.start()
	alpha.stop()
	alpha.start()
	state(mft.StatePaused)
	if got := tree(t, beta.in); len(got) != 0 {
		t.Errorf("while it is blocked there is %v", got)
	}
	if err := os.Remove(filepath.Join(alpha.out, ".block")); err != nil {
		t.Fatal(err)
	}
	beta.awaitTree(beta.in, map[string]string{"a.csv": "1"})
	alpha.runs(1)
}

func TestPolls(t *testing.T) {
	alpha, beta := conducted(t, mft.Trigger{Kind: mft.TriggerPoll, Every: time.Second})
	write(t, alpha.out, "a.csv", "1")
	beta.awaitTree(beta.in, map[string]string{"a.csv": "1"})
	write(t, alpha.out, "b.csv", "2")
	beta.awaitTree(beta.in, map[string]string{"a.csv": "1", "b.csv": "2"})
}

func TestSilence(t *testing.T) {
	alpha, beta := watched(t, func(ch *mft.Channel) {
		ch.When = []mft.Trigger{{Kind: mft.TriggerPoll, Every: time.Second}}
		ch.Expect.Silence = 3 * time.Second
		ch.Markers = []mft.Marker{{Kind: mft.MarkerSilence, End: mft.EndSource, Path: filepath.Join(ch.From.Path, ".silence")}}
	})
	silent := func(want bool) {
		t.Helper()
		alpha.until("silence", func() bool { return slices.Contains(alpha.markers(), ".silence") == want }, func() any { return alpha.markers() })
	}
	silent(true) // whatever runs there are
	write(t, alpha.out, "a.csv", "1")
	silent(false)
	beta.awaitTree(beta.in, map[string]string{"a.csv": "1"})
	silent(true)
}

// TestArrivalWithMarkers: what arrives waits for a block marker, is held back by nothing
// else, and shows in the markers.
func TestArrivalWithMarkers(t *testing.T) {
	alpha, beta := conducted(t, mft.Trigger{Kind: mft.TriggerArrival, Stable: 20 * time.Millisecond, Rescan: 200 * time.Millisecond})
	write(t, alpha.out, ".block", "")
	write(t, alpha.out, "a.csv", "1")
	alpha.until("the wait", func() bool {
		s, err := alpha.agent.Status(t.Context())
		return err == nil && strings.Contains(s.Channels[0].Watching, "block")
	}, func() any { return alpha.markers() })
	if n := len(alpha.list(journal.Filter{})); n != 0 {
		t.Fatalf("%d transfers while it is blocked", n)
	}
	if err := os.Remove(filepath.Join(alpha.out, ".block")); err != nil {
		t.Fatal(err)
	}
	beta.awaitTree(beta.in, map[string]string{"a.csv": "1"})
	ended := alpha.runs(1)
	if !strings.HasSuffix(ended[0].Detail, "success") {
		t.Errorf("the run ended: %s", ended[0].Detail)
	}
	if _, err := os.Stat(filepath.Join(alpha.out, ".completion")); err != nil {
		t.Error(err)
	}
	write(t, alpha.out, "b.csv", "2")
	beta.awaitTree(beta.in, map[string]string{"a.csv": "1", "b.csv": "2"})
	alpha.runs(2)
}

// TestStableUnlessSaidOtherwise: where files that arrive have to be stable, they have to for
// runs by the clock too; a trigger marker says that they are ready.
func TestStableUnlessSaidOtherwise(t *testing.T) {
	alpha, beta := conducted(t, mft.Trigger{Kind: mft.TriggerArrival, Stable: time.Hour, Rescan: 100 * time.Millisecond},
		mft.Trigger{Kind: mft.TriggerPoll, Every: time.Second}, mft.Trigger{Kind: mft.TriggerMarker})
	write(t, alpha.out, "a.csv", "1")
	alpha.until("two polls", func() bool { return len(alpha.runsEnded()) >= 2 }, func() any { return alpha.markers() })
	if n := len(alpha.list(journal.Filter{})); n != 0 {
		t.Fatalf("%d transfers of a file that is not stable", n)
	}
	write(t, alpha.out, ".trigger", "")
	beta.awaitTree(beta.in, map[string]string{"a.csv": "1"})
}
