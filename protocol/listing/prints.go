package listing

import (
	"encoding/binary"

	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/internal/wire"
)

// Bounds of prints. A receiver with more in a directory, or more on the way,
// answers List.
const (
	// MaxPrints is the most entries of a directory that is told in prints.
	MaxPrints = 4096
	// PrintWindow is the most prints that the receiver has told and the sender
	// has not answered by a MATCHED frame.
	PrintWindow = 16384
)

// printSize is how many bytes of its print an entry takes. Two entries of a large
// directory that are alike in these are no harm but to the attempt: the digest of
// a [Matched] shows it.
const printSize = 6

// Print is what Prints has of the lower lane of the digest of an entry.
func Print(low uint64) uint64 { return low & (1<<(8*printSize) - 1) }

// Prints are what a receiver has in a directory, one print for each entry, as they
// stand in a frame.
type Prints []byte

// AppendPrint appends the print of one more entry, whose lower lane is low.
func (p Prints) AppendPrint(low uint64) Prints {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], low)
	return append(p, b[:printSize]...)
}

// Len is how many there are.
func (p Prints) Len() int { return len(p) / printSize }

// At returns the print of number i.
func (p Prints) At(i int) uint64 {
	var b [8]byte
	copy(b[:printSize], p[i*printSize:])
	return binary.LittleEndian.Uint64(b[:])
}

// A Matched answers Prints: what both ends have is known by it, and not announced.
type Matched struct {
	// Listing is the number of the listing that was answered with Prints.
	Listing uint64
	// Digest is that of a listing of the entries that both have.
	Digest [16]byte
	// Others are the numbers of the prints that the source has nothing for,
	// ascending.
	Others []int
}

// AppendMatched appends the payload of a protocol.FrameMatched.
func AppendMatched(b []byte, m *Matched) []byte {
	b = append(wire.AppendUint(b, m.Listing), m.Digest[:]...)
	b = wire.AppendUint(b, uint64(len(m.Others)))
	next := 0
	for _, i := range m.Others {
		b = wire.AppendUint(b, uint64(i-next))
		next = i + 1
	}
	return b
}

// ParseMatched reads what AppendMatched wrote.
func ParseMatched(p []byte) (Matched, error) {
	c := wire.Read("read matched frame", p)
	m := Matched{Listing: c.Uint("listing", protocol.MaxIndex)}
	c.Fixed("digest", m.Digest[:])
	n := c.Count("others", MaxPrints, 1)
	if n > 0 {
		m.Others = make([]int, 0, n)
	}
	next := 0
	for i := range n {
		c.Entry(i)
		if next == MaxPrints {
			c.Fail("other", "beyond %d", MaxPrints)
			break
		}
		next += int(c.Uint("other", uint64(MaxPrints-1-next)))
		m.Others = append(m.Others, next)
		next++
	}
	return wire.Done(&c, m)
}
