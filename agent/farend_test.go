package agent_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/trigger/firing"
)

// farMarkers are the kinds of markers at the destination in these tests.
var farMarkers = []mft.MarkerKind{mft.MarkerTrigger, mft.MarkerBlock, mft.MarkerActivity, mft.MarkerCompletion, mft.MarkerFailure}

// conductedFar starts two hosts of which alpha has a channel with markers of all these
// kinds at beta, which lets alpha use them but those that it bars.
func conductedFar(t *testing.T, bars ...mft.MarkerKind) (alpha, beta *host, g gates) {
	t.Helper()
	alpha, beta = newHost(t, "alpha"), newHost(t, "beta")
	ch := mft.Channel{
		Name: "box", From: mft.Endpoint{Agent: "alpha", Path: alpha.out}, To: []mft.Endpoint{{Agent: "beta", Path: beta.in}},
		When: []mft.Trigger{{Kind: mft.TriggerMarker}}, Overwrite: mft.OverwriteReplace,
		Markers: []mft.Marker{{Kind: mft.MarkerTrigger, End: mft.EndSource, Path: filepath.Join(alpha.dir, "go")}},
	}
	grant := mft.Grant{Agent: "alpha", Root: beta.in}
	for _, kind := range farMarkers {
		m := mft.Marker{Kind: kind, End: mft.EndDestination, Path: beta.marker(kind)}
		ch.Markers = append(ch.Markers, m)
		if !slices.Contains(bars, m.Kind) {
			grant.Markers = append(grant.Markers, m)
		}
	}
	alpha.conf.Channels = []mft.Channel{ch}
	beta.conf.Allow.FilesFrom = []mft.Grant{grant}
	if err := os.Mkdir(filepath.Join(beta.dir, "markers"), 0o755); err != nil {
		t.Fatal(err)
	}
	g = gates{newGate(t, alpha), newGate(t, beta)}
	alpha.start()
	beta.start()
	pair(t, alpha, beta)
	return alpha, beta, g
}

// marker returns the path of a marker of the host.
func (h *host) marker(kind mft.MarkerKind) string {
	return filepath.Join(h.dir, "markers", string(kind))
}

// shows waits until exactly these markers are there.
func (h *host) shows(kinds ...mft.MarkerKind) {
	h.t.Helper()
	slices.Sort(kinds)
	var names []mft.MarkerKind
	h.until("markers", func() bool {
		names = nil
		entries, err := os.ReadDir(filepath.Join(h.dir, "markers"))
		if err != nil {
			h.t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, mft.MarkerKind(e.Name()))
		}
		return slices.Equal(names, kinds)
	}, func() any { return names })
}

// waits waits until the host says this of its channel.
func (h *host) waits(words string) {
	h.t.Helper()
	var said string
	h.until("the wait", func() bool {
		s, err := h.agent.Status(h.t.Context())
		if err != nil {
			return false
		}
		said = s.Channels[0].Watching
		if s.Channels[0].Problem != nil {
			said += ": " + s.Channels[0].Problem.Error()
		}
		return strings.Contains(said, words)
	}, func() any { return said })
}

// over waits until so many runs have ended.
func (h *host) over(n int) []mft.Event {
	h.t.Helper()
	h.until("runs", func() bool { return len(h.runsEnded()) >= n }, func() any { return details(h.runsEnded()) })
	return h.only(n)
}

func TestTriggerAtTheDestination(t *testing.T) {
	alpha, beta, _ := conductedFar(t)
	write(t, alpha.out, "a.csv", "1")
	write(t, beta.dir, "markers/trigger", "")
	beta.awaitTree(beta.in, map[string]string{"a.csv": "1"})
	alpha.over(1)
	beta.shows(mft.MarkerCompletion)
	// One that is made during a run, or just after, is one more run.
	write(t, alpha.out, "b.csv", "2")
	write(t, beta.dir, "markers/trigger", "")
	alpha.over(2)
	beta.shows(mft.MarkerCompletion)
	beta.awaitTree(beta.in, map[string]string{"a.csv": "1", "b.csv": "2"})
}

func TestBlockAtTheDestination(t *testing.T) {
	alpha, beta, _ := conductedFar(t)
	write(t, alpha.out, "a.csv", "1")
	write(t, beta.dir, "markers/block", "")
	write(t, beta.dir, "markers/trigger", "")
	alpha.waits("a block marker is there")
	beta.shows(mft.MarkerBlock, mft.MarkerTrigger)
	// Whatever alpha knows, beta takes nothing in.
	id := alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.dir, "b", "2"))
	if got := alpha.await(id, mft.StateWaiting, mft.StateDone); got.Reason.Code != mft.CodeBlocked {
		t.Errorf("a copy while it is blocked: %s, %+v", got.State, got.Reason)
	}
	if got := tree(t, beta.in); len(got) != 0 {
		t.Fatalf("while it is blocked there is %v", got)
	}
	if err := os.Remove(beta.marker(mft.MarkerBlock)); err != nil {
		t.Fatal(err)
	}
	beta.awaitTree(beta.in, map[string]string{"a.csv": "1", "b": "2"})
	alpha.over(1)
	beta.shows(mft.MarkerCompletion)
}

// TestBlockAtTheDestinationDuringARun has it appear while content moves.
func TestBlockAtTheDestinationDuringARun(t *testing.T) {
	alpha, beta, g := conductedFar(t)
	g.set(true)
	big(t, alpha.out, "a.bin", 16<<20)
	write(t, alpha.dir, "go", "")
	rows := func(want ...mft.State) {
		t.Helper()
		alpha.until("transfers", func() bool {
			rows := alpha.list(journal.Filter{})
			return len(rows) == 1 && slices.Contains(want, rows[0].State)
		}, func() any { return alpha.list(journal.Filter{}) })
	}
	rows(mft.StateRunning)
	write(t, beta.dir, "markers/block", "")
	rows(mft.StatePaused)
	beta.shows(mft.MarkerBlock, mft.MarkerActivity)
	g.set(false)
	if err := os.Remove(beta.marker(mft.MarkerBlock)); err != nil {
		t.Fatal(err)
	}
	rows(mft.StateDone)
	alpha.over(1)
	beta.shows(mft.MarkerCompletion)
}

// TestMarkersOfAPeerThatIsAway has the peer lost at the end of a run, and come back.
func TestMarkersOfAPeerThatIsAway(t *testing.T) {
	alpha, beta, _ := conductedFar(t)
	write(t, alpha.dir, "go", "")
	alpha.over(1)
	beta.shows(mft.MarkerCompletion)
	before := stamp(t, beta.marker(mft.MarkerCompletion))
	beta.stop()
	write(t, alpha.dir, "go", "") // nothing to send: it succeeds alone
	alpha.over(2)
	alpha.waits("nothing is due")
	if !stamp(t, beta.marker(mft.MarkerCompletion)).Equal(before) {
		t.Error("it was written while the peer was away")
	}
	beta.start()
	beta.until("completion", func() bool { return stamp(t, beta.marker(mft.MarkerCompletion)).After(before) }, func() any { return before })
	alpha.lead(beta.in + "2")
	write(t, alpha.out, "a.csv", "1")
	write(t, alpha.dir, "go", "")
	alpha.over(3)
	beta.shows(mft.MarkerCompletion, mft.MarkerFailure)
}

func stamp(t *testing.T, path string) time.Time {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.ModTime()
}

func TestMarkerThatIsNotAllowed(t *testing.T) {
	t.Run("block", func(t *testing.T) {
		alpha, beta, _ := conductedFar(t, mft.MarkerBlock)
		alpha.waits("allow.files_from has no block marker of alpha at this path")
		write(t, alpha.out, "a.csv", "1")
		write(t, alpha.dir, "go", "")
		alpha.waits(string(firing.WhyBarred))
		if got := tree(t, beta.in); len(got) != 0 {
			t.Errorf("nobody can see the block marker, and there is %v", got)
		}
	})
	t.Run("completion", func(t *testing.T) {
		alpha, beta, _ := conductedFar(t, mft.MarkerCompletion)
		write(t, alpha.out, "a.csv", "1")
		write(t, alpha.dir, "go", "")
		beta.awaitTree(beta.in, map[string]string{"a.csv": "1"})
		alpha.over(1)
		alpha.waits("allow.files_from has no completion marker of alpha at this path")
		beta.shows()
	})
}

// TestBlockThroughAnExchange holds an offer, which stays in the exchange, and then
// a parcel.
func TestBlockThroughAnExchange(t *testing.T) {
	alpha, beta, _ := apart(t)
	if err := os.Mkdir(filepath.Join(beta.dir, "markers"), 0o755); err != nil {
		t.Fatal(err)
	}
	beta.conf.Allow.FilesFrom[0].Markers = []mft.Marker{{Kind: mft.MarkerBlock, End: mft.EndDestination, Path: beta.marker(mft.MarkerBlock)}}
	held := &heard{words: "[BLOCKED]"}
	beta.log = slog.New(held)
	alpha.start()
	beta.start()
	release := func(want map[string]string) {
		t.Helper()
		if err := os.Remove(beta.marker(mft.MarkerBlock)); err != nil {
			t.Fatal(err)
		}
		beta.awaitTree(beta.in, want)
	}
	write(t, beta.dir, "markers/block", "")
	id := alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, "a", "1"))
	beta.until("its letter", held.is, func() any { return "not held" })
	if got := tree(t, beta.in); len(got) != 0 {
		t.Errorf("while it is blocked there is %v", got)
	}
	release(map[string]string{"a": "1"})
	alpha.await(id, mft.StateDone)

	beta.stop()
	id = alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, "b", strings.Repeat("2", 3<<20)))
	held.reset()
	beta.start()
	alpha.until("its acceptance", func() bool { return strings.Contains(alpha.kinds(id), "accepted") }, func() any { return alpha.kinds(id) })
	write(t, beta.dir, "markers/block", "") // before its parcel is there, or just after
	beta.until("its letter", func() bool { return held.is() || len(tree(t, beta.in)) == 2 }, func() any { return "not held" })
	release(map[string]string{"a": "1", "b": strings.Repeat("2", 3<<20)})
	alpha.await(id, mft.StateDone)
}

// heard is a log that knows whether some words were in it.
type heard struct {
	words string
	times atomic.Int64
}

func (h *heard) Enabled(context.Context, slog.Level) bool { return true }
func (h *heard) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *heard) WithGroup(string) slog.Handler            { return h }
func (h *heard) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if strings.Contains(a.Value.String(), h.words) {
			h.times.Add(1)
		}
		return true
	})
	return nil
}

func (h *heard) is() bool { return h.times.Load() > 0 }
func (h *heard) reset()   { h.times.Store(0) }
