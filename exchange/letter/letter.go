// Package letter makes of a signed message what may lie in a queue that
// strangers read, and back: the message is sealed to its recipient, so that
// only its size, and for how many keys it is, can be seen from outside.
//
//	body, err := letter.Seal(envelope, key)
//	envelope, err := letter.Open(body, keys)
//
// Several agents may share one name and one queue. What is for whoever of them
// takes it first is sealed to the keys of all, what is for one of them to its key
// alone; to the others Open then says [ErrOtherKey].
//
// Open proves that the letter was sealed to this agent, and nothing of who wrote
// it: verify the signature of the envelope next.
package letter

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/identity/sealing"
	"mft.dev/mft/protocol"
)

// label ties what is sealed to its purpose.
const label = "mft/2 letter"

// The layout: version (1 byte), number of keys (1 byte), for each the id of the
// recipient's key (8 bytes) and, sealed to it, the key of the content; then the
// envelope, encrypted with that key by AES-256-GCM under a nonce of zeros, since
// the key is used once; what stands before is authenticated with it. All of it in
// base64, as some queues carry only text.
const (
	version  = 2
	keySize  = 32
	slotSize = len(sealing.ID{}) + keySize + sealing.Overhead
	tagSize  = 16
)

// MaxKeys is the most keys that a letter is sealed to.
const MaxKeys = 4

// ErrOtherKey says that a letter is sealed to keys that this agent does not have.
// It is the cause of an error of code CodeUntrusted.
var ErrOtherKey = errors.New("it is sealed to another key")

// maxEnvelope returns the longest envelope that fits a letter to n keys.
func maxEnvelope(n int) int {
	return base64.RawStdEncoding.DecodedLen(exchange.MaxLetter) - 2 - n*slotSize - tagSize
}

// Seal returns the body of a letter that carries e, sealed to 1 to MaxKeys keys
// of its recipient. CodeTooLarge says that e does not fit: its paths are too
// long for an exchange.
func Seal(e *protocol.Envelope, to ...sealing.Key) ([]byte, error) {
	const op = "seal letter to"
	if len(to) < 1 || len(to) > MaxKeys {
		return nil, mft.Fail(mft.CodeUsage, op, string(e.Recipient), fmt.Errorf("it has %d keys, want 1 to %d", len(to), MaxKeys))
	}
	plain := protocol.AppendEnvelope(nil, e)
	if most := maxEnvelope(len(to)); len(plain) > most {
		return nil, mft.Fail(mft.CodeTooLarge, op, string(e.Recipient),
			fmt.Errorf("the %v has %d bytes, and %d fit a letter: its paths are too long", e.Kind, len(plain), most))
	}
	var key [keySize]byte
	if _, err := rand.Read(key[:]); err != nil {
		return nil, mft.Fail(mft.CodeInternal, op, string(e.Recipient), err)
	}
	raw := []byte{version, byte(len(to))}
	for _, k := range to {
		sealed, err := sealing.Seal(k.Public, label, key[:])
		if err != nil {
			return nil, err
		}
		id := sealing.IDOf(k.Public)
		raw = append(append(raw, id[:]...), sealed...)
	}
	content, err := newContent(key[:])
	if err != nil {
		return nil, err
	}
	raw = content.Seal(raw, make([]byte, content.NonceSize()), plain, raw)
	return base64.RawStdEncoding.AppendEncode(nil, raw), nil
}

func newContent(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, mft.Fail(mft.CodeInternal, "prepare", "a cipher", err)
	}
	return cipher.NewGCM(block)
}

// An Unsealer has private keys. *identity.Keys is one.
type Unsealer interface {
	Unseal(id sealing.ID, label string, sealed []byte) ([]byte, error)
}

// Open returns the envelope in a letter. Errors: CodeProtocol for what is no
// letter, CodeVersion for one of another version, CodeUntrusted when it is
// sealed to other keys, CodeCorrupt when it was changed.
func Open(body []byte, keys Unsealer) (*protocol.Envelope, error) {
	const op = "open letter"
	malformed := func(why string) error { return mft.Fail(mft.CodeProtocol, op, "", errors.New(why)) }
	if len(body) > exchange.MaxLetter {
		return nil, malformed(fmt.Sprintf("it has %d bytes, and %d are allowed", len(body), exchange.MaxLetter))
	}
	raw, err := base64.RawStdEncoding.Strict().DecodeString(string(body))
	switch {
	case err != nil:
		return nil, malformed("it is not base64")
	case len(raw) < 2:
		return nil, malformed("it is too short")
	case raw[0] != version:
		return nil, mft.Fail(mft.CodeVersion, op, "", fmt.Errorf("it has version %d, and this end reads %d", raw[0], version))
	case raw[1] < 1 || raw[1] > MaxKeys:
		return nil, malformed(fmt.Sprintf("it is sealed to %d keys, 1 to %d are allowed", raw[1], MaxKeys))
	}
	head := 2 + int(raw[1])*slotSize
	if len(raw) < head+tagSize {
		return nil, malformed("it is too short")
	}
	key, err := unseal(raw[2:head], keys)
	if err != nil {
		return nil, err
	}
	content, err := newContent(key)
	if err != nil {
		return nil, err
	}
	plain, err := content.Open(nil, make([]byte, content.NonceSize()), raw[head:], raw[:head])
	if err != nil {
		return nil, mft.Fail(mft.CodeCorrupt, op, "", nil)
	}
	return protocol.ParseEnvelope(plain)
}

// unseal returns the key of the content, which one of the slots holds for one of
// the keys of this agent.
func unseal(slots []byte, keys Unsealer) ([]byte, error) {
	const op = "open letter"
	for ; len(slots) > 0; slots = slots[slotSize:] {
		id, sealed := sealing.ID(slots), slots[len(sealing.ID{}):slotSize]
		key, err := keys.Unseal(id, label, sealed)
		if mft.CodeOf(err) == mft.CodeUntrusted {
			continue
		}
		if err == nil && len(key) != keySize {
			err = mft.Fail(mft.CodeProtocol, op, "", errors.New("the key of its content is of another size"))
		}
		return key, err
	}
	return nil, mft.Fail(mft.CodeUntrusted, op, "", ErrOtherKey)
}
