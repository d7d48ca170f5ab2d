package pairing

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/link"
)

// A Peer is another agent, the connection to it, and what it may do here by
// the configuration and by pairing together.
type Peer struct {
	identity.Peer
	Link         link.PeerState
	Files        []string // directories that it may send files into
	Removes      []string // those of Files where its mirrors may remove files
	RequestsFrom []string // directories that it may ask for files from
}

// Knows reports whether a peer of that name is trusted.
func (p *Pairing) Knows(name mft.AgentName) bool {
	_, ok := p.trust.Peer(name)
	return ok
}

// FileGrants returns what allows a peer to send files here.
func (p *Pairing) FileGrants(name mft.AgentName) []mft.Grant {
	peer, _ := p.trust.Peer(name)
	return withGrants(p.c.Config.Allow.Files(name), name, peer.FilesInto, peer.AllowDelete)
}

// RequestGrants returns what allows a peer to ask for files of this host.
func (p *Pairing) RequestGrants(name mft.AgentName) []mft.Grant {
	peer, _ := p.trust.Peer(name)
	return withGrants(p.c.Config.Allow.Requests(name), name, peer.RequestsRoot, false)
}

func withGrants(list []mft.Grant, name mft.AgentName, roots []string, remove bool) []mft.Grant {
	for _, root := range roots {
		list = append(list, mft.Grant{Agent: name, Root: filepath.ToSlash(root), AllowDelete: remove})
	}
	return list
}

// Peers returns every known peer, by name.
func (p *Pairing) Peers() []Peer {
	links := map[mft.AgentName]link.PeerState{}
	for _, l := range p.link.Peers() {
		links[l.Name] = l
	}
	var out []Peer
	for _, known := range p.trust.List() {
		peer := Peer{Peer: known, Link: links[known.Name]}
		for _, g := range p.FileGrants(known.Name) {
			peer.Files = append(peer.Files, g.Root)
			if g.AllowDelete {
				peer.Removes = append(peer.Removes, g.Root)
			}
		}
		for _, g := range p.RequestGrants(known.Name) {
			peer.RequestsFrom = append(peer.RequestsFrom, g.Root)
		}
		out = append(out, peer)
	}
	return out
}

// Peer returns one peer. The error is mft.CodeUnknownPeer.
func (p *Pairing) Peer(name mft.AgentName) (Peer, error) {
	for _, peer := range p.Peers() {
		if peer.Name == name {
			return peer, nil
		}
	}
	return Peer{}, mft.Fail(mft.CodeUnknownPeer, "look up peer", string(name), nil)
}

// Identity returns the keys of this agent and whom it trusts, for what signs and
// verifies besides the link.
func (p *Pairing) Identity() (*identity.Keys, *identity.Trust) { return p.keys, p.trust }

// Keys returns the agent's own signing keys, the current one first.
func (p *Pairing) Keys() []identity.KeyInfo { return signing(p.keys) }

func signing(keys *identity.Keys) []identity.KeyInfo {
	var out []identity.KeyInfo
	for _, k := range keys.List() {
		if k.Role == identity.RoleSigning {
			out = append(out, k)
		}
	}
	return out
}

// RotateKey makes a new key; the old one stays valid for overlap, zero for
// identity.DefaultOverlap.
func (p *Pairing) RotateKey(ctx context.Context, overlap time.Duration) error {
	if overlap < 0 {
		return mft.Fail(mft.CodeUsage, "rotate the key", overlap.String(), errors.New("an overlap is not negative"))
	}
	if err := p.keys.Rotate(p.c.Now(), overlap); err != nil {
		return err
	}
	p.c.Event(ctx, mft.Event{Kind: mft.EventKeyRotated, Detail: string(p.keys.Pin())})
	return nil
}
