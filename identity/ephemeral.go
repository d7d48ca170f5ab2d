package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"time"
)

// EphemeralCertificate makes a key and a certificate for the data connections
// of one attempt, and returns with them the SHA-256 fingerprint of the
// certificate's DER. The certificate names nobody; whoever is told the
// fingerprint in a signed envelope accepts exactly this certificate and looks
// at nothing else in it. The key is never stored.
func EphemeralCertificate(now time.Time) (tls.Certificate, [32]byte, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return tls.Certificate{}, [32]byte{}, fmt.Errorf("making a key for data connections: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, [32]byte{}, fmt.Errorf("choosing a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		NotBefore:    now.Add(-10 * time.Minute),
		NotAfter:     now.Add(10 * time.Minute),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return tls.Certificate{}, [32]byte{}, fmt.Errorf("making a certificate for data connections: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, Fingerprint(der), nil
}

// Fingerprint returns the fingerprint of a certificate in DER.
func Fingerprint(der []byte) [32]byte { return sha256.Sum256(der) }
