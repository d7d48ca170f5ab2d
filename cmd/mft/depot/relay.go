package depot

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/pairing"
	"mft.dev/mft/exchange/relay"
	"mft.dev/mft/identity"
)

// An identified is who this agent is and whom it trusts, for a relay.
type identified struct {
	cfg *config.Config

	mu   sync.Mutex // guards what follows
	keys *identity.Keys
	// verify judges the certificates that a relay shows.
	verify func(chain []*x509.Certificate, now time.Time) (mft.AgentName, error)
}

// Identify gives a depot the keys of the agent that runs, and what it trusts, which
// changes while it runs. Without it they are read from where they lie, and what is
// there is not changed.
func (d *Depot) Identify(keys *identity.Keys, trust *identity.Trust) {
	if d.who != nil {
		d.who.mu.Lock()
		defer d.who.mu.Unlock()
		d.who.keys, d.who.verify = keys, trust.VerifyChain
	}
}

// identity implements relay.Config.Identity.
func (w *identified) identity() (relay.Identity, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keys == nil {
		if err := w.read(); err != nil {
			return relay.Identity{}, err
		}
	}
	return relay.Identity{Certificate: w.keys.Certificate(), Verify: w.verify}, nil
}

// read reads keys and trust of an agent that may be running. A key to which the relay
// has changed meanwhile is for the agent to follow.
func (w *identified) read() error {
	a := w.cfg.Agent
	dir := a.KeysDir
	if _, err := os.Stat(filepath.Join(dir, "keys.json")); errors.Is(err, fs.ErrNotExist) {
		return mft.Fail(mft.CodeConfig, "read the keys in", dir, errors.New("there are none: start the agent once, which makes them"))
	}
	keys, err := identity.LoadOrCreate(dir, a.Name, time.Now())
	if err != nil {
		return err
	}
	peers, err := pairing.Configured(w.cfg)
	if err != nil {
		return err
	}
	trust, err := identity.ReadTrust(filepath.Join(a.DataDir, "peers.json"), peers)
	if err != nil {
		return err
	}
	w.keys, w.verify = keys, func(chain []*x509.Certificate, now time.Time) (mft.AgentName, error) {
		const op = "verify key of the relay"
		name := mft.AgentName(chain[0].Subject.CommonName)
		pin, err := identity.PinOf(chain[0].PublicKey)
		if err != nil {
			return "", mft.Fail(mft.CodeUntrusted, op, string(name), err)
		}
		if _, known := trust.Peer(name); !known {
			return "", mft.Fail(mft.CodeUnknownPeer, op, string(name), nil)
		}
		if !trust.Trusts(name, pin, now) {
			return "", mft.Fail(mft.CodeUntrusted, op, string(name), errors.New("key "+string(pin)+" is not pinned for it; if the relay has a new one, the agent follows when it runs"))
		}
		return name, nil
	}
	return nil
}

func (d *Depot) openRelay(cfg *config.Config) error {
	x := cfg.Exchange.Relay
	d.who = &identified{cfg: cfg}
	var addresses []string
	for _, a := range x.Address {
		addresses = append(addresses, string(a))
	}
	r, err := relay.New(relay.Config{Agent: d.agent, Relay: mft.AgentName(x.Agent), Addresses: addresses, Identity: d.who.identity})
	if err != nil {
		return err
	}
	exchange := r.Exchange()
	d.Exchange, d.Name = &exchange, "relay "+string(x.Agent)+" at "+strings.Join(addresses, ", ")
	d.does = does{
		setup: func(ctx context.Context) ([]Step, error) {
			if _, err := r.Place(ctx); err != nil {
				return nil, err
			}
			return []Step{{"place at the relay " + string(x.Agent), "nothing (the relay has one for each agent that it serves)"}}, nil
		},
		check: func(ctx context.Context, peer mft.AgentName) []Finding {
			var out []Finding
			for _, f := range r.Check(ctx, peer) {
				out = append(out, Finding{OK: f.OK, What: f.What, Says: f.Result, Remedy: f.Remedy})
			}
			return out
		},
		close: r.Close,
	}
	return nil
}
