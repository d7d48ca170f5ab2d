package identity

import (
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

// A Holder has the private keys of an agent and uses them: in this process, a
// *keyring.Keeper, or in one of its own. Its methods are called concurrently.
type Holder interface {
	// SignEnvelope signs what an envelope is signed over, SignHandshake what proves
	// an end of a TLS connection.
	SignEnvelope(key [16]byte, message []byte) ([]byte, error)
	SignHandshake(key [16]byte, message []byte) ([]byte, error)
	// Unseal opens what was sealed to one of the keys.
	Unseal(id sealing.ID, label string, sealed []byte) ([]byte, error)
	// Rotate replaces the keys; those before expire at end.
	Rotate(now, end time.Time) (keyring.Public, error)
}

// Keys are an agent's own keys: one current signing key, one current sealing
// key, and those they replaced until their overlap has passed. Keys is safe
// for concurrent use.
type Keys struct {
	name   mft.AgentName
	holder Holder

	mu     sync.RWMutex
	public keyring.Public
	// pins are those of public.Signing, sealingPins those of public.Sealing.
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
		if err = keyring.Create(KeysFile(dir), name, now); err == nil {
			k, err = Load(dir, name, now)
		}
	}
	return k, err
}

// KeysFile is the file in dir that holds the keys.
func KeysFile(dir string) string { return filepath.Join(dir, "keys.json") }

// Load reads the keys as LoadOrCreate does. When there are none it fails with
// mft.CodeNotFound, and makes nothing.
func Load(dir string, name mft.AgentName, now time.Time) (*Keys, error) {
	keeper, err := keyring.Open(KeysFile(dir), name, now)
	if err != nil {
		return nil, err
	}
	return Held(name, keeper, keeper.Public())
}

// Held returns the keys that holder has, of which public is known.
func Held(name mft.AgentName, holder Holder, public keyring.Public) (*Keys, error) {
	k := &Keys{name: name, holder: holder}
	return k, k.use(public)
}

// use makes public the keys of the agent. The caller holds mu, or nobody else
// knows k yet.
func (k *Keys) use(public keyring.Public) error {
	signing, seal, err := public.Keys()
	var pins []Pin
	for _, key := range append(signing, seal...) {
		var pin Pin
		if err == nil {
			pin, err = PinOf(key)
		}
		pins = append(pins, pin)
	}
	if err != nil {
		return mft.Fail(mft.CodeInternal, "use keys", string(k.name), err)
	}
	k.public, k.pins, k.sealingPins = public, pins[:len(signing)], pins[len(signing):]
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

// SignAs signs what an envelope is signed over with the signing key called keyID,
// which may be one that was replaced, until it expires: a connection that was
// authenticated with a key is carried on with it. The error has code
// mft.CodeUntrusted, or that of the holder of the keys.
func (k *Keys) SignAs(keyID [16]byte, message []byte, now time.Time) ([]byte, error) {
	if !k.has(keyID, now) {
		return nil, mft.Fail(mft.CodeUntrusted, "sign", fmt.Sprintf("%x", keyID),
			errors.New("this agent no longer has that key"))
	}
	return k.holder.SignEnvelope(keyID, message)
}

func (k *Keys) has(keyID [16]byte, now time.Time) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for i, key := range k.public.Signing {
		if k.pins[i].KeyID() == keyID && !expired(key.Expires, now) {
			return true
		}
	}
	return false
}

// Certificate returns the certificate that the agent shows on control
// connections, with the chain by which its earlier keys vouch for it. The
// caller must not change what it points to.
func (k *Keys) Certificate() *tls.Certificate {
	k.mu.RLock()
	defer k.mu.RUnlock()
	current, id := k.public.Signing[0], k.pins[0].KeyID()
	return &tls.Certificate{Certificate: current.Chain, PrivateKey: keyring.Signer{
		Key: current.Key, Handshake: func(m []byte) ([]byte, error) { return k.holder.SignHandshake(id, m) },
	}}
}

// Sealing returns the statement that hands the current sealing key to peers,
// see package sealing.
func (k *Keys) Sealing() []byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return append([]byte(nil), k.public.Sealing[0].Statement...)
}

// Unseal opens what was sealed to one of the agent's keys, current or replaced.
// The error has code mft.CodeUntrusted when there is no such key (any more), or
// that of the holder of the keys.
func (k *Keys) Unseal(id sealing.ID, label string, sealed []byte) ([]byte, error) {
	return k.holder.Unseal(id, label, sealed)
}

// List returns the signing keys, then the sealing keys, each with the current
// one first and those it replaced after it.
func (k *Keys) List() []KeyInfo {
	k.mu.RLock()
	defer k.mu.RUnlock()
	var out []KeyInfo
	for i, key := range k.public.Signing {
		out = append(out, KeyInfo{Pin: k.pins[i], Role: RoleSigning, Created: key.Created, Expires: key.Expires})
	}
	for i, key := range k.public.Sealing {
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
	next, err := k.holder.Rotate(now, now.Add(overlap))
	if err != nil {
		return err
	}
	return k.use(next)
}

func expired(end, now time.Time) bool { return !end.IsZero() && !now.Before(end) }
