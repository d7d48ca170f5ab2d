package protocol

import (
	"github.com/zeebo/blake3"

	"mft.dev/mft"
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
	sum := blake3.Sum256(b)
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
	h        *blake3.Hasher
	listings *blake3.Hasher // nil when there were none
	listed   *blake3.Hasher
	buf      []byte
}

// NewManifest returns the manifest of nothing.
func NewManifest() *Manifest { return &Manifest{h: blake3.New()} }

// Compared adds the listing with the next number and its answer.
func (m *Manifest) Compared(l *Listing, a Answer) {
	m.withListings()
	m.buf = append(AppendListing(m.buf[:0], l), uint8(a))
	_, _ = m.listings.Write(m.buf)
}

// Listed adds what was listed, in the order of sending.
func (m *Manifest) Listed(l *Listed) {
	m.withListings()
	m.buf = AppendListed(m.buf[:0], l)
	_, _ = m.listed.Write(m.buf)
}

func (m *Manifest) withListings() {
	if m.listings == nil {
		m.listings, m.listed = blake3.New(), blake3.New()
	}
}

// Add adds the item with the next index: items must be added in the order of
// their indexes, without gaps. The digest counts only for a file that was
// delivered.
func (m *Manifest) Add(it *mft.Item, o Outcome, d mft.Digest) {
	b := append(m.buf[:0], uint8(it.Type))
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
func (m *Manifest) Sum() (d mft.Digest) {
	m.h.Sum(d[:0])
	if m.listings == nil {
		return d
	}
	var all [3]mft.Digest
	all[0] = d
	m.listings.Sum(all[1][:0])
	m.listed.Sum(all[2][:0])
	h := blake3.New()
	for i := range all {
		_, _ = h.Write(all[i][:])
	}
	h.Sum(d[:0])
	return d
}
