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
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/probe"
	"mft.dev/mft/exchange/relay"
	"mft.dev/mft/identity"
	"mft.dev/mft/internal/confine/filesys"
	"mft.dev/mft/internal/durable"
)

// An identified is who this agent is and whom it trusts, for a relay.
type identified struct {
	cfg *config.Config

	mu   sync.Mutex // guards what follows
	keys *identity.Keys
	// copied is a directory with a copy of what is trusted, "" for none.
	copied string
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

// read reads keys and trust of an agent that may be running. To a new key of the
// relay it follows in a copy of its own: what is kept is the agent's to change.
func (w *identified) read() error {
	a := w.cfg.Agent
	keys, err := identity.Load(a.KeysDir, a.Name, time.Now())
	if mft.CodeOf(err) == mft.CodeNotFound {
		return mft.Fail(mft.CodeConfig, "read the keys in", a.KeysDir, errors.New("there are none: start the agent once, which makes them"))
	}
	if err != nil {
		return err
	}
	peers, err := pairing.Configured(w.cfg)
	if err != nil {
		return err
	}
	if w.copied == "" {
		if w.copied, err = os.MkdirTemp("", "mft-peers-"); err != nil {
			return mft.Fail(filesys.CodeFor(err), "make a directory for a copy in", os.TempDir(), filesys.Cause(err))
		}
	}
	kept, copied := pairing.TrustFile(w.cfg), filepath.Join(w.copied, "peers.json")
	if err := copyFile(kept, copied); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return mft.Fail(durable.Code(err), "copy", kept, filesys.Cause(err))
	}
	trust, err := identity.OpenTrust(copied, peers)
	if err == nil {
		w.keys, w.verify = keys, trust.VerifyChain
	}
	return err
}

// copyFile copies a file with its mode, which says whether it is to be believed.
func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(to, content, 0o600), os.Chmod(to, info.Mode().Perm()))
}

// forget removes the copy.
func (w *identified) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.copied != "" {
		_ = os.RemoveAll(w.copied) // it is of no use to anybody
	}
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
	shared := r.Exchange()
	d.Exchange, d.Name = &shared, "relay "+string(x.Agent)+" at "+strings.Join(addresses, ", ")
	d.does = does{
		setup: func(ctx context.Context) ([]exchange.Step, error) {
			if _, err := r.Place(ctx); err != nil {
				return nil, err
			}
			return []exchange.Step{{What: "place at the relay " + string(x.Agent), Done: "nothing (the relay has one for each agent that it serves)"}}, nil
		},
		check: func(ctx context.Context, peer mft.AgentName) []probe.Finding {
			var out []probe.Finding
			for _, f := range r.Check(ctx, peer) {
				out = append(out, probe.Finding{OK: f.OK, What: f.What, Says: f.Result, Remedy: f.Remedy})
			}
			return out
		},
		close: func() { r.Close(); d.who.forget() },
	}
	return nil
}
