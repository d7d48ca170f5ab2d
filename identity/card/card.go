// Package card is how an agent shows who it is where nobody can be asked: the
// certificates that it shows on a connection, and the statement of its sealing
// key, in one piece that may lie in storage which strangers write to.
//
// That a card lies somewhere proves nothing. [Read] believes one only when a
// pinned key vouches for it, by the same rules as on a connection.
package card

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/identity/keyring"
	"mft.dev/mft/identity/sealing"
)

// The layout of a card: version (1 byte, 1), number of certificates (1 byte),
// each with its length (2 bytes, big endian) in DER, its own first, and the
// statement of the sealing key, see package sealing.
const (
	version = 1
	// MaxSize is the longest card in bytes.
	MaxSize = 4 << 10
)

// Make returns the card of an agent.
func Make(keys *identity.Keys) []byte {
	chain := keys.Certificate().Certificate
	b := []byte{version, byte(len(chain))}
	for _, der := range chain {
		b = binary.BigEndian.AppendUint16(b, uint16(len(der)))
		b = append(b, der...)
	}
	return append(b, keys.Sealing()...)
}

// Read returns the sealing key on the card of the agent called name, and the
// signing key that vouches for it. When trust
// has verified a card it knows the keys on it, so that what they sign can be
// verified. Errors: CodeProtocol for what is no card, and those of
// identity.Trust.VerifyChain and sealing.Parse.
func Read(b []byte, name mft.AgentName, trust *identity.Trust, now time.Time) (sealing.Key, identity.Pin, error) {
	malformed := func(why string) (sealing.Key, identity.Pin, error) {
		return sealing.Key{}, "", mft.Fail(mft.CodeProtocol, "read card of", string(name), errors.New(why))
	}
	if len(b) < 2 || len(b) > MaxSize || b[0] != version {
		return malformed("it is not a card of version 1")
	}
	n := int(b[1])
	if n < 1 || n > keyring.MaxChain {
		return malformed(fmt.Sprintf("it has %d certificates", n))
	}
	b = b[2:]
	var chain []*x509.Certificate
	for range n {
		if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
			return malformed("it breaks off")
		}
		end := 2 + int(binary.BigEndian.Uint16(b))
		c, err := x509.ParseCertificate(b[2:end])
		if err != nil {
			return malformed("a certificate on it cannot be read")
		}
		chain, b = append(chain, c), b[end:]
	}
	who, err := trust.VerifyChain(chain, now)
	if err != nil {
		return sealing.Key{}, "", err
	}
	if who != name {
		return sealing.Key{}, "", mft.Fail(mft.CodeUntrusted, "read card of", string(name), fmt.Errorf("it is that of %s", who))
	}
	key, ok := chain[0].PublicKey.(ed25519.PublicKey)
	if !ok {
		return malformed("its key is not of Ed25519")
	}
	stated, err := sealing.Parse(b, name, key)
	if err != nil {
		return sealing.Key{}, "", err
	}
	pin, err := identity.PinOf(key)
	return stated, pin, err
}
