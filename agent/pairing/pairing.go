// Package pairing is what one agent knows of others and they of it: its keys,
// the peers that it trusts, what each may do here, invitations, and the
// connections that are kept up.
//
// [Open] reads keys and trust store, [Pairing.Use] gives it the link that was
// made with them, and [Pairing.Run] keeps a connection to every peer and tells
// when one comes or goes. The other methods are the orders of an operator.
//
// The package refuses to grant anything that neither the configuration nor an
// operator's order says, and leaves all proofs to package identity.
package pairing

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/identity"
	"mft.dev/mft/link"
)

// Config is what a Pairing is made from; every field must be set but Keep and
// Listening.
type Config struct {
	Config *config.Config
	Log    *slog.Logger
	Now    func() time.Time
	// Event writes an event of a peer into the journal.
	Event func(context.Context, mft.Event)
	// Up is told when a connection to a peer has come up.
	Up func(mft.AgentName)
	// Keep reports whether a connection to a peer is to be kept up; nil for every
	// peer.
	Keep func(mft.AgentName) bool
	// Keys opens the keys in a directory; nil is identity.LoadOrCreate.
	Keys func(dir string, name mft.AgentName, now time.Time) (*identity.Keys, error)
	// Listening is where the agent really listens if that is not what the
	// configuration says; empty otherwise.
	Listening string
}

// A Pairing is one agent among its peers. Methods may be called concurrently.
type Pairing struct {
	c       Config
	keys    *identity.Keys
	trust   *identity.Trust
	invites *identity.Invites
	link    *link.Link
	changed chan struct{} // has a value when the link's peers are to be looked at

	mu      sync.Mutex      // guards what follows
	life    context.Context //nolint:containedctx // that of Run while it runs
	keepers map[mft.AgentName]context.CancelFunc
	hands   sync.WaitGroup // keepers; added to under mu while life is set
}

// Open reads the keys and the trust store, and makes keys when there are none.
// Errors: those of identity.LoadOrCreate and identity.OpenTrust, and
// mft.CodeConfig for a pin that cannot be read.
func Open(c Config) (*Pairing, error) {
	p := &Pairing{c: c, changed: make(chan struct{}, 1), keepers: map[mft.AgentName]context.CancelFunc{}}
	conf := c.Config
	var err error
	keys := c.Keys
	if keys == nil {
		keys = identity.LoadOrCreate
	}
	if p.keys, err = keys(KeysDir(conf), conf.Agent.Name, c.Now()); err != nil {
		return nil, err
	}
	configured, err := Configured(conf)
	if err != nil {
		return nil, err
	}
	if p.trust, err = identity.OpenTrust(TrustFile(conf), configured); err != nil {
		return nil, err
	}
	p.invites = identity.NewInvites(p.keys)
	return p, nil
}

// Configured returns the peers that a configuration pins. The error is
// mft.CodeConfig for a pin that cannot be read.
func Configured(conf *config.Config) ([]identity.Peer, error) {
	var out []identity.Peer
	for name, cp := range conf.Peers {
		peer := identity.Peer{Name: name, Address: cp.Address, Configured: true}
		for _, s := range cp.Pins {
			pin, err := identity.ParsePin(s)
			if err != nil {
				return nil, mft.Fail(mft.CodeConfig, "read the pin of peer", string(name), err)
			}
			peer.Pins = append(peer.Pins, identity.PinnedKey{Pin: pin, Source: identity.SourceConfig})
		}
		out = append(out, peer)
	}
	return out, nil
}

// Stored returns what Keys would of the agent that has this configuration, which
// need not run. CodeNotFound says that it has none: it makes them when it starts.
func Stored(conf *config.Config, now time.Time) ([]identity.KeyInfo, error) {
	keys, err := identity.Load(KeysDir(conf), conf.Agent.Name, now)
	if err != nil {
		return nil, err
	}
	return signing(keys), nil
}

// TrustFile is where an agent keeps whom it has paired with.
func TrustFile(conf *config.Config) string { return filepath.Join(conf.Agent.DataDir, "peers.json") }

// KeysDir is where an agent keeps its keys.
func KeysDir(conf *config.Config) string {
	if conf.Agent.KeysDir != "" {
		return conf.Agent.KeysDir
	}
	return filepath.Join(conf.Agent.DataDir, "keys")
}

// Use gives the Pairing its link: one made from c, whose Name, Keys, Trust,
// Invites, Address, Joined, Rotated, Changed, Log and Now it fills in. It returns
// the link.
func (p *Pairing) Use(c link.Config) *link.Link {
	c.Name, c.Keys, c.Trust, c.Invites = p.c.Config.Agent.Name, p.keys, p.trust, p.invites
	c.Address, c.Joined, c.Rotated, c.Log, c.Now = p.Address(), p.joined, p.rotated, p.c.Log, p.c.Now
	c.Changed = func() {
		select {
		case p.changed <- struct{}{}:
		default: // somebody is about to look
		}
	}
	p.link = link.New(c)
	return p.link
}

// Address is where peers are told to dial.
func (p *Pairing) Address() string {
	switch {
	case p.c.Config.Agent.Address != "":
		return p.c.Config.Agent.Address
	case p.c.Listening != "":
		return p.c.Listening
	}
	return p.c.Config.Agent.Listen
}

// reachable is the address to put into an invitation: the name of this host
// stands for "any".
func (p *Pairing) reachable() string {
	host, port, err := net.SplitHostPort(p.Address())
	if err != nil {
		return p.Address()
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		if name, err := os.Hostname(); err == nil {
			host = name
		}
	}
	return net.JoinHostPort(host, port)
}

// Run keeps a connection to every peer up and tells when one comes or goes,
// until ctx ends.
func (p *Pairing) Run(ctx context.Context) {
	p.mu.Lock()
	p.life = ctx
	p.mu.Unlock()
	for _, peer := range p.trust.List() {
		p.keep(peer.Name)
	}
	p.observe(ctx)
	p.mu.Lock()
	p.life = nil
	p.mu.Unlock()
	p.hands.Wait()
}

// observe looks at the connections whenever one has come or gone.
func (p *Pairing) observe(ctx context.Context) {
	up := map[mft.AgentName]time.Time{}
	for {
		for _, l := range p.link.Peers() {
			since, was := up[l.Name]
			switch {
			case l.Connected && (!was || !since.Equal(l.Since)):
				up[l.Name] = l.Since
				p.c.Event(ctx, mft.Event{Kind: mft.EventLinkUp, Peer: l.Name, Detail: l.Remote})
				p.c.Up(l.Name)
			case !l.Connected && was:
				delete(up, l.Name)
				reason := mft.ReasonOf(l.LastError)
				p.c.Event(ctx, mft.Event{Kind: mft.EventLinkDown, Peer: l.Name, Code: reason.Code, Detail: reason.Detail})
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-p.changed:
		}
	}
}

// keep keeps a connection to peer up for as long as Run runs, if one is wanted.
func (p *Pairing) keep(peer mft.AgentName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life == nil || (p.c.Keep != nil && !p.c.Keep(peer)) {
		return
	}
	if stop := p.keepers[peer]; stop != nil {
		stop() // its address may have changed
	}
	ctx, stop := context.WithCancel(p.life)
	p.keepers[peer] = stop
	p.hands.Go(func() {
		defer stop()
		if err := p.link.Keep(ctx, peer); err != nil && ctx.Err() == nil {
			p.c.Log.Debug("no connection is kept up", "peer", peer, "err", err)
		}
	})
}

// joined welcomes a new peer.
func (p *Pairing) joined(peer identity.Peer) {
	p.c.Event(context.Background(), mft.Event{Kind: mft.EventPeerAdded, Peer: peer.Name, Detail: peer.Address})
	p.keep(peer.Name)
}

// rotated tells of a peer that has a new key.
func (p *Pairing) rotated(peer mft.AgentName, pin identity.Pin) {
	p.c.Event(context.Background(), mft.Event{Kind: mft.EventKeyRotated, Peer: peer, Detail: string(pin)})
}

// Invite makes an invitation by which one agent can pair with this one, once,
// within identity.InviteLife. Address is where the guest reaches this host;
// empty stands for the configured address. Errors: those of Invites.NewInvite,
// and mft.CodeBadPath.
func (p *Pairing) Invite(address string, g Grant) (identity.Invite, error) {
	if address == "" {
		address = p.reachable()
	}
	files, requests, err := g.directories()
	if err != nil {
		return identity.Invite{}, err
	}
	return p.invites.NewInvite(p.c.Now(), identity.Terms{Address: address, FilesInto: files, RequestsRoot: requests, AllowDelete: g.Delete})
}

// A Grant is what an operator allows a peer: to send files into one directory,
// and if Delete is set to have its mirrors remove files there, and to ask for
// files of another. An empty directory grants nothing.
type Grant struct {
	FilesInto, RequestsRoot string
	Delete                  bool
}

// directories checks what is to be granted.
func (g Grant) directories() (files, requests []string, err error) {
	for _, d := range []struct {
		dir string
		to  *[]string
	}{{g.FilesInto, &files}, {g.RequestsRoot, &requests}} {
		if d.dir == "" {
			continue
		}
		if !filepath.IsAbs(d.dir) {
			return nil, nil, mft.Fail(mft.CodeBadPath, "allow", d.dir, errors.New("the path is not absolute"))
		}
		*d.to = []string{filepath.Clean(d.dir)}
	}
	return files, requests, nil
}

// Join accepts an invitation: it pairs with the agent that made it and grants
// that agent what g says, as Invite does. Errors: those of link.Join and
// mft.CodeBadPath.
func (p *Pairing) Join(ctx context.Context, line string, g Grant) (Peer, error) {
	invite, err := identity.ParseInvite(line)
	if err != nil {
		return Peer{}, err
	}
	files, requests, err := g.directories()
	if err != nil {
		return Peer{}, err
	}
	peer, err := p.link.Join(ctx, invite, identity.Peer{FilesInto: files, RequestsRoot: requests, AllowDelete: g.Delete})
	if err != nil {
		return Peer{}, err
	}
	p.joined(peer)
	return p.Peer(peer.Name)
}

// AllowPeer replaces what pairing allowed a peer; what the configuration grants
// is not touched. Errors: those of identity.Trust.Allow.
func (p *Pairing) AllowPeer(name mft.AgentName, g Grant) error {
	files, requests, err := g.directories()
	if err != nil {
		return err
	}
	return p.trust.Allow(name, files, requests, g.Delete)
}

// Remove forgets a peer: its keys, its connections, what it was allowed.
// Errors: those of identity.Trust.Remove.
func (p *Pairing) Remove(ctx context.Context, name mft.AgentName) error {
	if err := p.trust.Remove(name); err != nil {
		return err
	}
	p.mu.Lock()
	if stop := p.keepers[name]; stop != nil {
		stop()
		delete(p.keepers, name)
	}
	p.mu.Unlock()
	p.link.Drop(name)
	p.c.Event(ctx, mft.Event{Kind: mft.EventPeerRemoved, Peer: name})
	return nil
}
