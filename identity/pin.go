package identity

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"mft.dev/mft"
)

// pinPrefix names the form, so that another hash can follow without doubt.
const pinPrefix = "mft1:"

// A Pin names a key by its hash: "mft1:" and the unpadded base64url form of
// the SHA-256 of the key's SubjectPublicKeyInfo (RFC 5280) in DER. Only
// values made by ParsePin or by this package are well formed.
type Pin string

// ParsePin checks s and returns it as a pin. It accepts exactly one spelling
// of each pin. The error is an *mft.Error of code mft.CodeBadName.
func ParsePin(s string) (Pin, error) {
	if _, err := pinSum(s); err != nil {
		return "", mft.Fail(mft.CodeBadName, "read pin", s, err)
	}
	return Pin(s), nil
}

func pinSum(s string) (sum [32]byte, err error) {
	text, found := strings.CutPrefix(s, pinPrefix)
	if !found {
		return sum, errors.New(`a pin begins with "` + pinPrefix + `"`)
	}
	if len(text) != base64.RawURLEncoding.EncodedLen(len(sum)) {
		return sum, fmt.Errorf("a pin has 43 characters after the prefix, this has %d", len(text))
	}
	// Strict refuses a last character with stray bits: one pin, one spelling.
	if _, err := base64.RawURLEncoding.Strict().Decode(sum[:], []byte(text)); err != nil {
		return sum, errors.New("a pin is written in letters, digits, - and _")
	}
	return sum, nil
}

// KeyID returns the short form of the pin that stands in envelopes: the first
// 16 bytes of the hash. It is zero for a value that is not well formed.
func (p Pin) KeyID() (id [16]byte) {
	sum, err := pinSum(string(p))
	if err != nil {
		return id
	}
	copy(id[:], sum[:])
	return id
}

// PinOf returns the pin of a public key.
func PinOf(public crypto.PublicKey) (Pin, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("encoding a public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return Pin(pinPrefix + base64.RawURLEncoding.EncodeToString(sum[:])), nil
}
