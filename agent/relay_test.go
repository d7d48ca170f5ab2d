package agent_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/order"
	"mft.dev/mft/exchange/dir"
	"mft.dev/mft/identity"
)

// apart makes two hosts that know each other's pins and share a folder, and that
// cannot reach each other. Neither runs.
func apart(t *testing.T) (alpha, beta *host, folder string) {
	t.Helper()
	folder = t.TempDir()
	alpha, beta = newHost(t, "alpha"), newHost(t, "beta")
	for _, h := range []*host{alpha, beta} {
		if _, err := dir.Setup(t.Context(), folder, h.conf.Agent.Name); err != nil {
			t.Fatal(err)
		}
		x, err := dir.New(dir.Config{Path: folder, Agent: h.conf.Agent.Name})
		if err != nil {
			t.Fatal(err)
		}
		h.exchange = &x
	}
	for h, peer := range map[*host]*host{alpha: beta, beta: alpha} {
		keys, err := identity.LoadOrCreate(filepath.Join(peer.conf.Agent.DataDir, "keys"), peer.conf.Agent.Name, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		name := peer.conf.Agent.Name
		h.conf.Peers = map[mft.AgentName]config.Peer{name: {Pins: []string{string(keys.Pin())}}}
		h.conf.Allow = mft.AllowList{
			FilesFrom: []mft.Grant{{Agent: name, Root: h.in}}, RequestsFrom: []mft.Grant{{Agent: name, Root: h.out}},
		}
	}
	return alpha, beta, folder
}

// TestRelay: two agents that never reach each other move files all the same, with
// one id, and leave nothing behind.
func TestRelay(t *testing.T) {
	alpha, beta, folder := apart(t)
	alpha.start()
	beta.start()
	write(t, alpha.out, "d/x/y", "1")
	write(t, alpha.out, "d/z", strings.Repeat("2", 100_000))
	big(t, alpha.out, "d/big", 3<<20)
	id := alpha.copyTo(beta, beta.in+"/", "", filepath.Join(alpha.out, "d"))
	sent := alpha.await(id, mft.StateDone, mft.StateFailed, mft.StateRejected)
	if sent.State != mft.StateDone {
		t.Fatalf("the sender's state is %s (%+v), want done", sent.State, sent.Reason)
	}
	received := beta.await(id, mft.StateDone)
	if want, got := tree(t, alpha.out), tree(t, beta.in); !maps.Equal(want, got) {
		t.Errorf("delivered %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	if sent.Moved != received.Moved || received.Moved.Items == 0 {
		t.Errorf("moved %+v and %+v, want the same at both ends", sent.Moved, received.Moved)
	}
	if story := alpha.kinds(id); !strings.Contains(story, "offered") || !strings.Contains(story, "delivered") {
		t.Errorf("the sender's story is %q", story)
	}
	alpha.until("the folder", func() bool { return len(leftIn(t, folder)) == 0 }, func() any { return leftIn(t, folder) })
	for _, h := range []*host{alpha, beta} {
		kept := func() map[string]string { return tree(t, filepath.Join(h.conf.Agent.DataDir, "relay")) }
		h.until("what it keeps", func() bool { return maps.Equal(kept(), map[string]string{"aside/": ""}) }, func() any { return kept() })
	}
}

// leftIn returns what of letters and objects lies in the shared folder.
func leftIn(t *testing.T, folder string) []string {
	t.Helper()
	var left []string
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err == nil && !d.IsDir() && !strings.Contains(path, "/keys/") {
			left = append(left, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// TestRelayRefused: what the receiver does not allow it refuses through the
// exchange too, and nothing is sent.
func TestRelayRefused(t *testing.T) {
	alpha, beta, _ := apart(t)
	alpha.start()
	beta.start()
	id := alpha.copyTo(beta, beta.out+"/", "", write(t, alpha.out, "a", "1"))
	sent := alpha.await(id, mft.StateDone, mft.StateFailed, mft.StateRejected)
	if sent.State != mft.StateRejected || sent.Reason.Code != mft.CodeNotAllowed {
		t.Errorf("the sender's state is %s (%+v), want rejected with NOT_ALLOWED", sent.State, sent.Reason)
	}
	if got := tree(t, beta.out); len(got) > 0 {
		t.Errorf("delivered %v, want nothing", got)
	}
}

// TestRelayRequest: files can be asked for through an exchange.
func TestRelayRequest(t *testing.T) {
	alpha, beta, _ := apart(t)
	alpha.start()
	beta.start()
	write(t, alpha.out, "a", "1")
	into := t.TempDir()
	id, err := beta.agent.Request(t.Context(), order.Request{Agent: "alpha", Path: alpha.out + "/a", Into: into + "/"})
	if err != nil {
		t.Fatalf("Request: %v", err)
	}
	if got := beta.awaitIf(id, func(t mft.Transfer) bool { return t.State.Terminal() }); got.State != mft.StateDone {
		t.Fatalf("the state is %s (%+v), want done", got.State, got.Reason)
	}
	if got := tree(t, into); !maps.Equal(got, map[string]string{"a": "1"}) {
		t.Errorf("delivered %v", got)
	}
	alpha.await(id, mft.StateDone)
}

// TestRelayAway: neither agent needs to run while the other does.
func TestRelayAway(t *testing.T) {
	alpha, beta, folder := apart(t)
	beta.start() // once, so that its key lies in the folder
	keys := filepath.Join(folder, "beta", "keys")
	beta.until("its key", func() bool { return len(tree(t, keys)) > 0 }, func() any { return tree(t, keys) })
	beta.stop()
	alpha.start()
	write(t, alpha.out, "d/a", "1")
	big(t, alpha.out, "d/big", 1<<20)
	id := alpha.copyTo(beta, beta.in+"/", "", filepath.Join(alpha.out, "d")+"/")
	relayed := func(t mft.Transfer) bool { return t.State == mft.StateWaiting && t.Reason.Code == mft.CodeRelayed }
	alpha.awaitIf(id, relayed)
	alpha.stop()

	beta.start() // hears the offer and agrees
	inbox := filepath.Join(folder, "beta", "queue")
	beta.until("the offer", func() bool { return len(leftIn(t, inbox)) == 0 }, func() any { return leftIn(t, inbox) })
	beta.stop()

	alpha.start() // makes the parcel
	alpha.awaitIf(id, func(t mft.Transfer) bool { return relayed(t) && strings.Contains(t.Reason.Detail, "everything") })
	alpha.stop()

	beta.start() // takes it
	beta.await(id, mft.StateDone)
	beta.stop()

	alpha.start() // hears that it was taken
	alpha.await(id, mft.StateDone)
	if want, got := tree(t, filepath.Join(alpha.out, "d")), tree(t, beta.in); !maps.Equal(want, got) {
		t.Errorf("delivered %v, want %v", got, want)
	}
}
