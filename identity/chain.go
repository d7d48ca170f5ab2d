package identity

import (
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity/keyring"
)

// A shownKey is one link of a chain: a key, and that the next one signed its
// certificate.
type shownKey struct {
	pin Pin
	key ed25519.PublicKey
}

// ErrBroken is in the error of a chain that no agent shows: it was damaged, or put
// together of parts, and says nothing of whose it is.
var ErrBroken = errors.New("the certificates do not fit each other")

// readChain checks the form of a chain, the signatures along it, and returns
// the name that all certificates bear and their keys, the peer's own first.
func readChain(chain []*x509.Certificate) (mft.AgentName, []shownKey, error) {
	if len(chain) == 0 || len(chain) > keyring.MaxChain {
		return "", nil, fmt.Errorf("%d certificates were shown, 1 to %d are allowed", len(chain), keyring.MaxChain)
	}
	name, err := mft.ParseAgentName(chain[0].Subject.CommonName)
	if err != nil {
		return "", nil, err
	}
	var keys []shownKey
	for i, c := range chain {
		key, ok := c.PublicKey.(ed25519.PublicKey)
		if !ok {
			return "", nil, errors.New("a certificate is not for an Ed25519 key")
		}
		if c.Subject.CommonName != string(name) || !slices.Equal(c.DNSNames, []string{string(name)}) {
			return "", nil, errors.New("the certificates do not all bear the same single name")
		}
		pin, err := PinOf(key)
		if err != nil {
			return "", nil, err
		}
		keys = append(keys, shownKey{pin, key})
		if i == 0 {
			continue
		}
		vouched := chain[i-1]
		if err := c.CheckSignature(vouched.SignatureAlgorithm, vouched.RawTBSCertificate, vouched.Signature); err != nil {
			return "", nil, fmt.Errorf("certificate %d was not signed by the next: %w", i, err)
		}
	}
	return name, keys, nil
}

// judge decides whether peer may show keys, the first of which is its own and
// each vouched for by the next. It returns by, the pinned key that vouches
// for the first, empty when the first is itself pinned. It is a pure
// function.
//
// Only a key without an end vouches. Whoever steals a key that was replaced
// can thus not lead those away who have followed to its successor. And a key
// that is known to be over, or was removed, stays so whatever vouches for it.
func judge(peer Peer, removed func(Pin) bool, keys []shownKey, now time.Time) (by Pin, err error) {
	for i, k := range keys {
		if removed(k.pin) {
			return "", fmt.Errorf("key %s was removed here", k.pin)
		}
		known := peer.find(k.pin)
		switch {
		case known == nil:
			continue
		case expired(known.Until, now):
			return "", fmt.Errorf("key %s was replaced and is no longer valid", k.pin)
		case i == 0:
			return "", nil
		case !known.Until.IsZero():
			return "", fmt.Errorf("key %s was replaced already and cannot vouch for %s", k.pin, keys[0].pin)
		}
		return k.pin, nil
	}
	return "", fmt.Errorf("key %s is not pinned, nor vouched for by one that is", keys[0].pin)
}

// VerifyChain checks the certificates that a peer showed, its own first, and
// returns the peer's name. The key of the first must be pinned for the name
// in it, or a key that is pinned and was not replaced must vouch for it
// through the chain; then the new key is pinned durably and the old one ends
// after DefaultOverlap. Errors: mft.CodeUnknownPeer, mft.CodeUntrusted, and
// the code of the file system when a new key cannot be kept.
func (t *Trust) VerifyChain(chain []*x509.Certificate, now time.Time) (mft.AgentName, error) {
	const op = "verify key of peer"
	name, keys, err := readChain(chain)
	if err != nil {
		return "", mft.Fail(mft.CodeUntrusted, op, string(name), fmt.Errorf("%w: %w", ErrBroken, err))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	peer, ok := t.peers[name]
	if !ok {
		return "", mft.Fail(mft.CodeUnknownPeer, op, string(name), nil)
	}
	by, err := judge(peer, t.removed, keys, now)
	if err != nil {
		return "", mft.Fail(mft.CodeUntrusted, op, string(name), err)
	}
	if by != "" {
		if err := t.follow(name, keys[0], by, now); err != nil {
			return "", err
		}
	}
	if k := t.peers[name].find(keys[0].pin); len(k.Key) == 0 {
		t.shown[k.Pin] = keys[0].key
	}
	return name, nil
}

// removed reports whether a key was removed and not pinned again since. What
// the configuration pins is pinned whatever was removed before.
func (t *Trust) removed(pin Pin) bool {
	if !t.kept.removed[pin] {
		return false
	}
	for _, p := range t.configured {
		if p.find(pin) != nil {
			return false
		}
	}
	return true
}

// follow pins key for the peer called name on the word of the pinned key by,
// which ends.
func (t *Trust) follow(name mft.AgentName, key shownKey, by Pin, now time.Time) error {
	p := t.overlay(name)
	if p.find(by) == nil { // known from the configuration only
		p.Pins = append(p.Pins, *t.peers[name].find(by))
	}
	if len(p.Pins) >= maxPins {
		p.Pins = prune(p.Pins, now)
	}
	if len(p.Pins) >= maxPins {
		return mft.Fail(mft.CodeUntrusted, "follow rotation of peer", string(name),
			fmt.Errorf("it has replaced its key %d times within %v", maxPins, DefaultOverlap))
	}
	p.find(by).Until = now.Add(DefaultOverlap).UTC()
	p.Pins = append(p.Pins, PinnedKey{Pin: key.pin, Since: now.UTC(), Source: SourceRotation, By: by, Key: key.key})
	next := t.kept.clone()
	next.peers[name] = p
	return t.keep(next)
}
