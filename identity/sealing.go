package identity

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"mft.dev/mft"
)

// sealingLabel begins what is signed, so that no other signature of the same
// key can be taken for a statement.
const sealingLabel = "mft sealing key v1\x00"

// The layout of a statement: version (1 byte, 1), created (8 bytes, seconds
// since the Unix epoch, big endian), the X25519 public key (32 bytes), the
// Ed25519 signature (64 bytes) over label, length of the name (1 byte), name,
// and the bytes before the signature.
const (
	sealingVersion = 1
	sealingSigned  = 1 + 8 + 32
	sealingSize    = sealingSigned + ed25519.SignatureSize
)

// A SealingKey is a peer's public key for what is sealed to it.
type SealingKey struct {
	Public  *ecdh.PublicKey // X25519
	Created time.Time
}

func sealingMessage(name mft.AgentName, statement []byte) []byte {
	m := append([]byte(sealingLabel), byte(len(name)))
	m = append(m, name...)
	return append(m, statement[:sealingSigned]...)
}

func stateSealing(name mft.AgentName, public *ecdh.PublicKey, created time.Time, signer signingKey) ([]byte, error) {
	s := append(make([]byte, 0, sealingSize), sealingVersion)
	s = binary.BigEndian.AppendUint64(s, uint64(created.Unix()))
	s = append(s, public.Bytes()...)
	if len(s) != sealingSigned {
		return nil, fmt.Errorf("a sealing key of %d bytes is not an X25519 key", len(public.Bytes()))
	}
	return append(s, signer.sign(sealingMessage(name, s))...), nil
}

// ParseSealing reads the statement by which the agent called name hands out
// its sealing key, and checks that signer signed it. The error has code
// mft.CodeProtocol or mft.CodeBadSigned.
func ParseSealing(statement []byte, name mft.AgentName, signer ed25519.PublicKey) (SealingKey, error) {
	if len(statement) != sealingSize || statement[0] != sealingVersion {
		return SealingKey{}, mft.Fail(mft.CodeProtocol, "read sealing key of", string(name),
			errors.New("it is not a statement of version 1"))
	}
	if len(signer) != ed25519.PublicKeySize ||
		!ed25519.Verify(signer, sealingMessage(name, statement), statement[sealingSigned:]) {
		return SealingKey{}, mft.Fail(mft.CodeBadSigned, "read sealing key of", string(name), nil)
	}
	public, err := ecdh.X25519().NewPublicKey(statement[9:sealingSigned])
	if err != nil {
		return SealingKey{}, mft.Fail(mft.CodeProtocol, "read sealing key of", string(name), err)
	}
	created := time.Unix(int64(binary.BigEndian.Uint64(statement[1:9])), 0).UTC()
	return SealingKey{Public: public, Created: created}, nil
}
