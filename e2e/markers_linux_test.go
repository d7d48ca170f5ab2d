package e2e

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi/channel"
)

// TestMarkerKills kills agents at random moments while a channel runs because of
// trigger markers. Every trigger that was made led to exactly one run, which succeeded;
// every file appeared exactly once and whole; and no marker is left that should not be.
func TestMarkerKills(t *testing.T) {
	for _, end := range []mft.End{mft.EndSource, mft.EndDestination} {
		t.Run(string(end), func(t *testing.T) {
			alpha, beta := newPair(t)
			markerKills(t, end, alpha, beta, sample(12, 60), nil)
		})
	}
}

// marked starts two hosts with a channel that has its markers at one end, in a directory.
func marked(t *testing.T, end mft.End, alpha, beta *host) (marks string, s *stream) {
	t.Helper()
	rnd := chance(t)
	at := map[mft.End]*host{mft.EndSource: alpha, mft.EndDestination: beta}[end]
	marks = filepath.Join(at.Dir, "marks")
	if err := os.Mkdir(marks, 0o755); err != nil {
		t.Fatal(err)
	}
	if at.Becomes != "" {
		if err := os.Chown(marks, filesUser, groupUser); err != nil {
			t.Fatal(err)
		}
	}
	user := map[bool]string{true: as()}[alpha.Becomes != ""]
	paths := fmt.Sprintf("{trigger: %q, activity: %q, completion: %q, failure: %q}",
		filepath.Join(marks, "ready"), filepath.Join(marks, "sending"), filepath.Join(marks, "done"), filepath.Join(marks, "failed"))
	alpha.configure(fmt.Sprintf(`
channels:
  - name: stream
    from: {agent: alpha, path: %q}
    to: [{agent: beta, path: %q}]
    when: marker
    select: {exclude: [".new-*", ".new-*/**"]}
    markers: {%s: %s}
    %s
`, alpha.Out(), beta.In(), end, paths, user))
	alpha.stop()
	alpha.start()
	if there := map[mft.End]string{mft.EndDestination: paths}[end]; there != "" || user != "" {
		beta.configure(fmt.Sprintf(`
allow: {files_from: [{agent: alpha, into: %q, markers: %s, %s}]}
`, beta.In(), cmp.Or(there, "{}"), user))
		beta.stop()
		beta.start()
	}
	c := consume(t, beta.In(), filepath.Join(beta.Dir, "kept"), false)
	s = &stream{
		from: alpha, to: beta, consumer: c, channel: true,
		producer: &producer{t: t, dir: alpha.Out(), ledger: newLedger(), rnd: rand.New(rand.NewPCG(rnd.Uint64(), 1))},
	}
	return marks, s
}

// markerKills has the markers at one end, and kills n times. Dead is that of killAtRandom.
func markerKills(t *testing.T, end mft.End, alpha, beta *host, n int, dead func(*host)) {
	marks, s := marked(t, end, alpha, beta)
	stop, ended, made := make(chan struct{}), make(chan error), 0
	go func() {
		ended <- func() error {
			for {
				s.produce()
				if err := trigger(filepath.Join(marks, "ready")); err != nil {
					return err
				}
				made++
				select {
				case <-stop:
					return nil
				default:
				}
			}
		}()
	}()
	killAtRandom(t, chance(t), n, dead, alpha, beta)
	close(stop)
	for _, h := range []*host{alpha, beta} {
		if h.awaitOrEnd() != nil { // it was killed while it started
			h.Kill()
			h.start()
		}
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	settledMarkers(t, alpha, marks)
	s.settle(t)
	s.consumer.verdict(s.producer.ledger)
	runsAreThose(t, alpha, made)
}

// TestEveryMark kills the receiver, which keeps the markers, at the calls by which they are
// taken, made and removed: before something is done, and when it is done and the sender has
// no answer yet.
func TestEveryMark(t *testing.T) {
	needs(t, canTrace, "the tracer does not know this machine")
	t.Parallel()
	alpha, beta := newPair(t)
	marks, s := marked(t, mft.EndDestination, alpha, beta)
	d := &delivery{t: t, rnd: s.producer.rnd, from: alpha, to: beta, struck: beta, spec: tracing{Strike: strikeKill}}
	at := func(n int) (struck bool) {
		spec := tracing{Under: []string{marks}, Strike: strikeKill, At: n, Log: filepath.Join(beta.Dir, fmt.Sprintf("marks-%d", n))}
		spec.Arm = spec.Log + ".armed"
		_ = beta.Stop()
		if err := beta.launch(&spec); err != nil {
			t.Fatal(err)
		}
		beta.await()
		if err := os.WriteFile(spec.Arm, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		defer d.keepUp(n)()
		s.producer.make(fmt.Sprintf("f%d", n), 3000)
		if err := trigger(filepath.Join(marks, "ready")); err != nil {
			t.Fatal(err)
		}
		settledMarkers(t, alpha, marks)
		lines, err := readTrace(spec.Log)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, " <- ") })
	}
	first, stride, runs := 1+s.producer.rnd.IntN(sample(3, 1)), sample(3, 1), 1
	n := first
	for ; at(n); n += stride {
		runs++
	}
	s.settle(t)
	s.consumer.verdict(s.producer.ledger)
	runsAreThose(t, alpha, runs)
	t.Logf("struck at every call from %d to %d in steps of %d", first, n-stride, stride)
}

// trigger makes a trigger once the one before it was taken.
func trigger(path string) error {
	end := time.Now().Add(*patience)
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err == nil {
			return f.Close()
		}
		if !errors.Is(err, fs.ErrExist) || time.Now().After(end) {
			return fmt.Errorf("make a trigger: %w", err)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// settledMarkers waits until only the completion marker is there.
func settledMarkers(t *testing.T, h *host, dir string) {
	t.Helper()
	var names []string
	for end := time.Now().Add(*patience); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		names = nil
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if slices.Equal(names, []string{"done"}) && strings.Contains(h.mft("channel", "list"), "nothing is due") {
			return
		}
	}
	t.Fatalf("the markers %v are there", names)
}

// runsAreThose complains unless there were so many runs, all of which succeeded.
func runsAreThose(t *testing.T, h *host, want int) {
	t.Helper()
	var runs []channel.Run
	if err := json.Unmarshal([]byte(h.mft("channel", "history", "stream", "--limit", "100000", "--json")), &runs); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range runs {
		if seen[r.ID] || !r.Code.OK() || r.Ended.IsZero() {
			t.Errorf("run %s, again (%t), or not in success or not ended: %+v", r.ID, seen[r.ID], r)
		}
		seen[r.ID] = true
	}
	if len(runs) != want {
		t.Errorf("%d runs for %d triggers", len(runs), want)
	}
	t.Logf("%d triggers, %d runs", want, len(runs))
}
