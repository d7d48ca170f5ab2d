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
// signing key that vouches for it. When trust has verified a card it knows the keys
// on it, so that what they sign can be verified.
//
// Whoever owns the storage can damage a card, but make a whole one only with a key.
// So the error has mft.CodeCorrupt for what is no card, or that of another agent, or
// has a signature that does not fit: the agent of that name has not made it like
// this, and it says nothing of its keys. A whole card that is not believed has the
// code of identity.Trust.VerifyChain: mft.CodeUntrusted when its key is not pinned,
// was replaced or was removed.
func Read(b []byte, name mft.AgentName, trust *identity.Trust, now time.Time) (sealing.Key, identity.Pin, error) {
	damaged := func(why error) (sealing.Key, identity.Pin, error) {
		return sealing.Key{}, "", mft.Fail(mft.CodeCorrupt, "read card of", string(name), why)
	}
	chain, statement, err := parse(b)
	if err != nil {
		return damaged(err)
	}
	key, ok := chain[0].PublicKey.(ed25519.PublicKey)
	if !ok {
		return damaged(errors.New("its key is not of Ed25519"))
	}
	if other := chain[0].Subject.CommonName; other != string(name) {
		return damaged(fmt.Errorf("it is that of %q", other))
	}
	_, disbelief := trust.VerifyChain(chain, now)
	if errors.Is(disbelief, identity.ErrBroken) {
		return damaged(errors.Unwrap(disbelief))
	}
	stated, err := sealing.Parse(statement, name, key)
	if err != nil {
		return damaged(err)
	}
	if disbelief != nil {
		return sealing.Key{}, "", disbelief
	}
	pin, err := identity.PinOf(key)
	return stated, pin, err
}

// parse takes a card apart. What it returns proves nothing yet.
func parse(b []byte) (chain []*x509.Certificate, statement []byte, err error) {
	if len(b) < 2 || len(b) > MaxSize || b[0] != version {
		return nil, nil, errors.New("it is not a card of version 1")
	}
	n := int(b[1])
	if n < 1 || n > keyring.MaxChain {
		return nil, nil, fmt.Errorf("it has %d certificates", n)
	}
	b = b[2:]
	for range n {
		if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
			return nil, nil, errors.New("it breaks off")
		}
		end := 2 + int(binary.BigEndian.Uint16(b))
		c, err := x509.ParseCertificate(b[2:end])
		if err != nil {
			return nil, nil, errors.New("a certificate on it cannot be read")
		}
		chain, b = append(chain, c), b[end:]
	}
	return chain, b, nil
}
