package agent_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// watched starts two hosts of which alpha has a channel from its out to beta's
// in. Stable is long enough to see a file settle, rescan short.
func watched(t *testing.T, change func(*mft.Channel)) (alpha, beta *host) {
	t.Helper()
	alpha, beta = newHost(t, "alpha"), newHost(t, "beta")
	ch := mft.Channel{
		Name: "box", From: mft.Endpoint{Agent: "alpha", Path: alpha.out}, To: []mft.Endpoint{{Agent: "beta", Path: beta.in}},
		When:      []mft.Trigger{{Kind: mft.TriggerArrival, Stable: 20 * time.Millisecond, Rescan: 200 * time.Millisecond}},
		Overwrite: mft.OverwriteReplace,
	}
	if change != nil {
		change(&ch)
	}
	alpha.conf.Channels = []mft.Channel{ch}
	alpha.start()
	beta.start()
	pair(t, alpha, beta)
	return alpha, beta
}

// awaitTree waits until the files below dir are want.
func (h *host) awaitTree(dir string, want map[string]string) {
	h.t.Helper()
	h.until("tree "+dir, func() bool { return maps.Equal(tree(h.t, dir), want) }, func() any { return tree(h.t, dir) })
}

// settled waits until all transfers of h are done and the channel has been
// scanned again since.
func (h *host) settled() {
	h.t.Helper()
	began := time.Now()
	h.until("the channel", func() bool {
		s, err := h.agent.Status(h.t.Context())
		if err != nil || s.Channels[0].Settling > 0 || !s.Channels[0].LastScan.After(began) {
			return false
		}
		return len(h.list(journal.Filter{})) == len(h.list(journal.Filter{States: []mft.State{mft.StateDone}}))
	}, func() any { return h.list(journal.Filter{}) })
}

func TestChannel(t *testing.T) {
	alpha, beta := watched(t, func(ch *mft.Channel) { ch.Select.Exclude = []string{"*.tmp"} })
	write(t, alpha.out, "a.csv", "1")
	write(t, alpha.out, "deep/er/b.csv", "2")
	write(t, alpha.out, "c.tmp", "3")
	if err := os.Symlink("/etc/passwd", filepath.Join(alpha.out, "link")); err != nil {
		t.Fatal(err)
	}
	beta.awaitTree(beta.in, map[string]string{"a.csv": "1", "deep/": "", "deep/er/": "", "deep/er/b.csv": "2"})
	alpha.settled()
	// Each version is sent once.
	before := len(alpha.list(journal.Filter{}))
	write(t, alpha.out, "a.csv", "new")
	beta.awaitTree(beta.in, map[string]string{"a.csv": "new", "deep/": "", "deep/er/": "", "deep/er/b.csv": "2"})
	alpha.settled()
	if got := len(alpha.list(journal.Filter{})); got != before+1 {
		t.Errorf("a changed file made %d transfers, want one", got-before)
	}
	for _, row := range alpha.list(journal.Filter{}) {
		k := alpha.kinds(row.ID)
		if !strings.HasPrefix(k, "detected stable ") || !strings.HasSuffix(k, "delivered done") || row.Channel != "box" {
			t.Errorf("channel %q, events: %s, want them from detected to done", row.Channel, k)
		}
	}
	s, err := alpha.agent.Status(t.Context())
	if err != nil || len(s.Channels) != 1 || s.Channels[0].Problem != nil || s.Channels[0].LastScan.IsZero() {
		t.Errorf("Status = %+v, %v, want a healthy channel", s.Channels, err)
	}
}

func TestChannelAfterRestart(t *testing.T) {
	alpha, beta := watched(t, nil)
	write(t, alpha.out, "a", "1")
	beta.awaitTree(beta.in, map[string]string{"a": "1"})
	alpha.settled()
	alpha.stop()
	// A consumer takes it away; a new file comes while nobody watches.
	if err := os.Remove(filepath.Join(beta.in, "a")); err != nil {
		t.Fatal(err)
	}
	write(t, alpha.out, "b", "2")
	alpha.start()
	beta.awaitTree(beta.in, map[string]string{"b": "2"})
	alpha.settled()
	if got := tree(t, beta.in); len(got) != 1 {
		t.Errorf("after a restart there is %v, want no second copy of what was sent", got)
	}
}

func TestChannelToStranger(t *testing.T) {
	alpha, beta := newHost(t, "alpha"), newHost(t, "beta")
	alpha.conf.Channels = []mft.Channel{{
		Name: "box", From: mft.Endpoint{Agent: "alpha", Path: alpha.out}, To: []mft.Endpoint{{Agent: "beta", Path: beta.in}},
		When: []mft.Trigger{{Kind: mft.TriggerArrival, Stable: time.Millisecond, Rescan: 50 * time.Millisecond}},
	}}
	alpha.start()
	beta.start()
	write(t, alpha.out, "a", "1")
	alpha.until("the channel", func() bool {
		s, err := alpha.agent.Status(t.Context())
		return err == nil && mft.CodeOf(s.Channels[0].Problem) == mft.CodeUnknownPeer
	}, func() any { return "without a word" })
	pair(t, alpha, beta)
	beta.awaitTree(beta.in, map[string]string{"a": "1"})
}

func TestChannelWithoutSource(t *testing.T) {
	alpha, beta := newHost(t, "alpha"), newHost(t, "beta")
	source := filepath.Join(alpha.dir, "later")
	alpha.conf.Channels = []mft.Channel{{
		Name: "box", From: mft.Endpoint{Agent: "alpha", Path: source}, To: []mft.Endpoint{{Agent: "beta", Path: beta.in}},
		When: []mft.Trigger{{Kind: mft.TriggerArrival, Stable: time.Millisecond, Rescan: 50 * time.Millisecond}},
	}}
	alpha.start()
	beta.start()
	pair(t, alpha, beta)
	alpha.until("the channel", func() bool {
		s, err := alpha.agent.Status(t.Context())
		return err == nil && mft.CodeOf(s.Channels[0].Problem) == mft.CodeNotFound
	}, func() any { return "without a word" })
	write(t, source, "a", "1")
	beta.awaitTree(beta.in, map[string]string{"a": "1"})
}

func TestChannelOfMany(t *testing.T) {
	alpha, beta := watched(t, nil)
	want := map[string]string{}
	want["x/"] = ""
	for i := range 300 {
		name := fmt.Sprintf("%d", i)
		if i < 30 {
			name = "x/" + name
		}
		write(t, alpha.out, name, name)
		want[name] = name
	}
	beta.awaitTree(beta.in, want)
	alpha.settled()
	items := int64(0)
	for _, row := range alpha.list(journal.Filter{}) {
		items += row.Moved.Items
	}
	if files := int64(len(want) - 1); items != files {
		t.Errorf("%d files were sent for %d, want each once", items, files)
	}
}

func TestChannelFileThatGoes(t *testing.T) {
	alpha, beta := watched(t, nil)
	beta.stop()
	gone := write(t, alpha.out, "gone", "1")
	write(t, alpha.out, "stays", "2")
	alpha.until("the channel", func() bool {
		n := 0
		for _, row := range alpha.list(journal.Filter{}) {
			n += len(row.Sources)
		}
		return n == 2
	}, func() any { return alpha.list(journal.Filter{}) })
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	beta.start()
	beta.awaitTree(beta.in, map[string]string{"stays": "2"})
}
