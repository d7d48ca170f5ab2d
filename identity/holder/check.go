package holder

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

// What is signed in a handshake of TLS 1.3, RFC 8446 section 4.4.3: 64 blanks, who
// signs, a zero, and the hash of the handshake so far, by SHA-256 or SHA-384.
const blanks = 64

var contexts = [...]string{"TLS 1.3, server CertificateVerify\x00", "TLS 1.3, client CertificateVerify\x00"}

// letterLabel is the label of what is sealed to an agent: see package
// exchange/letter.
const letterLabel = "mft/2 letter"

// CheckHandshake refuses what is not signed in a handshake.
func CheckHandshake(message []byte) error {
	rest, ok := bytes.CutPrefix(message, bytes.Repeat([]byte{' '}, blanks))
	if !ok {
		return errors.New("it is not from a handshake of TLS 1.3")
	}
	for _, c := range contexts {
		if hash, ok := bytes.CutPrefix(rest, []byte(c)); ok && (len(hash) == 32 || len(hash) == 48) {
			return nil
		}
	}
	return errors.New("it is not the proof of an end of a handshake")
}

// checkEnvelope refuses what is not an envelope of the agent called name that
// names the key.
func checkEnvelope(message []byte, name mft.AgentName, key [16]byte) error {
	e, err := parseSigned(message)
	switch {
	case err != nil:
		return err
	case e.Sender != name:
		return fmt.Errorf("it is an envelope of %q", e.Sender)
	case e.KeyID != protocol.KeyID(key):
		return errors.New("it names another key than is to sign it")
	}
	return nil
}

// parseSigned reads what protocol.Envelope.SigningBytes returned.
func parseSigned(message []byte) (*protocol.Envelope, error) {
	signed, ok := bytes.CutPrefix(message, []byte(protocol.SigningLabel))
	if !ok {
		return nil, errors.New("it has not the label of an envelope")
	}
	var none protocol.Envelope
	unsigned := protocol.AppendEnvelope(nil, &none)[len(none.SigningBytes())-len(protocol.SigningLabel):]
	e, err := protocol.ParseEnvelope(slices.Concat(signed, unsigned))
	if err == nil && !bytes.Equal(e.SigningBytes(), message) {
		err = errors.New("an envelope is not written like this")
	}
	return e, err
}

// checkLetter refuses to open what is not a letter.
func checkLetter(label string) error {
	if label != letterLabel {
		return fmt.Errorf("%.40q is no label of a letter", label)
	}
	return nil
}
