package arrival

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mft.dev/mft"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A bench is a watcher with a clock that the test sets, and what it placed.
type bench struct {
	t       *testing.T
	w       *Watcher
	journal *journal.Journal
	now     time.Time
	placed  []mft.Transfer
	unknown error // what Plan returns
}

func newBench(t *testing.T, change func(*mft.Channel)) *bench {
	t.Helper()
	j, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	b := &bench{t: t, journal: j, now: time.Now()}
	clock := func() time.Time { return b.now }
	ch := mft.Channel{
		Name: "c", From: mft.Endpoint{Agent: "a", Path: t.TempDir()}, To: []mft.Endpoint{{Agent: "b", Path: "/in"}},
		When: []mft.Trigger{{Kind: mft.TriggerArrival, Stable: time.Second}}, Overwrite: mft.OverwriteReplace,
	}
	if change != nil {
		change(&ch)
	}
	when, ok := Trigger(ch, "a")
	if !ok {
		t.Fatal("the channel has no trigger")
	}
	n := byte(0)
	b.w = New(Config{
		Channel: ch, When: when, Journal: j, Trail: trail.New(j, slog.New(slog.DiscardHandler), clock),
		Log: slog.New(slog.DiscardHandler), Now: clock,
		Plan: func(to mft.AgentName, o mft.Overwrite) (mft.Transfer, error) {
			n++
			return mft.Transfer{ID: mft.TransferID{n}, Role: mft.RoleSend, Peer: to, State: mft.StatePlanned, Overwrite: o, Created: b.now, Updated: b.now}, b.unknown
		},
		Placed: func(row mft.Transfer) { b.placed = append(b.placed, row) },
	})
	return b
}

// write makes a file below the source.
func (b *bench) write(name, content string) {
	b.t.Helper()
	path := filepath.Join(b.w.Root(), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// look looks at paths, gathers what is stable, and returns the files that were placed, by their path
// below the source, sorted.
func (b *bench) look(paths ...string) []string {
	b.t.Helper()
	set := map[string]bool{}
	for _, p := range paths {
		set[p] = true
	}
	b.placed = nil
	b.w.look(b.t.Context(), set)
	if _, err := b.w.Gather(b.t.Context(), "r"); err != nil {
		b.w.complain(err)
	}
	return b.sources()
}

// sources returns the files that were placed, by their path below the source, sorted.
func (b *bench) sources() []string {
	b.t.Helper()
	var out []string
	for _, row := range b.placed {
		for _, s := range row.Sources {
			rel, err := filepath.Rel(b.w.Root(), s)
			if err != nil {
				b.t.Fatal(err)
			}
			out = append(out, rel)
		}
	}
	slices.Sort(out)
	return out
}

// settle looks once, waits as long as a file must stay the same, and looks
// again.
func (b *bench) settle() []string {
	b.t.Helper()
	if got := b.look(""); len(got) != 0 {
		b.t.Errorf("placed %q at first sight, want that they settle", got)
	}
	b.now = b.now.Add(time.Second)
	return b.look("")
}

func TestLook(t *testing.T) {
	b := newBench(t, func(ch *mft.Channel) { ch.Select = mft.Selection{Exclude: []string{"*.tmp"}} })
	b.write("a", "1")
	b.write("deep/er/b", "2")
	b.write("c.tmp", "3")
	b.write(".mft-00.part/d", "4")
	b.write("n\xff\n", "5")
	if err := os.Symlink("a", filepath.Join(b.w.Root(), "link")); err != nil {
		t.Fatal(err)
	}
	want := []string{"a", "deep/er/b", "n\xff\n"}
	if got := b.settle(); !slices.Equal(got, want) {
		t.Fatalf("placed %q, want %q", got, want)
	}
	row := b.placed[0]
	if row.Channel != "c" || row.Destination != "/in/" || row.Peer != "b" || row.State != mft.StateQueued {
		t.Errorf("transfer = %+v, want one of the channel into the directory /in", row)
	}
	if got := b.settle(); len(got) != 0 {
		t.Errorf("placed %q again, want each version once", got)
	}
	if n := b.w.stability.Len() + len(b.w.settling); n != 0 {
		t.Errorf("%d files are remembered after all were sent, want none", n)
	}
	b.write("a", "new")
	if got := b.settle(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("placed %q after a change, want the file that changed", got)
	}
}

func TestLookAtHints(t *testing.T) {
	b := newBench(t, nil)
	b.write("a", "1")
	b.write("d/b", "2")
	b.write("e/c", "3")
	b.write(".mft-00.part/d", "4")
	hints := []string{"a", "d", "gone", ".mft-00.part/d"}
	if got := b.look(hints...); len(got) != 0 {
		t.Errorf("placed %q at first sight, want that they settle", got)
	}
	b.now = b.now.Add(time.Second)
	if got, want := b.look(hints...), []string{"a", "d/b"}; !slices.Equal(got, want) {
		t.Errorf("placed %q, want %q", got, want)
	}
}

func TestLookWaitsForQuiet(t *testing.T) {
	b := newBench(t, nil)
	for i := range 5 {
		b.write("a", fmt.Sprint("version ", i, " of it"))
		if got := b.look(""); len(got) != 0 {
			t.Fatalf("placed %q while it changes", got)
		}
		b.now = b.now.Add(900 * time.Millisecond)
	}
	if got := b.w.nextLook(b.now.Add(time.Hour)).Sub(b.now); got != 100*time.Millisecond {
		t.Errorf("the next look is in %v, want when the file will be stable", got)
	}
	b.now = b.now.Add(100 * time.Millisecond)
	if got := b.look("a"); !slices.Equal(got, []string{"a"}) {
		t.Errorf("placed %q, want the file", got)
	}
}

func TestLookForgetsWhatGoes(t *testing.T) {
	b := newBench(t, nil)
	b.write("a", "1")
	b.look("")
	if err := os.Remove(filepath.Join(b.w.Root(), "a")); err != nil {
		t.Fatal(err)
	}
	b.look("a")
	if n := b.w.stability.Len() + len(b.w.settling); n != 0 {
		t.Errorf("%d files are remembered after they have gone, want none", n)
	}
}

func TestLookLosesNothingWhenItCannotPlan(t *testing.T) {
	b := newBench(t, nil)
	b.unknown = mft.Fail(mft.CodeUnknownPeer, "look up peer", "b", nil)
	b.write("a", "1")
	if got := b.settle(); len(got) != 0 {
		t.Errorf("placed %q for a stranger", got)
	}
	if got := mft.CodeOf(b.w.Status().Problem); got != mft.CodeUnknownPeer {
		t.Errorf("problem = %v, want code %s", b.w.Status().Problem, mft.CodeUnknownPeer)
	}
	if b.w.News() {
		t.Error("a file that could not be sent is a reason for another run")
	}
	b.unknown = nil
	if got := b.look(""); !slices.Equal(got, []string{"a"}) {
		t.Errorf("placed %q once the peer is known, want the file", got)
	}
	if got := b.w.Status(); got.Problem != nil || got.LastScan.IsZero() || got.Settling != 0 {
		t.Errorf("status = %+v, want that all is well", got)
	}
}

func TestLookInPortionsToEveryEndpoint(t *testing.T) {
	b := newBench(t, func(ch *mft.Channel) { ch.To = append(ch.To, mft.Endpoint{Agent: "d", Path: "/other/"}) })
	const files = portion + 50
	for i := range files {
		b.write(fmt.Sprintf("d%d/f%d", i%7, i), "x")
	}
	if got := b.settle(); len(got) != 2*files {
		t.Errorf("%d files were placed, want %d for each of two endpoints", len(got), files)
	}
	if len(b.placed) != 4 {
		t.Errorf("%d transfers, want two portions for each of two endpoints", len(b.placed))
	}
	for _, row := range b.placed {
		if len(row.Sources) > portion {
			t.Errorf("%d files in one transfer, want at most %d", len(row.Sources), portion)
		}
		if want := map[mft.AgentName]string{"b": "/in/", "d": "/other/"}[row.Peer]; row.Destination != want {
			t.Errorf("destination at %s = %q, want %q", row.Peer, row.Destination, want)
		}
		events, err := b.journal.TransferEvents(t.Context(), row.ID)
		if err != nil || len(events) != 2*len(row.Sources)+1 || events[0].Kind != mft.EventDetected || events[1].Kind != mft.EventStable {
			t.Errorf("%d events for %d files, %v, want detected and stable for each, and planned", len(events), len(row.Sources), err)
		}
	}
}

func TestTrigger(t *testing.T) {
	arrival := []mft.Trigger{{Kind: mft.TriggerManual}, {Kind: mft.TriggerArrival, Stable: time.Minute}}
	for _, tt := range []struct {
		name string
		ch   mft.Channel
		want mft.Trigger
		ok   bool
	}{
		{"ours", mft.Channel{From: mft.Endpoint{Agent: "a"}, When: arrival}, mft.Trigger{Kind: mft.TriggerArrival, Stable: time.Minute}, true},
		{"another agent's", mft.Channel{From: mft.Endpoint{Agent: "b"}, When: arrival}, mft.Trigger{}, false},
		{"by hand only", mft.Channel{From: mft.Endpoint{Agent: "a"}, When: arrival[:1]}, mft.Trigger{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := Trigger(tt.ch, "a"); got != tt.want || ok != tt.ok {
				t.Errorf("Trigger = %+v, %v, want %+v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestHintsAreBounded(t *testing.T) {
	b := newBench(t, nil)
	for i := range maxHints + 10 {
		b.w.hint(fmt.Sprint(i))
	}
	if got := b.w.takeHints(); len(got) != 1 || !got[""] {
		t.Errorf("%d hints, want one for everything", len(got))
	}
	b.w.hint("a")
	if got := b.w.takeHints(); len(got) != 1 || !got["a"] {
		t.Errorf("hints = %v after they were taken, want the new one", got)
	}
}

func TestComplainsOnce(t *testing.T) {
	b := newBench(t, nil)
	lines := 0
	b.w.Log = slog.New(slog.NewTextHandler(writer(func() { lines++ }), nil))
	for range 3 {
		b.w.complain(errors.New("odd"))
	}
	if lines != 1 {
		t.Errorf("%d lines in the log, want one", lines)
	}
}

type writer func()

func (w writer) Write(p []byte) (int, error) { w(); return len(p), nil }

func TestNews(t *testing.T) {
	b := newBench(t, nil)
	find := func() {
		b.w.look(t.Context(), map[string]bool{"": true})
		b.now = b.now.Add(time.Second)
		b.w.look(t.Context(), map[string]bool{"": true})
	}
	b.write("a", "1")
	find()
	if !b.w.News() {
		t.Fatal("a file that is stable is no news")
	}
	if n, err := b.w.Gather(t.Context(), "r1"); n != 1 || err != nil || b.w.News() {
		t.Fatalf("gathered %d files, %v, news %t, want the one, which is no news any more", n, err, b.w.News())
	}
	row := b.placed[0]
	if row.Run != "r1" {
		t.Errorf("the transfer is of run %q, want r1", row.Run)
	}
	if err := b.journal.Update(t.Context(), func(tx *journal.Tx) error { return b.w.Again(tx, row) }); err != nil {
		t.Fatal(err)
	}
	find()
	if b.w.News() {
		t.Error("a file that a run sent in vain is a reason for another")
	}
	b.placed = nil
	if _, err := b.w.Gather(t.Context(), "r2"); err != nil || !slices.Equal(b.sources(), []string{"a"}) {
		t.Errorf("the next run sends %q, %v, want that file again", b.sources(), err)
	}
	b.write("a", "changed")
	find()
	if !b.w.News() {
		t.Error("a file that has changed since is no news")
	}
}

func TestGatherOnlyWhatStayed(t *testing.T) {
	b := newBench(t, nil)
	for _, name := range []string{"a", "b", "c"} {
		b.write(name, "1")
	}
	b.w.look(t.Context(), map[string]bool{"": true})
	b.now = b.now.Add(time.Second)
	b.w.look(t.Context(), map[string]bool{"": true})
	b.write("b", "longer than before")
	if err := os.Remove(filepath.Join(b.w.Root(), "c")); err != nil {
		t.Fatal(err)
	}
	if n, err := b.w.Gather(t.Context(), "r"); n != 1 || err != nil || !slices.Equal(b.sources(), []string{"a"}) {
		t.Fatalf("gathered %q, %v, want what is as it was found", b.sources(), err)
	}
	b.placed = nil
	b.w.Look(t.Context())
	b.now = b.now.Add(time.Second)
	b.w.Look(t.Context())
	if n, err := b.w.Gather(t.Context(), "r"); n != 1 || err != nil || !slices.Equal(b.sources(), []string{"b"}) {
		t.Errorf("gathered %q, %v, want what is stable since", b.sources(), err)
	}
}

func TestSweepTakesWhatIsNotStable(t *testing.T) {
	b := newBench(t, nil)
	b.write("a", "1")
	b.w.look(t.Context(), map[string]bool{"": true})
	b.write("b", "1")
	if n, err := b.w.Sweep(t.Context(), "r"); n != 2 || err != nil || !slices.Equal(b.sources(), []string{"a", "b"}) {
		t.Fatalf("swept %q, %v, want both", b.sources(), err)
	}
	b.now = b.now.Add(time.Minute)
	if got := b.look(""); len(got) != 0 || len(b.w.settling)+b.w.stability.Len()+len(b.w.ready) != 0 {
		t.Errorf("%q is sent again, or something is remembered of it", got)
	}
}

func TestRescan(t *testing.T) {
	for _, tt := range []struct {
		name, watching string
		said, want     time.Duration
	}{
		{"notices", "inotify", 0, noticedRescan},
		{"no notices", scanning, 0, defaultRescan},
		{"as configured", scanning, 2 * time.Hour, 2 * time.Hour},
		{"as configured, with notices", "inotify", time.Second, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, nil)
			b.w.When.Rescan, b.w.shown.Watching = tt.said, tt.watching
			if got := b.w.Look(t.Context()).Sub(b.now); got != tt.want {
				t.Errorf("the next look is in %v, want %v", got, tt.want)
			}
		})
	}
}
