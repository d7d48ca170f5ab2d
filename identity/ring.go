package identity

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
)

// maxChain bounds the certificates that an agent shows and accepts: its own
// and those of the last three keys it had before.
const maxChain = 4

// A keyRing holds an agent's keys, the current ones first. It is a value:
// changes make a new one.
type keyRing struct {
	signing []signingKey
	sealing []sealingKey
}

type signingKey struct {
	private ed25519.PrivateKey
	pin     Pin
	created time.Time
	expires time.Time // zero while it is the current one
	chain   [][]byte  // DER, its own certificate first
}

type sealingKey struct {
	private   *ecdh.PrivateKey
	pin       Pin
	created   time.Time
	expires   time.Time
	statement []byte
}

func (s signingKey) sign(message []byte) []byte { return ed25519.Sign(s.private, message) }

func newRing(name mft.AgentName, now time.Time) (keyRing, error) {
	signing, err := newSigningKey(name, now, nil)
	if err != nil {
		return keyRing{}, err
	}
	sealing, err := newSealingKey(name, now, signing)
	if err != nil {
		return keyRing{}, err
	}
	return keyRing{signing: []signingKey{signing}, sealing: []sealingKey{sealing}}, nil
}

// rotated returns the ring with new keys in front, whose predecessors expire
// at end, and without keys that have expired at now.
func (r keyRing) rotated(name mft.AgentName, now, end time.Time) (keyRing, error) {
	old := r.signing[0]
	signing, err := newSigningKey(name, now, &old)
	if err != nil {
		return keyRing{}, err
	}
	sealing, err := newSealingKey(name, now, signing)
	if err != nil {
		return keyRing{}, err
	}
	next := keyRing{
		signing: append([]signingKey{signing}, r.signing...),
		sealing: append([]sealingKey{sealing}, r.sealing...),
	}
	next.signing[1].expires, next.sealing[1].expires = end, end
	return next.without(now), nil
}

// without leaves out the keys that have expired at now. The current ones
// never do.
func (r keyRing) without(now time.Time) keyRing {
	return keyRing{
		signing: slices.DeleteFunc(slices.Clone(r.signing), func(k signingKey) bool { return expired(k.expires, now) }),
		sealing: slices.DeleteFunc(slices.Clone(r.sealing), func(k sealingKey) bool { return expired(k.expires, now) }),
	}
}

// newSigningKey makes a key. Its certificate is issued by the key it replaces,
// and the certificates of that one follow, so that a peer that pinned an
// older key sees it vouch for the new one.
func newSigningKey(name mft.AgentName, now time.Time, replaces *signingKey) (signingKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return signingKey{}, fmt.Errorf("making a signing key: %w", err)
	}
	key := signingKey{private: private, created: now.UTC().Truncate(time.Second)}
	if key.pin, err = PinOf(public); err != nil {
		return signingKey{}, err
	}
	template, err := agentTemplate(name, now)
	if err != nil {
		return signingKey{}, err
	}
	issuer, issuerKey := template, private
	if replaces != nil {
		if issuer, err = x509.ParseCertificate(replaces.chain[0]); err != nil {
			return signingKey{}, fmt.Errorf("reading the certificate of the old key: %w", err)
		}
		issuerKey = replaces.private
		key.chain = replaces.chain[:min(len(replaces.chain), maxChain-1)]
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, public, issuerKey)
	if err != nil {
		return signingKey{}, fmt.Errorf("making a certificate: %w", err)
	}
	key.chain = append([][]byte{der}, key.chain...)
	return key, nil
}

// noEnd is the date that RFC 5280, 4.1.2.5, gives to certificates without a
// well-defined end. Pins end by the trust store, not by the certificate.
func noEnd() time.Time { return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) }

func agentTemplate(name mft.AgentName, now time.Time) (*x509.Certificate, error) {
	serial, err := newSerial()
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
		IsCA:                  true, // of its successor only: see Trust.VerifyChain
	}, err
}

func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("choosing a serial number: %w", err)
	}
	return serial, nil
}

func newSealingKey(name mft.AgentName, now time.Time, signer signingKey) (sealingKey, error) {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return sealingKey{}, fmt.Errorf("making a sealing key: %w", err)
	}
	key := sealingKey{private: private, created: now.UTC().Truncate(time.Second)}
	if key.pin, err = PinOf(private.PublicKey()); err != nil {
		return sealingKey{}, err
	}
	key.statement, err = stateSealing(name, private.PublicKey(), key.created, signer)
	return key, err
}

// check reports what is wrong with a ring that was read from a file.
func (r keyRing) check(name mft.AgentName) error {
	if len(r.signing) == 0 || len(r.sealing) == 0 {
		return errors.New("a key is missing")
	}
	for i, key := range r.signing {
		if (i == 0) != key.expires.IsZero() {
			return errors.New("not exactly the first signing key is current")
		}
		if err := key.check(name); err != nil {
			return err
		}
	}
	for i, key := range r.sealing {
		if (i == 0) != key.expires.IsZero() {
			return errors.New("not exactly the first sealing key is current")
		}
	}
	return nil
}

func (s signingKey) check(name mft.AgentName) error {
	if len(s.chain) == 0 || len(s.chain) > maxChain {
		return fmt.Errorf("a signing key has %d certificates", len(s.chain))
	}
	leaf, err := x509.ParseCertificate(s.chain[0])
	if err != nil {
		return fmt.Errorf("reading a certificate: %w", err)
	}
	if !s.private.Public().(ed25519.PublicKey).Equal(leaf.PublicKey) || leaf.Subject.CommonName != string(name) {
		return errors.New("a certificate does not belong to its key")
	}
	return nil
}
