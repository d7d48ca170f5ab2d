package depot

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/identity"
	"mft.dev/mft/internal/rig"
)

// relayed makes the configurations of a relay and of an agent that uses it, who pin
// each other, and the keys of the relay.
func relayed(t *testing.T) (hub, erp *config.Config, keys *identity.Keys) {
	t.Helper()
	address, err := rig.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	pins := map[mft.AgentName]string{}
	of := func(name mft.AgentName) *config.Config {
		dir := t.TempDir()
		c := &config.Config{Agent: config.Agent{Name: name, DataDir: dir, KeysDir: filepath.Join(dir, "keys")}, Peers: map[mft.AgentName]config.Peer{}}
		k, err := identity.LoadOrCreate(c.Agent.KeysDir, name, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if pins[name] = string(k.Pin()); name == "hub" {
			keys = k
		}
		return c
	}
	hub, erp = of("hub"), of("erp")
	hub.Relay = &storage.Served{
		Listen: leaf.ListenOn(address), Agents: []leaf.AgentName{"erp", "ledger"},
		Quota: &storage.Quota{Letters: 7}, Quotas: map[leaf.AgentName]storage.Quota{"erp": {Bytes: 1 << 20}},
	}
	hub.Peers["erp"] = config.Peer{Pins: []string{pins["erp"]}}
	erp.Peers["hub"] = config.Peer{Pins: []string{pins["hub"]}}
	erp.Exchange = &storage.Exchange{Relay: &storage.Relay{Agent: "hub", Address: storage.Addresses{"127.0.0.1:1", leaf.DialTo(address)}}}
	return hub, erp, keys
}

// serve serves a relay until the test ends.
func serve(t *testing.T, cfg *config.Config, keys *identity.Keys) *Served {
	t.Helper()
	var peers []identity.Peer
	for name, p := range cfg.Peers {
		peers = append(peers, identity.Peer{Name: name, Configured: true, Pins: []identity.PinnedKey{{Pin: identity.Pin(p.Pins[0]), Source: identity.SourceConfig}}})
	}
	trust, err := identity.OpenTrust(filepath.Join(cfg.Agent.DataDir, "peers.json"), peers)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Serve(t.Context(), cfg, keys, trust, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// TestRelay: what setup and check say of a relay, without an agent that runs.
func TestRelay(t *testing.T) {
	hub, erp, keys := relayed(t)
	d, err := Open(erp, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	if err := d.Ready(t.Context()); mft.CodeOf(err) != mft.CodeUnreachable {
		t.Errorf("Ready without the relay: %v, want code %s", err, mft.CodeUnreachable)
	}
	s := serve(t, hub, keys)
	if err := d.Ready(t.Context()); err != nil {
		t.Errorf("Ready: %v", err)
	}
	if steps, err := d.Setup(t.Context()); err != nil || len(steps) != 1 || !strings.Contains(steps[0].Done, "nothing") {
		t.Errorf("Setup: %+v, %v; want that there is nothing to do", steps, err)
	}
	if bad := failures(t, d, ""); len(bad) > 0 {
		t.Errorf("Check finds %q", bad)
	}
	if bad := failures(t, d, "ledger"); len(bad) != 1 || !strings.Contains(bad[0], "published its key") {
		t.Errorf("Check with a peer that never ran finds %q, want that", bad)
	}
	held, err := s.Held(t.Context())
	if err != nil || len(held) != 2 || held[0].Agent != "erp" || held[0].Seen.IsZero() || !held[1].Seen.IsZero() {
		t.Errorf("Held: %+v, %v; want erp, which was seen, and ledger, which was not", held, err)
	}
	if q := held[0].Quota; q.Letters != 7 || q.Bytes != 1<<20 || q.Objects != 10_000 {
		t.Errorf("the quota of erp is %+v, want its own bytes, the letters of all, and the default", q)
	}
}

// TestRelayRefuses: why a relay cannot be used is said so that somebody can do
// something.
func TestRelayRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(hub, erp *config.Config)
		want   mft.Code
		says   string
	}{
		{"without keys", func(_, erp *config.Config) { erp.Agent.KeysDir = filepath.Join(erp.Agent.DataDir, "none") }, mft.CodeConfig, "start the agent once"},
		{"no peer there", func(hub, _ *config.Config) { clear(hub.Peers) }, mft.CodeNotAllowed, "has to be a peer there"},
		{"no peer here", func(_, erp *config.Config) { clear(erp.Peers) }, mft.CodeUnknownPeer, "no peer"},
		{"another key here", func(hub, erp *config.Config) { erp.Peers["hub"] = hub.Peers["erp"] }, mft.CodeUntrusted, "not pinned"},
		{"not served", func(hub, _ *config.Config) { hub.Relay.Agents = []leaf.AgentName{"ledger"}; hub.Relay.Quotas = nil }, mft.CodeNotAllowed, "relay.agents"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hub, erp, keys := relayed(t)
			tt.change(hub, erp)
			serve(t, hub, keys)
			d, err := Open(erp, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			_, err = d.Setup(t.Context())
			if mft.CodeOf(err) != tt.want || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Setup: %v, want code %s and %q", err, tt.want, tt.says)
			}
			if bad := failures(t, d, "ledger"); len(bad) != 1 || !slices.ContainsFunc(bad, func(s string) bool { return strings.Contains(s, tt.says) }) {
				t.Errorf("Check finds %q, want one thing with %q", bad, tt.says)
			}
		})
	}
}

// TestNoRelay: a host that is none serves nothing, and needs no care.
func TestNoRelay(t *testing.T) {
	s, err := Serve(t.Context(), &config.Config{}, nil, nil, nil)
	if err != nil || s != nil {
		t.Fatalf("Serve: %v, %v; want neither", s, err)
	}
	held, herr := s.Held(t.Context())
	if err := s.Run(t.Context()); err != nil || held != nil || herr != nil || s.Close() != nil {
		t.Errorf("Run: %v, Held: %v, %v; want nothing", err, held, herr)
	}
}
