// Package sealing lays out the statement by which an agent hands out the key
// that others seal to: an X25519 public key, signed by the agent's signing key.
//
// Agents exchange statements when they pair. What goes through an exchange is
// sealed to the key in the peer's statement: see [Seal].
package sealing

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"mft.dev/mft"
)

// label begins what is signed, so that no other signature of the same
// key can be taken for a statement.
const label = "mft sealing key v1\x00"

// The layout of a statement: version (1 byte, 1), created (8 bytes, seconds
// since the Unix epoch, big endian), the X25519 public key (32 bytes), the
// Ed25519 signature (64 bytes) over label, length of the name (1 byte), name,
// and the bytes before the signature.
const (
	version    = 1
	signedSize = 1 + 8 + 32
	Size       = signedSize + ed25519.SignatureSize
)

// A Key is a peer's public key for what is sealed to it.
type Key struct {
	Public  *ecdh.PublicKey // X25519
	Created time.Time
}

func message(name mft.AgentName, statement []byte) []byte {
	m := append([]byte(label), byte(len(name)))
	m = append(m, name...)
	return append(m, statement[:signedSize]...)
}

// State returns the statement that public is the sealing key of the agent
// called name, signed by signer.
func State(name mft.AgentName, public *ecdh.PublicKey, created time.Time, signer ed25519.PrivateKey) ([]byte, error) {
	s := append(make([]byte, 0, Size), version)
	s = binary.BigEndian.AppendUint64(s, uint64(created.Unix()))
	s = append(s, public.Bytes()...)
	if len(s) != signedSize {
		return nil, fmt.Errorf("a sealing key of %d bytes is not an X25519 key", len(public.Bytes()))
	}
	return append(s, ed25519.Sign(signer, message(name, s))...), nil
}

// Parse reads the statement by which the agent called name hands out
// its sealing key, and checks that signer signed it. The error has code
// mft.CodeProtocol or mft.CodeBadSigned.
func Parse(statement []byte, name mft.AgentName, signer ed25519.PublicKey) (Key, error) {
	if len(statement) != Size || statement[0] != version {
		return Key{}, mft.Fail(mft.CodeProtocol, "read sealing key of", string(name),
			errors.New("it is not a statement of version 1"))
	}
	if len(signer) != ed25519.PublicKeySize ||
		!ed25519.Verify(signer, message(name, statement), statement[signedSize:]) {
		return Key{}, mft.Fail(mft.CodeBadSigned, "read sealing key of", string(name), nil)
	}
	public, err := ecdh.X25519().NewPublicKey(statement[9:signedSize])
	if err != nil {
		return Key{}, mft.Fail(mft.CodeProtocol, "read sealing key of", string(name), err)
	}
	created := time.Unix(int64(binary.BigEndian.Uint64(statement[1:9])), 0).UTC()
	return Key{Public: public, Created: created}, nil
}
