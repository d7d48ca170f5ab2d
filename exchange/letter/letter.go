// Package letter makes of a signed message what may lie in a queue that
// strangers read, and back: the message is sealed to its recipient, so that
// only its size can be seen from outside.
//
//	body, err := letter.Seal(envelope, key)
//	envelope, err := letter.Open(body, keys)
//
// Open proves that the letter was sealed to this agent, and nothing of who wrote
// it: verify the signature of the envelope next.
package letter

import (
	"encoding/base64"
	"errors"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/identity/sealing"
	"mft.dev/mft/protocol"
)

// label ties what is sealed to its purpose.
const label = "mft/1 letter"

// version of the layout: version (1 byte), id of the recipient's key (8 bytes),
// the sealed envelope; all of it in base64, since some queues carry only text.
const version = 1

const headSize = 1 + len(sealing.ID{})

// maxEnvelope is the longest envelope that fits a letter.
var maxEnvelope = base64.RawStdEncoding.DecodedLen(exchange.MaxLetter) - headSize - sealing.Overhead

// Seal returns the body of a letter that carries e, sealed to the key that its
// recipient has stated. CodeTooLarge says that e does not fit: its paths are too
// long for an exchange.
func Seal(e *protocol.Envelope, to sealing.Key) ([]byte, error) {
	plain := protocol.AppendEnvelope(nil, e)
	if len(plain) > maxEnvelope {
		return nil, mft.Fail(mft.CodeTooLarge, "seal letter to", string(e.Recipient),
			fmt.Errorf("the %v has %d bytes, and %d fit a letter: its paths are too long", e.Kind, len(plain), maxEnvelope))
	}
	sealed, err := sealing.Seal(to.Public, label, plain)
	if err != nil {
		return nil, err
	}
	id := sealing.IDOf(to.Public)
	raw := append(append([]byte{version}, id[:]...), sealed...)
	return base64.RawStdEncoding.AppendEncode(nil, raw), nil
}

// An Unsealer has private keys. *identity.Keys is one.
type Unsealer interface {
	Unseal(id sealing.ID, label string, sealed []byte) ([]byte, error)
}

// Open returns the envelope in a letter. Errors: CodeProtocol for what is no
// letter, CodeVersion for one of another version, CodeUntrusted when it is
// sealed to another key, CodeCorrupt when it was changed.
func Open(body []byte, keys Unsealer) (*protocol.Envelope, error) {
	malformed := func(why string) error {
		return mft.Fail(mft.CodeProtocol, "open letter", "", errors.New(why))
	}
	if len(body) > exchange.MaxLetter {
		return nil, malformed(fmt.Sprintf("it has %d bytes, and %d are allowed", len(body), exchange.MaxLetter))
	}
	raw, err := base64.RawStdEncoding.Strict().DecodeString(string(body))
	switch {
	case err != nil:
		return nil, malformed("it is not base64")
	case len(raw) < headSize:
		return nil, malformed("it is too short")
	case raw[0] != version:
		return nil, mft.Fail(mft.CodeVersion, "open letter", "", fmt.Errorf("it has version %d, and this end reads %d", raw[0], version))
	}
	plain, err := keys.Unseal(sealing.ID(raw[1:headSize]), label, raw[headSize:])
	if err != nil {
		return nil, err
	}
	return protocol.ParseEnvelope(plain)
}
