package identity

import (
	"crypto/tls"
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
type Keys struct{}

// LoadOrCreate reads the keys of the agent called name from the directory
// dir, which is made (mode 0700) if need be. When there are none it makes
// them and returns once they are on stable storage.
//
// Errors are *mft.Error values: mft.CodeConfig when the keys are those of
// another agent or other users of the host could read them, mft.CodeCorrupt
// when they cannot be understood, and else the code of the file system.
func LoadOrCreate(dir string, name mft.AgentName, now time.Time) (*Keys, error) {
	return &Keys{}, nil
}

// Name returns the name of the agent.
func (k *Keys) Name() mft.AgentName { return "" }

// Pin returns the pin of the current signing key.
func (k *Keys) Pin() Pin { return "" }

// KeyID returns the short form of Pin that stands in envelopes.
func (k *Keys) KeyID() [16]byte { return k.Pin().KeyID() }

// Sign signs message with the current signing key (Ed25519). Whoever calls
// sees to it that the message begins with a label of its own kind.
func (k *Keys) Sign(message []byte) (keyID [16]byte, signature []byte) { return [16]byte{}, nil }

// SignAs signs message with the signing key called keyID, which may be one
// that was replaced, until it expires: a connection that was authenticated
// with a key is carried on with it. The error has code mft.CodeUntrusted.
func (k *Keys) SignAs(keyID [16]byte, message []byte, now time.Time) ([]byte, error) {
	return nil, nil
}

// Certificate returns the certificate that the agent shows on control
// connections, with the chain by which its earlier keys vouch for it. The
// caller must not change what it points to.
func (k *Keys) Certificate() *tls.Certificate { return nil }

// Sealing returns the statement that hands the current sealing key to peers:
// see SealingKey.
func (k *Keys) Sealing() []byte { return nil }

// List returns the keys that are valid at now or were when they were loaded,
// the current ones first.
func (k *Keys) List() []KeyInfo { return nil }

// Rotate makes a new signing and a new sealing key. The old ones stay valid
// for overlap, or DefaultOverlap when that is zero. Peers follow when they
// next connect. On return of nil the keys are on stable storage; after an
// error nothing has changed.
func (k *Keys) Rotate(now time.Time, overlap time.Duration) error { return nil }
