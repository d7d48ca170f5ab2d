package agent_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/dir"
	"mft.dev/mft/exchange/owner"
	"mft.dev/mft/identity"
	"mft.dev/mft/journal"
)

// namesakes makes alpha, and two agents called beta that share a queue and a
// directory, each with keys of its own. None runs.
func namesakes(t *testing.T) (alpha *host, betas []*host, folder string) {
	t.Helper()
	alpha, first, folder := apart(t)
	second := newHost(t, "beta")
	second.in = first.in
	pinned := config.Peer{}
	for i, h := range []*host{first, second} {
		x, err := dir.New(dir.Config{Path: folder, Agent: "beta", Wait: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		x.Shared = true
		h.exchange = &x
		h.conf.Peers, h.conf.Allow = first.conf.Peers, first.conf.Allow
		h.conf.Allow.RequestsFrom = []mft.Grant{{Agent: "alpha", Root: h.out}}
		keys, err := identity.LoadOrCreate(filepath.Join(h.conf.Agent.DataDir, "keys"), "beta", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		pinned.Pins = append(pinned.Pins, string(keys.Pin()))
		relay := filepath.Join(h.conf.Agent.DataDir, "relay")
		if err := os.MkdirAll(relay, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(relay, "instance"), []byte(memberNames[i]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	alpha.conf.Peers = map[mft.AgentName]config.Peer{"beta": pinned}
	return alpha, []*host{first, second}, folder
}

// renewals is a queue that counts letters that are given back, or kept.
type renewals struct {
	exchange.Queue
	n atomic.Int64
}

func (r *renewals) Renew(ctx context.Context, l *exchange.Letter, lease time.Duration) error {
	r.n.Add(1)
	return r.Queue.Renew(ctx, l, lease)
}

var memberNames = []string{"firstfirst22", "secondsecond"}

// done counts the transfers that h has delivered.
func (h *host) done() int { return len(h.list(journal.Filter{States: []mft.State{mft.StateDone}})) }

// published waits until n agents have published keys as beta.
func published(alpha *host, folder string, n int) {
	keys := filepath.Join(folder, "beta", "keys")
	alpha.until("the keys of beta", func() bool { return len(tree(alpha.t, keys)) == n }, func() any { return tree(alpha.t, keys) })
}

// TestSharedName: of two agents of one name exactly one delivers each transfer,
// and what is said to one of them the other leaves alone.
func TestSharedName(t *testing.T) {
	alpha, betas, folder := namesakes(t)
	for _, h := range betas {
		h.start()
	}
	published(alpha, folder, len(betas))
	alpha.start()
	const files = 10
	want := map[string]string{}
	var ids []mft.TransferID
	for i := range files {
		name := string(rune('a' + i))
		want[name] = strings.Repeat(name, 1000)
		ids = append(ids, alpha.copyTo(betas[0], betas[0].in+"/", "", write(t, alpha.out, name, want[name])))
	}
	for _, id := range ids {
		if got := alpha.await(id, mft.StateDone, mft.StateFailed, mft.StateRejected, mft.StateCancelled); got.State != mft.StateDone {
			t.Errorf("the sender's state is %s (%+v), want done", got.State, got.Reason)
		}
	}
	if got := tree(t, betas[0].in); !maps.Equal(got, want) {
		t.Errorf("delivered %d files, want %d", len(got), len(want))
	}
	first, second := betas[0].done(), betas[1].done()
	if first+second != files {
		t.Errorf("one delivered %d, the other %d, want %d together", first, second, files)
	}
	t.Logf("one delivered %d, the other %d", first, second)
	for i, h := range betas {
		if n := len(tree(t, filepath.Join(h.conf.Agent.DataDir, "relay", "aside"))); n > 0 {
			t.Errorf("agent %d has put %d letters aside", i, n)
		}
	}
	inboxes := func() (left []string) {
		for _, path := range leftIn(t, folder) {
			if strings.Contains(path, "/queue/") {
				left = append(left, path)
			}
		}
		return left
	}
	alpha.until("the queues", func() bool { return len(inboxes()) == 0 }, func() any { return inboxes() })
}

// TestSharedOther: a transfer that another agent of the name has begun to deliver
// is left to it, and delivered when it is back.
func TestSharedOther(t *testing.T) {
	alpha, betas, folder := namesakes(t)
	betas[0].start()
	published(alpha, folder, 1)
	betas[0].stop()
	betas[1].start()
	published(alpha, folder, 2)
	betas[1].stop()

	id := newID(t)
	if who, err := owner.Take(t.Context(), *betas[1].exchange, id, memberNames[1]); err != nil || who != memberNames[1] {
		t.Fatalf("take: %q, %v", who, err)
	}
	given := &renewals{Queue: betas[0].exchange.Queue}
	betas[0].exchange.Queue = given
	alpha.start()
	betas[0].start()
	if err := alpha.copyAs(id, betas[0], betas[0].in+"/", write(t, alpha.out, "a", "1")); err != nil {
		t.Fatal(err)
	}
	// It may agree to the offer, and does not take the parcel.
	alpha.awaitIf(id, func(t mft.Transfer) bool {
		return t.State == mft.StateWaiting && strings.Contains(t.Reason.Detail, "everything")
	})
	so := given.n.Load()
	alpha.until("the parcel to be given back", func() bool { return given.n.Load() >= so+2 }, func() any { return given.n.Load() })
	if got := tree(t, betas[0].in); len(got) > 0 {
		t.Errorf("delivered %v, and another has begun to", got)
	}
	betas[1].start()
	alpha.await(id, mft.StateDone)
	betas[1].await(id, mft.StateDone)
	if n := betas[0].done(); n != 0 {
		t.Errorf("the other delivered %d", n)
	}
}

// TestSharedOverLink: over the link, too, only the agent delivers that has begun
// to.
func TestSharedOverLink(t *testing.T) {
	alpha, betas, _ := namesakes(t)
	beta := betas[0]
	p := alpha.conf.Peers["beta"]
	p.Address = beta.addr
	alpha.conf.Peers["beta"] = p
	alpha.exchange = nil
	id := newID(t)
	if _, err := owner.Take(t.Context(), *beta.exchange, id, memberNames[1]); err != nil {
		t.Fatal(err)
	}
	beta.start()
	alpha.start()
	if err := alpha.copyAs(id, beta, beta.in+"/", write(t, alpha.out, "a", "1")); err != nil {
		t.Fatal(err)
	}
	elsewhere := func(t mft.Transfer) bool { return t.State == mft.StateWaiting && t.Reason.Code == mft.CodeElsewhere }
	alpha.awaitIf(id, func(t mft.Transfer) bool { return elsewhere(t) && t.Attempts > 1 })
	if got := tree(t, beta.in); len(got) > 0 {
		t.Errorf("delivered %v, and another has begun to", got)
	}
	other := alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, "b", "2"))
	alpha.await(other, mft.StateDone)
	if who, err := owner.Of(t.Context(), *beta.exchange, other); err != nil || who != memberNames[0] {
		t.Errorf("the owner of what was delivered is %q, %v; want %q", who, err, memberNames[0])
	}
}
