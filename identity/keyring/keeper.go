package keyring

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity/sealing"
)

// A Public is what is known of a ring without its private keys, the current
// ones first.
type Public struct {
	Signing []PublicKey `json:"signing"`
	Sealing []PublicKey `json:"sealing"`
}

// A PublicKey is one key of a ring without its private half.
type PublicKey struct {
	Key       []byte    `json:"key"` // Ed25519 or X25519
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires,omitzero"`
	Chain     [][]byte  `json:"chain,omitempty"`     // of a signing key
	Statement []byte    `json:"statement,omitempty"` // of a sealing key
}

// Public returns what everybody may know of the ring.
func (r Ring) Public() Public {
	var p Public
	for _, k := range r.Signing {
		p.Signing = append(p.Signing, PublicKey{
			Key: k.Private.Public().(ed25519.PublicKey), Created: k.Created, Expires: k.Expires, Chain: k.Chain,
		})
	}
	for _, k := range r.Sealing {
		p.Sealing = append(p.Sealing, PublicKey{
			Key: k.Private.PublicKey().Bytes(), Created: k.Created, Expires: k.Expires, Statement: k.Statement,
		})
	}
	return p
}

// Keys returns the public keys themselves: at least one of each kind.
func (p Public) Keys() (signing, seal []crypto.PublicKey, err error) {
	if len(p.Signing) == 0 || len(p.Sealing) == 0 {
		return nil, nil, errors.New("a key is missing")
	}
	for _, k := range p.Signing {
		if len(k.Key) != ed25519.PublicKeySize || len(k.Chain) == 0 || len(k.Chain) > MaxChain {
			return nil, nil, errors.New("a signing key is not one of Ed25519 with its certificates")
		}
		signing = append(signing, ed25519.PublicKey(k.Key))
	}
	for _, k := range p.Sealing {
		key, err := ecdh.X25519().NewPublicKey(k.Key)
		if err != nil || len(k.Statement) != sealing.Size {
			return nil, nil, errors.New("a sealing key is not one of X25519 with its statement")
		}
		seal = append(seal, key)
	}
	return signing, seal, nil
}

// A Signer proves that an end of a TLS connection has a key, which may be in
// another process. It implements crypto.Signer.
type Signer struct {
	Key       ed25519.PublicKey
	Handshake func(message []byte) ([]byte, error)
}

// Public implements crypto.Signer.
func (s Signer) Public() crypto.PublicKey { return s.Key }

// Sign implements crypto.Signer: it signs whole messages, as Ed25519 does.
func (s Signer) Sign(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != 0 {
		return nil, mft.Fail(mft.CodeInternal, "sign", "", errors.New("an Ed25519 key signs no digests"))
	}
	return s.Handshake(message)
}

// KeyID returns the short form of a signing key's pin: the first 16 bytes of the
// SHA-256 over its SubjectPublicKeyInfo.
func KeyID(key ed25519.PublicKey) (id [16]byte, err error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	sum := sha256.Sum256(der)
	copy(id[:], sum[:])
	return id, err
}

// A Keeper uses the private keys of one agent. Its methods may be called
// concurrently.
type Keeper struct {
	name mft.AgentName
	path string

	mu   sync.RWMutex // guards ring
	ring Ring
}

// Create makes the first keys of the agent called name and the file at path that
// holds them, which is on stable storage when it returns.
func Create(path string, name mft.AgentName, now time.Time) error {
	ring, err := New(name, now)
	if err != nil {
		return mft.Fail(mft.CodeInternal, "make keys", string(name), err)
	}
	return Write(path, name, ring)
}

// Open reads the keys at path as Read does, without those that have expired at
// now.
func Open(path string, name mft.AgentName, now time.Time) (*Keeper, error) {
	ring, err := Read(path, name)
	if err != nil {
		return nil, err
	}
	return &Keeper{name: name, path: path, ring: ring.Without(now)}, nil
}

// Public returns what everybody may know of the keys.
func (k *Keeper) Public() Public {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.ring.Public()
}

// Path is the file that holds them.
func (k *Keeper) Path() string { return k.path }

// SignEnvelope signs what an envelope is signed over.
func (k *Keeper) SignEnvelope(key [16]byte, message []byte) ([]byte, error) {
	return k.sign(key, message)
}

// SignHandshake signs what proves to the other end of a TLS connection that the
// key is there.
func (k *Keeper) SignHandshake(key [16]byte, message []byte) ([]byte, error) {
	return k.sign(key, message)
}

func (k *Keeper) sign(key [16]byte, message []byte) ([]byte, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, s := range k.ring.Signing {
		if id, err := KeyID(s.Private.Public().(ed25519.PublicKey)); err == nil && id == key {
			return ed25519.Sign(s.Private, message), nil
		}
	}
	return nil, mft.Fail(mft.CodeUntrusted, "sign", fmt.Sprintf("%x", key), errors.New("this agent no longer has that key"))
}

// Unseal opens what was sealed to one of the keys.
func (k *Keeper) Unseal(id sealing.ID, label string, sealed []byte) ([]byte, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.ring.Unseal(id, label, sealed)
}

// Rotate replaces the keys; those before expire at end. The new ones are on
// stable storage when it returns them.
func (k *Keeper) Rotate(now, end time.Time) (Public, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	next, err := k.ring.Rotated(k.name, now, end)
	if err != nil {
		return Public{}, mft.Fail(mft.CodeInternal, "rotate keys", string(k.name), err)
	}
	if err := Write(k.path, k.name, next); err != nil {
		return Public{}, err
	}
	k.ring = next
	return next.Public(), nil
}
