package agent_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// moving is watched with files that leave the source.
func moving(t *testing.T, after mft.After, change func(*mft.Channel)) (alpha, beta *host) {
	t.Helper()
	return watched(t, func(ch *mft.Channel) {
		ch.After = after
		if after.Archive != "" {
			ch.After.Archive = filepath.Join(filepath.Dir(ch.From.Path), after.Archive)
			if err := os.MkdirAll(ch.After.Archive, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if change != nil {
			change(ch)
		}
	})
}

// told returns the details of events of a kind that are about a path.
func (h *host) told(kind mft.EventKind) (out []string) {
	h.t.Helper()
	events, err := h.agent.Journal.Events(h.t.Context(), 0, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, e := range events {
		if e.Kind == kind {
			out = append(out, e.Detail)
		}
	}
	return out
}

// awaitTold waits until so many events of a kind were told.
func (h *host) awaitTold(kind mft.EventKind, n int) {
	h.t.Helper()
	h.until(string(kind), func() bool { return len(h.told(kind)) >= n }, func() any { return h.told(kind) })
}

func TestAfterDelete(t *testing.T) {
	alpha, beta := moving(t, mft.After{Source: mft.SourceDelete}, nil)
	write(t, alpha.out, "a.csv", "1")
	write(t, alpha.out, "deep/b.csv", "2")
	alpha.awaitTree(alpha.out, map[string]string{"deep/": ""})
	beta.awaitTree(beta.in, map[string]string{"a.csv": "1", "deep/": "", "deep/b.csv": "2"})
	alpha.awaitTold(mft.EventSourceRemoved, 2)
	// A new file of the name is a new one.
	write(t, alpha.out, "a.csv", "11")
	beta.awaitTree(beta.in, map[string]string{"a.csv": "11", "deep/": "", "deep/b.csv": "2"})
	alpha.awaitTree(alpha.out, map[string]string{"deep/": ""})
}

func TestAfterArchive(t *testing.T) {
	alpha, beta := moving(t, mft.After{Source: mft.SourceArchive, Archive: "sent"}, nil)
	sent := filepath.Join(alpha.dir, "sent")
	write(t, alpha.out, "deep/a.csv", "1")
	alpha.awaitTree(sent, map[string]string{"deep/": "", "deep/a.csv": "1"})
	write(t, alpha.out, "deep/a.csv", "22")
	alpha.awaitTree(sent, map[string]string{"deep/": "", "deep/a.csv": "1", "deep/a.csv.~1~": "22"})
	beta.awaitTree(beta.in, map[string]string{"deep/": "", "deep/a.csv": "22"})
	alpha.awaitTree(alpha.out, map[string]string{"deep/": ""})
	alpha.awaitTold(mft.EventSourceArchived, 2)
	if got := strings.Join(alpha.told(mft.EventSourceArchived), " "); !strings.Contains(got, `"deep/a.csv": as "deep/a.csv.~1~"`) {
		t.Errorf("it was told %s, want the name in the archive", got)
	}
}

// A file stays until the last destination has it.
func TestAfterFanOut(t *testing.T) {
	gamma := newHost(t, "gamma")
	alpha, beta := moving(t, mft.After{Source: mft.SourceDelete}, func(ch *mft.Channel) {
		ch.To = append(ch.To, mft.Endpoint{Agent: "gamma", Path: gamma.in})
	})
	gamma.start()
	pair(t, alpha, gamma)
	write(t, alpha.out, "a", "1")
	alpha.awaitTree(alpha.out, map[string]string{})
	gamma.stop()
	write(t, alpha.out, "b", "2")
	beta.awaitTree(beta.in, map[string]string{"a": "1", "b": "2"})
	alpha.until("beta's receipt", func() bool {
		return len(alpha.list(journal.Filter{Peer: "beta", States: []mft.State{mft.StateDone}})) == 2
	}, func() any { return alpha.list(journal.Filter{}) })
	// Restarting changes nothing about it.
	alpha.stop()
	alpha.start()
	if got := tree(t, alpha.out); got["b"] != "2" {
		t.Fatalf("the source has %v, want b until gamma has it", got)
	}
	gamma.start()
	alpha.awaitTree(alpha.out, map[string]string{})
	gamma.awaitTree(gamma.in, map[string]string{"a": "1", "b": "2"})
}

// What cannot leave is told of, stays, and is not sent again.
func TestAfterStuck(t *testing.T) {
	alpha, beta := moving(t, mft.After{Source: mft.SourceArchive, Archive: "sent"}, nil)
	sent := filepath.Join(alpha.dir, "sent")
	if err := os.Remove(sent); err != nil {
		t.Fatal(err)
	}
	write(t, alpha.out, "a", "1")
	beta.awaitTree(beta.in, map[string]string{"a": "1"})
	alpha.until("the problem", func() bool {
		s, err := alpha.agent.Status(t.Context())
		return err == nil && mft.CodeOf(s.Channels[0].Problem) == mft.CodeSourceLeft
	}, func() any { return "no problem" })
	alpha.settled()
	write(t, alpha.out, "b", "2")
	beta.awaitTree(beta.in, map[string]string{"a": "1", "b": "2"})
	alpha.awaitTold(mft.EventSourceLeft, 2)
	if got := len(alpha.list(journal.Filter{})); got != 2 {
		t.Errorf("two files made %d transfers, want 2", got)
	}
	if err := os.Mkdir(sent, 0o755); err != nil {
		t.Fatal(err)
	}
	alpha.stop() // a restart tries again at once
	alpha.start()
	alpha.awaitTree(sent, map[string]string{"a": "1", "b": "2"})
	alpha.awaitTree(alpha.out, map[string]string{})
	if got := len(alpha.list(journal.Filter{})); got != 2 {
		t.Errorf("two files made %d transfers, want 2", got)
	}
}

// However often the agent dies between a receipt and the removal, each file arrives once and is
// archived once.
func TestAfterRestarts(t *testing.T) {
	alpha, beta := moving(t, mft.After{Source: mft.SourceArchive, Archive: "sent"}, nil)
	sent := filepath.Join(alpha.dir, "sent")
	want := map[string]string{}
	for round := range 8 {
		for _, name := range []string{"a", "b", "c"} {
			name = fmt.Sprintf("%s%d", name, round)
			write(t, alpha.out, name, name)
			want[name] = name
		}
		done := len(want) - 3*(round%2) // at different points
		alpha.until("receipts", func() bool {
			return len(tree(t, beta.in)) >= done
		}, func() any { return alpha.list(journal.Filter{}) })
		alpha.stop()
		alpha.start()
	}
	alpha.awaitTree(sent, want)
	alpha.awaitTree(alpha.out, map[string]string{})
	beta.awaitTree(beta.in, want)
}

// Through an exchange, where the receipt comes by letter.
func TestAfterRelayed(t *testing.T) {
	alpha, beta, _ := apart(t)
	alpha.conf.Channels = []mft.Channel{{
		Name: "box", From: mft.Endpoint{Agent: "alpha", Path: alpha.out}, To: []mft.Endpoint{{Agent: "beta", Path: beta.in}},
		When:      []mft.Trigger{{Kind: mft.TriggerArrival, Stable: 20 * time.Millisecond, Rescan: 200 * time.Millisecond}},
		Overwrite: mft.OverwriteReplace, After: mft.After{Source: mft.SourceDelete},
	}}
	write(t, alpha.out, "first", "0")
	alpha.start()
	beta.start()
	alpha.awaitTree(alpha.out, map[string]string{})
	beta.stop()
	write(t, alpha.out, "d/x", "1")
	write(t, alpha.out, "y", "22")
	alpha.until("the parcel", func() bool {
		rows := alpha.list(journal.Filter{})
		return len(rows) > 1 && slices.ContainsFunc(rows, func(r mft.Transfer) bool { return r.Reason.Code == mft.CodeRelayed })
	}, func() any { return alpha.list(journal.Filter{}) })
	alpha.stop()
	alpha.start()
	if got := tree(t, alpha.out); len(got) != 3 {
		t.Fatalf("the source has %v while the parcel lies in the exchange, want all", got)
	}
	beta.start()
	beta.awaitTree(beta.in, map[string]string{"first": "0", "d/": "", "d/x": "1", "y": "22"})
	alpha.awaitTree(alpha.out, map[string]string{"d/": ""})
}
