// Package keyring makes, stores and replaces an agent's own keys: what package
// identity signs with. Make a [Ring] with [New] or read it with [Read], and
// [Write] it when it has changed.
//
// It decides nothing about trust, and never lets a private key into an error.
package keyring

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity/sealing"
)

// MaxChain bounds the certificates that an agent shows and accepts: its own
// and those of the last three keys it had before.
const MaxChain = 4

// A Ring holds an agent's keys, the current ones first. It is a value: changes
// make a new one.
type Ring struct {
	Signing []Signing
	Sealing []Sealing
}

// A Signing is a key that signs, with its certificates.
type Signing struct {
	Private ed25519.PrivateKey
	Created time.Time
	Expires time.Time // zero while it is the current one
	// Chain are certificates in DER: its own, then those by which earlier
	// keys vouch for it.
	Chain [][]byte
}

// A Sealing is a key that others seal to, with the statement that says so.
type Sealing struct {
	Private   *ecdh.PrivateKey // X25519
	Created   time.Time
	Expires   time.Time
	Statement []byte // see package sealing
}

// Unseal opens what was sealed to one of the keys, see [sealing.Open]. The
// error has code mft.CodeUntrusted when there is no such key.
func (r Ring) Unseal(id sealing.ID, label string, sealed []byte) ([]byte, error) {
	for _, key := range r.Sealing {
		if sealing.IDOf(key.Private.PublicKey()) == id {
			return sealing.Open(key.Private, label, sealed)
		}
	}
	return nil, mft.Fail(mft.CodeUntrusted, "open what is sealed", "", errors.New("it is sealed to a key that this agent does not have, or no longer"))
}

// New makes the first keys of the agent called name.
func New(name mft.AgentName, now time.Time) (Ring, error) {
	return Ring{}.Rotated(name, now, time.Time{})
}

// Rotated returns the ring with new keys in front, whose predecessors expire
// at end, and without keys that have expired at now.
func (r Ring) Rotated(name mft.AgentName, now, end time.Time) (Ring, error) {
	var replaces *Signing
	if len(r.Signing) > 0 {
		replaces = &r.Signing[0]
	}
	signing, err := newSigning(name, now, replaces)
	if err != nil {
		return Ring{}, err
	}
	seal, err := newSealing(name, now, signing.Private)
	if err != nil {
		return Ring{}, err
	}
	next := Ring{
		Signing: append([]Signing{signing}, r.Signing...),
		Sealing: append([]Sealing{seal}, r.Sealing...),
	}
	if replaces != nil {
		next.Signing[1].Expires, next.Sealing[1].Expires = end, end
	}
	return next.Without(now), nil
}

// Without leaves out the keys that have expired at now. The current ones
// never do.
func (r Ring) Without(now time.Time) Ring {
	over := func(end time.Time) bool { return !end.IsZero() && !now.Before(end) }
	return Ring{
		Signing: slices.DeleteFunc(slices.Clone(r.Signing), func(k Signing) bool { return over(k.Expires) }),
		Sealing: slices.DeleteFunc(slices.Clone(r.Sealing), func(k Sealing) bool { return over(k.Expires) }),
	}
}

// newSigning makes a key. Its certificate is issued by the key it replaces,
// and the certificates of that one follow, so that a peer that pinned an
// older key sees it vouch for the new one.
func newSigning(name mft.AgentName, now time.Time, replaces *Signing) (Signing, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Signing{}, fmt.Errorf("making a signing key: %w", err)
	}
	template, err := agentTemplate(name, now)
	if err != nil {
		return Signing{}, err
	}
	key := Signing{Private: private, Created: now.UTC().Truncate(time.Second)}
	issuer, issuerKey := template, private
	if replaces != nil {
		if issuer, err = x509.ParseCertificate(replaces.Chain[0]); err != nil {
			return Signing{}, fmt.Errorf("reading the certificate of the old key: %w", err)
		}
		issuerKey = replaces.Private
		key.Chain = replaces.Chain[:min(len(replaces.Chain), MaxChain-1)]
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, public, issuerKey)
	if err != nil {
		return Signing{}, fmt.Errorf("making a certificate: %w", err)
	}
	key.Chain = append([][]byte{der}, key.Chain...)
	return key, nil
}

// noEnd is the date that RFC 5280, 4.1.2.5, gives to certificates without a
// well-defined end. Pins end by the trust store, not by the certificate.
func noEnd() time.Time { return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) }

func agentTemplate(name mft.AgentName, now time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("choosing a serial number: %w", err)
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: string(name)},
		DNSNames:     []string{string(name)},
		// A day early, for peers whose clocks are behind.
		NotBefore:             now.Add(-24 * time.Hour),
		NotAfter:              noEnd(),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		IsCA:                  true, // of its successor only: see identity.Trust
	}, nil
}

func newSealing(name mft.AgentName, now time.Time, signer ed25519.PrivateKey) (Sealing, error) {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return Sealing{}, fmt.Errorf("making a sealing key: %w", err)
	}
	key := Sealing{Private: private, Created: now.UTC().Truncate(time.Second)}
	key.Statement, err = sealing.State(name, private.PublicKey(), key.Created, signer)
	return key, err
}

// check reports what is wrong with a ring that was read from a file.
func (r Ring) check(name mft.AgentName) error {
	if len(r.Signing) == 0 || len(r.Sealing) == 0 {
		return errors.New("a key is missing")
	}
	for i, key := range r.Signing {
		if (i == 0) != key.Expires.IsZero() {
			return errors.New("not exactly the first signing key is current")
		}
		if err := key.check(name); err != nil {
			return err
		}
	}
	for i, key := range r.Sealing {
		if (i == 0) != key.Expires.IsZero() {
			return errors.New("not exactly the first sealing key is current")
		}
	}
	return nil
}

func (s Signing) check(name mft.AgentName) error {
	if len(s.Chain) == 0 || len(s.Chain) > MaxChain {
		return fmt.Errorf("a signing key has %d certificates", len(s.Chain))
	}
	leaf, err := x509.ParseCertificate(s.Chain[0])
	if err != nil {
		return fmt.Errorf("reading a certificate: %w", err)
	}
	if !s.Private.Public().(ed25519.PublicKey).Equal(leaf.PublicKey) || leaf.Subject.CommonName != string(name) {
		return errors.New("a certificate does not belong to its key")
	}
	return nil
}
