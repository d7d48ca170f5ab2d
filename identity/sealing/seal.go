package sealing

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/sha256"
	"errors"

	"mft.dev/mft"
)

// An ID says which key something is sealed to: the first 8 bytes of the
// SHA-256 over the X25519 public key.
type ID [8]byte

// IDOf returns the id of a key.
func IDOf(public *ecdh.PublicKey) ID {
	sum := sha256.Sum256(public.Bytes())
	return ID(sum[:])
}

// Overhead is how many bytes Seal adds.
const Overhead = 32 + 16

// Seal encrypts plaintext so that only the holder of the private key reads it:
// HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and
// AES-256-GCM. The same label must be given to Open; it is not encrypted. Who
// sealed it, Seal does not say: what is inside has to be signed.
func Seal(to *ecdh.PublicKey, label string, plaintext []byte) ([]byte, error) {
	public, err := hpke.NewDHKEMPublicKey(to)
	if err != nil {
		return nil, mft.Fail(mft.CodeUntrusted, "seal to", "", err)
	}
	return hpke.Seal(public, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(label), plaintext)
}

// Open decrypts what Seal made. The error has code mft.CodeCorrupt and says
// nothing of why.
func Open(key *ecdh.PrivateKey, label string, sealed []byte) ([]byte, error) {
	private, err := hpke.NewDHKEMPrivateKey(key)
	if err == nil {
		var plain []byte
		if plain, err = hpke.Open(private, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(label), sealed); err == nil {
			return plain, nil
		}
	}
	return nil, mft.Fail(mft.CodeCorrupt, "open what is sealed", "", errors.New("it is not sealed to this key, or was changed"))
}
