package identity

import (
	"crypto"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity/keyring"
	"mft.dev/mft/identity/sealing"
	"mft.dev/mft/identity/statefile"
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
	ring keyring.Ring
	// pins are those of ring.Signing, sealingPins those of ring.Sealing.
	pins, sealingPins []Pin
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
	if err := statefile.MakePrivateDir(dir); err != nil {
		return nil, err
	}
	k, err := Load(dir, name, now)
	if mft.CodeOf(err) == mft.CodeNotFound {
		if err = create(filepath.Join(dir, keysFile), name, now); err == nil {
			k, err = Load(dir, name, now)
		}
	}
	return k, err
}

// keysFile holds the keys, in their directory.
const keysFile = "keys.json"

// Load reads the keys as LoadOrCreate does. When there are none it fails with
// mft.CodeNotFound, and makes nothing.
func Load(dir string, name mft.AgentName, now time.Time) (*Keys, error) {
	k := &Keys{name: name, path: filepath.Join(dir, keysFile)}
	ring, err := keyring.Read(k.path, name)
	if err != nil {
		return nil, err
	}
	return k, k.use(ring.Without(now))
}

// create makes the first keys of an agent and the file that holds them.
func create(path string, name mft.AgentName, now time.Time) error {
	ring, err := keyring.New(name, now)
	if err != nil {
		return mft.Fail(mft.CodeInternal, "make keys", string(name), err)
	}
	return keyring.Write(path, name, ring)
}

// use makes ring the keys of the agent. The caller holds mu, or nobody else
// knows k yet.
func (k *Keys) use(ring keyring.Ring) error {
	var pins, sealingPins []Pin
	var public []crypto.PublicKey
	for _, key := range ring.Signing {
		public = append(public, key.Private.Public())
	}
	for _, key := range ring.Sealing {
		public = append(public, key.Private.Public())
	}
	for i, key := range public {
		pin, err := PinOf(key)
		if err != nil {
			return mft.Fail(mft.CodeInternal, "use keys", string(k.name), err)
		}
		if i < len(ring.Signing) {
			pins = append(pins, pin)
		} else {
			sealingPins = append(sealingPins, pin)
		}
	}
	k.ring, k.pins, k.sealingPins = ring, pins, sealingPins
	return nil
}

// Name returns the name of the agent.
func (k *Keys) Name() mft.AgentName { return k.name }

// Pin returns the pin of the current signing key.
func (k *Keys) Pin() Pin {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.pins[0]
}

// KeyID returns the short form of Pin that stands in envelopes.
func (k *Keys) KeyID() [16]byte { return k.Pin().KeyID() }

// Sign signs message with the current signing key (Ed25519). Whoever calls
// sees to it that the message begins with a label of its own kind.
func (k *Keys) Sign(message []byte) (keyID [16]byte, signature []byte) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.pins[0].KeyID(), ed25519.Sign(k.ring.Signing[0].Private, message)
}

// SignAs signs message with the signing key called keyID, which may be one
// that was replaced, until it expires: a connection that was authenticated
// with a key is carried on with it. The error has code mft.CodeUntrusted.
func (k *Keys) SignAs(keyID [16]byte, message []byte, now time.Time) ([]byte, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for i, key := range k.ring.Signing {
		if k.pins[i].KeyID() == keyID && !expired(key.Expires, now) {
			return ed25519.Sign(key.Private, message), nil
		}
	}
	return nil, mft.Fail(mft.CodeUntrusted, "sign", fmt.Sprintf("%x", keyID),
		errors.New("this agent no longer has that key"))
}

// Certificate returns the certificate that the agent shows on control
// connections, with the chain by which its earlier keys vouch for it. The
// caller must not change what it points to.
func (k *Keys) Certificate() *tls.Certificate {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return &tls.Certificate{Certificate: k.ring.Signing[0].Chain, PrivateKey: k.ring.Signing[0].Private}
}

// Sealing returns the statement that hands the current sealing key to peers,
// see package sealing.
func (k *Keys) Sealing() []byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return append([]byte(nil), k.ring.Sealing[0].Statement...)
}

// Unseal opens what was sealed to one of the agent's keys, current or replaced.
// The error has code mft.CodeUntrusted when there is no such key (any more).
func (k *Keys) Unseal(id sealing.ID, label string, sealed []byte) ([]byte, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.ring.Unseal(id, label, sealed)
}

// List returns the signing keys, then the sealing keys, each with the current
// one first and those it replaced after it.
func (k *Keys) List() []KeyInfo {
	k.mu.RLock()
	defer k.mu.RUnlock()
	var out []KeyInfo
	for i, key := range k.ring.Signing {
		out = append(out, KeyInfo{Pin: k.pins[i], Role: RoleSigning, Created: key.Created, Expires: key.Expires})
	}
	for i, key := range k.ring.Sealing {
		out = append(out, KeyInfo{Pin: k.sealingPins[i], Role: RoleSealing, Created: key.Created, Expires: key.Expires})
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
	next, err := k.ring.Rotated(k.name, now, now.Add(overlap))
	if err != nil {
		return mft.Fail(mft.CodeInternal, "rotate keys", string(k.name), err)
	}
	if err := keyring.Write(k.path, k.name, next); err != nil {
		return err
	}
	return k.use(next)
}

func expired(end, now time.Time) bool { return !end.IsZero() && !now.Before(end) }
