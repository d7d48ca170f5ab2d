package protocol

import (
	"mft.dev/mft"
	"mft.dev/mft/internal/blake3"
	"mft.dev/mft/protocol/internal/wire"
)

// A Key identifies what an item was when it was announced, and so survives
// the attempt: the same file, unchanged, has the same key in the next one.
type Key [16]byte

// KeyOf returns the key of it: the first bytes of the BLAKE3 hash over type,
// path, modification time and, by type, size or target.
func KeyOf(it *mft.Item) Key {
	var room [512]byte
	b := append(room[:0], uint8(it.Type))
	b = wire.AppendBytes(b, it.Path)
	b = wire.AppendZigzag(b, it.MTime)
	switch it.Type {
	case mft.ItemFile:
		b = wire.AppendSize(b, it.Size)
	case mft.ItemSymlink:
		b = wire.AppendBytes(b, it.Target)
	}
	sum := blake3.Sum(b)
	return Key(sum[:16])
}

// Outcome is how an announced item ended in this attempt.
type Outcome uint8

// The outcomes.
const (
	Delivered  Outcome = iota // it is durable at the receiver
	Failed                    // it was not sent, or not delivered
	Superseded                // it was announced anew under another index
	Unchanged                 // the receiver had it before this transfer
)

// A Manifest hashes what both ends agree on: every announced item with its
// outcome, every listing with its answer, and what was listed after that. It
// is not safe for concurrent use.
type Manifest struct {
	h, listings, listed *blake3.Hasher
	directories         bool // the last two were used
	buf                 []byte
}

// NewManifest returns the manifest of nothing.
func NewManifest() *Manifest {
	return &Manifest{h: blake3.New(), listings: blake3.New(), listed: blake3.New()}
}

// Compared adds the next listing, as it stands in a FrameListings, and its answer.
func (m *Manifest) Compared(listing []byte, answer uint8) {
	m.directories = true
	_, _ = m.listings.Write(listing)
	_, _ = m.listings.Write([]byte{answer})
}

// Listed adds the payload of a FrameListed or FrameMatched, in the order of sending.
func (m *Manifest) Listed(payload []byte) {
	m.directories = true
	_, _ = m.listed.Write(payload)
}

// Add adds the item with the next index: items must be added in the order of
// their indexes, without gaps. The digest counts only for a file that was
// delivered.
func (m *Manifest) Add(it *mft.Item, o Outcome, d mft.Digest) {
	b := append(m.buf[:0], typeOf(it))
	b = wire.AppendBytes(b, it.Path)
	b = appendAttributes(b, it)
	n := len(b)
	b = append(b, uint8(o))
	if o == Delivered && it.Type == mft.ItemFile {
		b = append(b, d[:]...)
	}
	end := len(b)
	b = wire.AppendUint(b, uint64(n)) // written after, hashed before
	m.write(b[end:])
	m.write(b[:end])
	m.buf = b
}

// write never fails: a hash takes everything.
func (m *Manifest) write(p []byte) { _, _ = m.h.Write(p) }

// Sum returns the hash over what was added so far. Adding may go on.
func (m *Manifest) Sum() mft.Digest {
	if !m.directories {
		return m.h.Sum()
	}
	h := blake3.New()
	for _, part := range []*blake3.Hasher{m.h, m.listings, m.listed} {
		d := part.Sum()
		_, _ = h.Write(d[:])
	}
	return h.Sum()
}
