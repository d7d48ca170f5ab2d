package relay_test

import (
	"context"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mft.dev/mft"
	"mft.dev/mft/exchange/exchangetest"
	"mft.dev/mft/exchange/relay"
	"mft.dev/mft/exchange/relay/server"
	"mft.dev/mft/exchange/relay/store"
	"mft.dev/mft/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A party is an agent with keys.
type party struct {
	name mft.AgentName
	keys *identity.Keys
}

func newParty(t testing.TB, name mft.AgentName) party {
	t.Helper()
	keys, err := identity.LoadOrCreate(filepath.Join(t.TempDir(), "keys"), name, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return party{name, keys}
}

// trust returns a store that pins these parties.
func trust(t testing.TB, peers ...party) *identity.Trust {
	t.Helper()
	var list []identity.Peer
	for _, p := range peers {
		list = append(list, identity.Peer{Name: p.name, Configured: true, Pins: []identity.PinnedKey{{Pin: p.keys.Pin(), Source: identity.SourceConfig}}})
	}
	tr, err := identity.OpenTrust(filepath.Join(t.TempDir(), "peers.json"), list)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// A hub is a relay that runs.
type hub struct {
	t     testing.TB
	party party
	conf  server.Config
	ahead atomic.Int64 // of its clock, in nanoseconds

	address string
	server  *server.Server
	stop    func()
}

func (h *hub) now() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }

// elapse moves the clock of the relay.
func (h *hub) elapse(d time.Duration) { h.ahead.Add(int64(d)) }

// newHub starts a relay for agents.
func newHub(t testing.TB, change func(*server.Config), agents ...party) *hub {
	t.Helper()
	h := &hub{t: t, party: newParty(t, "hub")}
	h.conf = server.Config{
		Name: "hub", Keys: h.party.keys, Trust: trust(t, agents...), Limits: func(mft.AgentName) server.Limits { return server.Limits{Requests: 100_000, AtOnce: 1000} },
		Store: store.Config{Dir: filepath.Join(t.TempDir(), "relay"), Now: h.now},
	}
	for _, a := range agents {
		h.conf.Agents = append(h.conf.Agents, a.name)
	}
	if change != nil {
		change(&h.conf)
	}
	h.start("127.0.0.1:0")
	t.Cleanup(func() { h.stop() })
	return h
}

// start serves until h.stop is called.
func (h *hub) start(address string) {
	h.t.Helper()
	s, err := server.Open(context.Background(), h.conf)
	if err != nil {
		h.t.Fatalf("Open: %v", err)
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	h.server, h.address = s, ln.Addr().String()
	h.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Errorf("Serve: %v", err)
		}
		if err := s.Close(); err != nil {
			h.t.Errorf("Close: %v", err)
		}
		h.stop = func() {}
	}
}

// of returns the relay as an agent sees it.
func (h *hub) of(p party) *relay.Relay {
	h.t.Helper()
	trusted := trust(h.t, h.party)
	r, err := relay.New(relay.Config{
		Agent: p.name, Relay: "hub", Addresses: []string{h.address}, Wait: -1,
		Identity: func() (relay.Identity, error) {
			return relay.Identity{Certificate: p.keys.Certificate(), Verify: func(chain []*x509.Certificate, now time.Time) (mft.AgentName, error) {
				return trusted.VerifyChain(chain, now)
			}}, nil
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(r.Close)
	return r
}

// TestConformance holds the relay to the contract, over TLS.
func TestConformance(t *testing.T) {
	exchangetest.Run(t, func(t *testing.T) exchangetest.Bench {
		a, b := newParty(t, "alpha"), newParty(t, "beta")
		h := newHub(t, nil, a, b)
		if err := os.WriteFile(filepath.Join(h.conf.Store.Dir, "outside"), []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		return exchangetest.Bench{
			NameA: "alpha", NameB: "beta", Absent: "nobody",
			A: h.of(a).Exchange(), B: h.of(b).Exchange(), Twin: h.of(b).Exchange(),
			Lease: time.Minute, Life: time.Minute, Elapse: h.elapse,
		}
	})
}
