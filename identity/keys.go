package identity

import (
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"mft.dev/mft"
)

// DefaultOverlap is how long a key that was replaced stays valid.
const DefaultOverlap = 30 * 24 * time.Hour

// KeyRole is what a key is for.
type KeyRole string

// The roles of an agent's keys.
const (
	RoleSigning KeyRole = "signing" // Ed25519: certificates and envelopes
	RoleSealing KeyRole = "sealing" // X25519: what is sent through a store is sealed to it
)

// KeyInfo describes one of an agent's own keys, without the private half.
type KeyInfo struct {
	Pin     Pin
	Role    KeyRole
	Created time.Time
	// Expires is when a key that was replaced stops being valid; zero for
	// the current one.
	Expires time.Time
}

// Current reports whether the key has not been replaced.
func (i KeyInfo) Current() bool { return i.Expires.IsZero() }

// Keys are an agent's own keys: one current signing key, one current sealing
// key, and those they replaced until their overlap has passed. Keys is safe
// for concurrent use.
type Keys struct {
	name mft.AgentName
	path string

	mu   sync.RWMutex
	ring keyRing
}

// LoadOrCreate reads the keys of the agent called name from the directory
// dir, which is made (mode 0700) if need be. When there are none it makes
// them and returns once they are on stable storage. Keys whose overlap has
// passed at now are left out.
//
// Errors are *mft.Error values: mft.CodeConfig when the keys are those of
// another agent or other users of the host could read or replace them,
// mft.CodeCorrupt when they cannot be understood, and else the code of the
// file system.
func LoadOrCreate(dir string, name mft.AgentName, now time.Time) (*Keys, error) {
	if _, err := mft.ParseAgentName(string(name)); err != nil {
		return nil, err
	}
	if err := makePrivateDir(dir); err != nil {
		return nil, mft.Fail(fileCode(err), "open keys directory", dir, err)
	}
	k := &Keys{name: name, path: filepath.Join(dir, "keys.json")}
	ring, found, err := readRing(k.path, name)
	if err != nil {
		return nil, err
	}
	if found {
		k.ring = ring.without(now)
		return k, nil
	}
	if k.ring, err = newRing(name, now); err != nil {
		return nil, mft.Fail(mft.CodeInternal, "make keys", string(name), err)
	}
	return k, writeRing(k.path, name, k.ring)
}

// Name returns the name of the agent.
func (k *Keys) Name() mft.AgentName { return k.name }

func (k *Keys) current() signingKey {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.ring.signing[0]
}

// Pin returns the pin of the current signing key.
func (k *Keys) Pin() Pin { return k.current().pin }

// KeyID returns the short form of Pin that stands in envelopes.
func (k *Keys) KeyID() [16]byte { return k.Pin().KeyID() }

// Sign signs message with the current signing key (Ed25519). Whoever calls
// sees to it that the message begins with a label of its own kind.
func (k *Keys) Sign(message []byte) (keyID [16]byte, signature []byte) {
	key := k.current()
	return key.pin.KeyID(), key.sign(message)
}

// SignAs signs message with the signing key called keyID, which may be one
// that was replaced, until it expires: a connection that was authenticated
// with a key is carried on with it. The error has code mft.CodeUntrusted.
func (k *Keys) SignAs(keyID [16]byte, message []byte, now time.Time) ([]byte, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, key := range k.ring.signing {
		if key.pin.KeyID() == keyID && !expired(key.expires, now) {
			return key.sign(message), nil
		}
	}
	return nil, mft.Fail(mft.CodeUntrusted, "sign", fmt.Sprintf("%x", keyID),
		errors.New("this agent no longer has that key"))
}

// Certificate returns the certificate that the agent shows on control
// connections, with the chain by which its earlier keys vouch for it. The
// caller must not change what it points to.
func (k *Keys) Certificate() *tls.Certificate {
	key := k.current()
	return &tls.Certificate{Certificate: key.chain, PrivateKey: key.private}
}

// Sealing returns the statement that hands the current sealing key to peers,
// see ParseSealing.
func (k *Keys) Sealing() []byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return append([]byte(nil), k.ring.sealing[0].statement...)
}

// List returns the signing keys, then the sealing keys, each with the current
// one first and those it replaced after it.
func (k *Keys) List() []KeyInfo {
	k.mu.RLock()
	defer k.mu.RUnlock()
	var out []KeyInfo
	for _, key := range k.ring.signing {
		out = append(out, KeyInfo{Pin: key.pin, Role: RoleSigning, Created: key.created, Expires: key.expires})
	}
	for _, key := range k.ring.sealing {
		out = append(out, KeyInfo{Pin: key.pin, Role: RoleSealing, Created: key.created, Expires: key.expires})
	}
	return out
}

// Rotate makes a new signing and a new sealing key. The old ones stay valid
// for overlap, or DefaultOverlap when that is zero; keys whose overlap has
// passed are erased from the file. Peers follow when they next connect, as
// long as they do so before the third rotation after the one they know. On
// return of nil the keys are on stable storage; after an error nothing has
// changed. Errors: mft.CodeUsage for a negative overlap, and the code of the
// file system.
func (k *Keys) Rotate(now time.Time, overlap time.Duration) error {
	if overlap < 0 {
		return mft.Fail(mft.CodeUsage, "rotate keys", overlap.String(), errors.New("the overlap is negative"))
	}
	if overlap == 0 {
		overlap = DefaultOverlap
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	next, err := k.ring.rotated(k.name, now, now.Add(overlap))
	if err != nil {
		return mft.Fail(mft.CodeInternal, "rotate keys", string(k.name), err)
	}
	if err := writeRing(k.path, k.name, next); err != nil {
		return err
	}
	k.ring = next
	return nil
}

func expired(end, now time.Time) bool { return !end.IsZero() && !now.Before(end) }
