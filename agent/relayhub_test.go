package agent_test

import (
	"context"
	"crypto/x509"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/exchange/relay"
	"mft.dev/mft/exchange/relay/server"
	"mft.dev/mft/exchange/relay/store"
	"mft.dev/mft/identity"
	"mft.dev/mft/internal/rig"
)

// A third is a host whose agent keeps things for two others.
type third struct {
	*host
	address string
	agents  []mft.AgentName
	shut    func()
}

// between makes three hosts: two that cannot reach each other, and a third that both
// reach. Only the third runs.
func between(t *testing.T) (alpha, beta *host, hub *third) {
	t.Helper()
	alpha, beta = newHost(t, "alpha"), newHost(t, "beta")
	hub = &third{host: newHost(t, "hub"), address: freeAddress(t), agents: []mft.AgentName{"alpha", "beta"}, shut: func() {}}
	all := []*host{alpha, beta, hub.host}
	for _, h := range all {
		h.conf.Peers = map[mft.AgentName]config.Peer{}
		for _, peer := range all {
			if peer == h {
				continue
			}
			p := config.Peer{Pins: []string{string(keysOf(t, peer).Pin())}, Path: mft.PathDirect}
			if h != hub.host && peer != hub.host {
				p.Path = mft.PathRelay
				h.conf.Allow.FilesFrom = append(h.conf.Allow.FilesFrom, mft.Grant{Agent: peer.conf.Agent.Name, Root: h.in})
			}
			h.conf.Peers[peer.conf.Agent.Name] = p
		}
	}
	for _, h := range []*host{alpha, beta} {
		keys := keysOf(t, h)
		trust, err := identity.OpenTrust(filepath.Join(t.TempDir(), "peers.json"), []identity.Peer{{
			Name: "hub", Configured: true, Pins: []identity.PinnedKey{{Pin: keysOf(t, hub.host).Pin(), Source: identity.SourceConfig}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := relay.New(relay.Config{
			Agent: h.conf.Agent.Name, Relay: "hub", Addresses: []string{hub.address}, Wait: 2 * time.Second,
			Identity: func() (relay.Identity, error) {
				return relay.Identity{Certificate: keys.Certificate(), Verify: func(chain []*x509.Certificate, now time.Time) (mft.AgentName, error) {
					return trust.VerifyChain(chain, now)
				}}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		x := r.Exchange()
		h.exchange = &x
		t.Cleanup(r.Close)
	}
	hub.open()
	return alpha, beta, hub
}

func keysOf(t *testing.T, h *host) *identity.Keys {
	t.Helper()
	keys, err := identity.LoadOrCreate(filepath.Join(h.conf.Agent.DataDir, "keys"), h.conf.Agent.Name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func freeAddress(t *testing.T) string {
	t.Helper()
	addr, err := rig.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// open starts the agent of the third host, and its relay.
func (h *third) open() {
	h.t.Helper()
	h.start()
	keys, trust := h.agent.Identity()
	s, err := server.Open(h.t.Context(), server.Config{
		Name: "hub", Keys: keys, Trust: trust, Agents: h.agents, Store: store.Config{Dir: filepath.Join(h.conf.Agent.DataDir, "depot")},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	ln, err := net.Listen("tcp", h.address)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	h.shut = func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Errorf("Serve: %v", err)
		}
		if err := s.Close(); err != nil {
			h.t.Errorf("Close: %v", err)
		}
		h.shut = func() {}
	}
	h.t.Cleanup(func() { h.shut() })
}

// restart stops the third host and starts it again.
func (h *third) restart() {
	h.shut()
	h.stop()
	h.open()
}

// TestHub: two agents that reach nothing but a third copy a tree through it, and it
// keeps nothing in the end.
func TestHub(t *testing.T) {
	alpha, beta, hub := between(t)
	beta.start()
	alpha.start()
	write(t, alpha.out, "d/x/y", "1")
	write(t, alpha.out, "d/z", strings.Repeat("2", 100_000))
	big(t, alpha.out, "d/big", 3<<20)
	id := alpha.copyTo(beta, beta.in+"/", "", filepath.Join(alpha.out, "d"))
	if sent := alpha.await(id, mft.StateDone, mft.StateFailed, mft.StateRejected); sent.State != mft.StateDone {
		t.Fatalf("the sender's state is %s (%+v), want done", sent.State, sent.Reason)
	}
	beta.await(id, mft.StateDone)
	if want, got := tree(t, alpha.out), tree(t, beta.in); !maps.Equal(want, got) {
		t.Errorf("delivered %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	blocks := func() map[string]string {
		return tree(t, filepath.Join(hub.conf.Agent.DataDir, "depot", "objects"))
	}
	alpha.until("what the relay keeps", func() bool { return len(blocks()) == 0 }, func() any { return len(blocks()) })
}

// TestHubRestarts: the third host is restarted again and again while a tree is copied
// through it, each time at another moment.
func TestHubRestarts(t *testing.T) {
	alpha, beta, hub := between(t)
	beta.start()
	alpha.start()
	for i := range 3 {
		write(t, alpha.out, "d/x/"+strings.Repeat("y", i+1), strings.Repeat("1", i))
	}
	big(t, alpha.out, "d/big", 40<<20) // three parts
	id := alpha.copyTo(beta, beta.in+"/", "", filepath.Join(alpha.out, "d"))
	delivered := func() bool {
		sent, _, err := alpha.agent.Transfer(t.Context(), id)
		return err == nil && sent.State.Terminal()
	}
	for n := 0; n < 6 && !delivered(); n++ {
		hub.restart()
	}
	if sent := alpha.await(id, mft.StateDone, mft.StateFailed, mft.StateRejected); sent.State != mft.StateDone {
		t.Fatalf("the sender's state is %s (%+v), want done", sent.State, sent.Reason)
	}
	beta.await(id, mft.StateDone)
	if want, got := tree(t, alpha.out), tree(t, beta.in); !maps.Equal(want, got) {
		t.Errorf("delivered %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}
