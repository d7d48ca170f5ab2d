// Package parcel is the form of what lies in a container: one object for one
// transfer, a row of parts that only the recipient can open.
//
// A [Writer] takes a stream of bytes, seals it part by part and hands each to
// be staged as a block, several at once. A [Reader] opens any range of it again,
// fetching the parts that it needs ahead of time. What the bytes mean is for
// packages record and replay.
//
// A part that was changed, moved to another place, cut, or taken from another
// parcel does not open. That parts are missing at the end is for the number of
// parts to show, which travels in a signed letter.
package parcel

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"mft.dev/mft"
)

// The layout of a part: salt (16 bytes), then AES-256-GCM with an all-zero
// nonce under a key of its own, HKDF-SHA256 of the parcel's key with that salt
// and the info "mft/1 part" ‖ transfer (16 bytes) ‖ number (8 bytes, big
// endian). The salt is new whenever a part is sealed, so that no key is used
// twice, also when a part is sealed again after a crash with other content.
const (
	saltSize = 16
	label    = "mft/1 part"
	// Overhead is by how many bytes a sealed part is longer.
	Overhead = saltSize + 16
)

// Limits of a parcel.
const (
	// DefaultPart is the content of a part in bytes, unless the parcel would
	// have more than maxParts of them. It is no less than what may follow on a
	// file without a check, so that going on after an interruption sends at most
	// one part again.
	DefaultPart = 16 << 20
	// MaxPart is the largest content of a part.
	MaxPart = 1 << 30
	// MaxParts is the most parts of a parcel: what a block blob can have.
	MaxParts = 50_000
	// aimParts leaves room for more content than was announced.
	aimParts = 40_000
)

// A Key opens a parcel.
type Key [32]byte

// NewKey returns a new key.
func NewKey() Key {
	var k Key
	rand.Read(k[:])
	return k
}

// PartSize returns the content of a part in bytes for a parcel that is to hold
// about size bytes in a storage that takes so many blocks: whole mebibytes. A
// fifth of the blocks is left for more content than was announced.
func PartSize(size int64, blocks int) int {
	const step = 1 << 20
	aim := int64(max(min(aimParts, blocks/5*4), 1))
	part := (size/aim + step) / step * step
	return int(min(max(part, DefaultPart), MaxPart))
}

// A Form is what both ends must know to read or write a parcel. It is a value,
// safe for concurrent use.
type Form struct {
	Transfer mft.TransferID
	Key      Key
	// Part is the content of every part but the last, in bytes.
	Part int
}

// aead returns the cipher of one part.
func (f *Form) aead(salt []byte, number int) (cipher.AEAD, error) {
	info := binary.BigEndian.AppendUint64(append([]byte(label), f.Transfer[:]...), uint64(number))
	key, err := hkdf.Key(sha256.New, f.Key[:], salt, string(info), 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Seal appends the sealed part of the given number to dst, which must not
// overlap plain.
func (f *Form) Seal(dst []byte, number int, plain []byte) ([]byte, error) {
	var salt [saltSize]byte
	rand.Read(salt[:])
	aead, err := f.aead(salt[:], number)
	if err != nil {
		return nil, mft.Fail(mft.CodeInternal, "seal part", "", err)
	}
	dst = append(dst, salt[:]...)
	return aead.Seal(dst, make([]byte, aead.NonceSize()), plain, nil), nil
}

// Open decrypts a sealed part in its place and returns its content. The error
// has CodeCorrupt.
func (f *Form) Open(number int, sealed []byte) ([]byte, error) {
	if len(sealed) < Overhead {
		return nil, damaged(number, "it is too short")
	}
	aead, err := f.aead(sealed[:saltSize], number)
	if err != nil {
		return nil, mft.Fail(mft.CodeInternal, "open part", "", err)
	}
	body := sealed[saltSize:]
	plain, err := aead.Open(body[:0], make([]byte, aead.NonceSize()), body, nil)
	if err != nil {
		return nil, damaged(number, "it is not what the sender sealed there")
	}
	return plain, nil
}

func damaged(number int, why string) error {
	return mft.Fail(mft.CodeCorrupt, "open", fmt.Sprintf("part %d", number), errors.New(why))
}
