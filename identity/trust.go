package identity

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

// Trust is the set of peers and their pinned keys: those of the
// configuration, and over them what pairing, rotation and the operator added.
// Every change is on stable storage when the call that made it returns. Trust
// is safe for concurrent use.
type Trust struct {
	path       string
	configured map[mft.AgentName]Peer // never changes

	mu    sync.RWMutex
	kept  keptPeers              // what the file holds
	peers map[mft.AgentName]Peer // both together, follows from the other two
	// shown holds public keys that verified peers have shown and the file
	// does not hold yet. A pin is only a hash.
	shown map[Pin]ed25519.PublicKey
}

// OpenTrust reads the peers file at path, which need not exist, and lays it
// over the peers of the configuration. Of a configured peer the pins in the
// configuration have the last word: a key from the file counts only if one of
// them vouched for it. What the file learned of a peer that was configured
// and no longer is, is forgotten.
//
// Errors are *mft.Error values: mft.CodeConfig when a configured peer is not
// usable or others can write the file, mft.CodeCorrupt when the file cannot
// be understood, and else the code of the file system.
func OpenTrust(path string, configured []Peer) (*Trust, error) {
	t := &Trust{path: path, configured: map[mft.AgentName]Peer{}, shown: map[Pin]ed25519.PublicKey{}}
	for _, p := range configured {
		if err := p.check(); err != nil {
			return nil, mft.Fail(mft.CodeConfig, "read configured peer", string(p.Name), err)
		}
		if _, twice := t.configured[p.Name]; twice {
			return nil, mft.Fail(mft.CodeConfig, "read configured peer", string(p.Name), errors.New("it is there twice"))
		}
		t.configured[p.Name] = p.clone()
	}
	kept, err := readPeers(path)
	if err != nil {
		return nil, err
	}
	before := len(kept.peers)
	maps.DeleteFunc(kept.peers, func(name mft.AgentName, p Peer) bool {
		_, still := t.configured[name]
		return p.Configured && !still
	})
	if len(kept.peers) != before {
		return t, t.keep(kept)
	}
	t.adopt(kept)
	return t, nil
}

// keep makes kept durable and then current. The caller holds mu, or nobody
// else knows t yet.
func (t *Trust) keep(kept keptPeers) error {
	for name, p := range kept.peers {
		kept.peers[name] = t.withKeys(p)
	}
	if err := writePeers(t.path, kept); err != nil {
		return err
	}
	t.adopt(kept)
	return nil
}

func (t *Trust) adopt(kept keptPeers) {
	t.kept = kept
	t.peers = merge(t.configured, kept.peers)
}

// withKeys returns p with the public keys that are known from elsewhere.
func (t *Trust) withKeys(p Peer) Peer {
	p = p.clone()
	for i := range p.Pins {
		if len(p.Pins[i].Key) == 0 {
			p.Pins[i].Key = t.shown[p.Pins[i].Pin]
		}
	}
	return p
}

// Peer returns what is known of the agent called name.
func (t *Trust) Peer(name mft.AgentName) (Peer, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	p, ok := t.peers[name]
	return t.withKeys(p), ok
}

// List returns every peer, by name.
func (t *Trust) List() []Peer {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := make([]Peer, 0, len(t.peers))
	for _, p := range t.peers {
		out = append(out, t.withKeys(p))
	}
	slices.SortFunc(out, func(a, b Peer) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return out
}

// Add makes a peer known, as the operator's decision: keys that were removed
// before are trusted again if p pins them. A peer that is known already must
// be added with a key that is pinned for it and was not replaced; then the pins
// stay, and address, sealing key and grants are replaced by those that p has.
// Errors: mft.CodeUntrusted when the name is known with other keys or the key
// under another name, mft.CodeConfig when p is not well formed.
func (t *Trust) Add(p Peer) error {
	if err := p.check(); err != nil {
		return mft.Fail(mft.CodeConfig, "add peer", string(p.Name), err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, other := range t.peers {
		if name != p.Name && other.sharesPin(p) {
			return mft.Fail(mft.CodeUntrusted, "add peer", string(p.Name),
				fmt.Errorf("its key is that of peer %q; an agent has one name", name))
		}
	}
	next := t.kept.clone()
	known, exists := t.peers[p.Name]
	if exists {
		if !known.pinsCurrent(p) {
			return mft.Fail(mft.CodeUntrusted, "add peer", string(p.Name),
				errors.New("a peer of this name is pinned with another key; remove it first"))
		}
		next.peers[p.Name] = t.overlay(p.Name).renewed(p)
		return t.keep(next)
	}
	for _, k := range p.Pins {
		delete(next.removed, k.Pin)
	}
	p = p.clone()
	p.Configured = false
	for i := range p.Pins {
		p.Pins[i].Source, p.Pins[i].By = SourceInvite, ""
	}
	next.peers[p.Name] = p
	return t.keep(next)
}

// overlay returns what the file holds or would begin to hold of a peer.
func (t *Trust) overlay(name mft.AgentName) Peer {
	if p, ok := t.kept.peers[name]; ok {
		return p.clone()
	}
	return Peer{Name: name, Configured: true}
}

// Remove forgets the peer called name and remembers its keys as removed, so
// that no chain brings them back. Errors: mft.CodeUnknownPeer, and
// mft.CodeConfig for a peer that stands in the configuration.
func (t *Trust) Remove(name mft.AgentName) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, ok := t.peers[name]
	if !ok {
		return mft.Fail(mft.CodeUnknownPeer, "remove peer", string(name), nil)
	}
	if p.Configured {
		return mft.Fail(mft.CodeConfig, "remove peer", string(name),
			errors.New("it stands in the configuration; take it out there"))
	}
	next := t.kept.clone()
	delete(next.peers, name)
	for _, k := range p.Pins {
		next.removed[k.Pin] = true
	}
	return t.keep(next)
}

// Allow replaces what pairing or an earlier Allow granted the peer called
// name: into which directories of this host it may send files, from which it
// may ask for files, and whether it may remove files from the former. Directories are absolute. Grants that the
// configuration makes are not touched. Errors: mft.CodeUnknownPeer,
// mft.CodeBadPath.
func (t *Trust) Allow(name mft.AgentName, filesInto, requestsRoot []string, remove bool) error {
	if err := checkGrants(filesInto, requestsRoot); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.peers[name]; !ok {
		return mft.Fail(mft.CodeUnknownPeer, "allow peer", string(name), nil)
	}
	p := t.overlay(name)
	p.FilesInto, p.RequestsRoot = slices.Clone(filesInto), slices.Clone(requestsRoot)
	p.AllowDelete = remove
	next := t.kept.clone()
	next.peers[name] = p
	return t.keep(next)
}

// Verify checks that e was signed by a key that is pinned for e.Sender and
// valid at now. It does not look at the recipient or the times of e. Errors:
// mft.CodeUnknownPeer, mft.CodeBadSigned.
func (t *Trust) Verify(e *protocol.Envelope, now time.Time) error {
	const op = "verify message of"
	t.mu.RLock()
	peer, ok := t.peers[e.Sender]
	key, found := t.keyOf(peer, e.KeyID, now)
	t.mu.RUnlock()
	switch {
	case !ok:
		return mft.Fail(mft.CodeUnknownPeer, op, string(e.Sender), nil)
	case !found:
		return mft.Fail(mft.CodeBadSigned, op, string(e.Sender), fmt.Errorf("key %x is not pinned for it", e.KeyID))
	case len(key) != ed25519.PublicKeySize:
		return mft.Fail(mft.CodeBadSigned, op, string(e.Sender), fmt.Errorf("it has never shown key %x", e.KeyID))
	case !ed25519.Verify(key, e.SigningBytes(), e.Signature):
		return mft.Fail(mft.CodeBadSigned, op, string(e.Sender), nil)
	}
	return nil
}

// keyOf finds the pinned key with this id. Its public half may not be known.
func (t *Trust) keyOf(p Peer, id [16]byte, now time.Time) (key ed25519.PublicKey, found bool) {
	for _, k := range p.Pins {
		if k.Pin.KeyID() != id || expired(k.Until, now) {
			continue
		}
		if len(k.Key) != 0 {
			return k.Key, true
		}
		return t.shown[k.Pin], true
	}
	return nil, false
}

// Trusts reports whether the key with this pin is pinned for the peer called
// name and valid at now.
func (t *Trust) Trusts(name mft.AgentName, pin Pin, now time.Time) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	k := t.peers[name].find(pin)
	return k != nil && !expired(k.Until, now)
}
