// Package delta finds out what of a new version of a file its receiver
// already has in the old one, so that only the rest travels. It decides, and
// moves no bytes: reading the network, writing files and verifying the result
// are its users'.
//
// The receiver has the old version. It draws a Seed, and sends it with the
// size of that version. Then it reads the version once, front to back, and
// streams its marks, made by [Key.AppendMarks] for blocks of [BlockSize]
// bytes. It needs no memory for that. Or it has a [Record] of the version, which
// a [Marker] made when the version came; then it need not read it.
//
// The sender has the new version. It lets the marks arrive in a [Signature]
// and meanwhile ranges over [Matcher.Match], which yields pieces that rebuild
// the new version in its order:
//
//   - Copy: these bytes are in the old version, there.
//   - Literal: these bytes have to travel.
//   - Gap: part of these bytes may be in that range of the old version. The
//     sender asks for the marks of the range in blocks of [FineSize] bytes and
//     goes on matching. When they have come, [Matcher.Refine] of another
//     Matcher resolves the gap into copies and literals. A sender that would
//     rather not ask treats a gap as a literal.
//
// A [Joiner] then makes long copies of neighbouring ones. What comes from the
// peer is checked by [NewSignature], [Signature.Add], [Matcher.Refine],
// [CheckAsk] and [CheckCopy].
//
// The algorithm is that of rsync (A. Tridgell, Efficient Algorithms for
// Sorting and Synchronization, 1999, chapter 3) with three changes. What
// follows a match is expected to match as well, and what stands at the same
// offset is, so that a file changed in place is not searched byte by byte, and
// is matched while its signature still arrives. There are two sizes of blocks:
// large ones keep the signature small, and small ones are only asked for where
// a large one differs. And the hash that compares blocks is keyed.
//
// # Why ten bytes of mark are enough
//
// The hash that compares blocks is universal: of two blocks that differ,
// however they were chosen, it makes one under no more than one key in about
// 2^39. The key is drawn for an attempt, or is that of a record, and only those
// know it who took part, so nobody else who writes into the file can prepare a
// collision. A collision also does no harm but cost: the result must be verified
// as a whole by a cryptographic digest, as every delivery is. When that fails
// the record must be forgotten, so that the key is drawn anew, and without a
// record the file must be sent whole. A peer that lies about its marks spoils
// its own delivery only, and the time that it can make the other spend is
// bounded.
package delta

import (
	"fmt"
	"math/bits"

	"mft.dev/mft"
)

// MaxSize is the largest old version in bytes that can be compared with: 16
// TiB. It bounds a signature to 2^21 marks.
const MaxSize = 1 << 44

// MarkSize is the length of a mark in bytes: 5 of the sum that can be rolled
// and 5 of the keyed hash, little endian.
const MarkSize = 10

// fineBlock is the smallest size of a block: what a change of one byte
// costs on the wire at least. Smaller ones are more marks than they save.
const fineBlock = 2 << 10

// coarseMin is the size of a coarse block from which it pays to ask for fine
// ones.
const coarseMin = 8 * fineBlock

// BlockSize returns the number of bytes in a coarse block for an old version
// of size bytes: the smallest power of two whose square is twice the size. A
// signature then takes fewer bytes than rsync's, and ten times the square root
// of the size at most. Both ends compute it; it is part of the protocol.
func BlockSize(size int64) int {
	if size <= fineBlock*fineBlock/2 {
		return fineBlock
	}
	return 1 << ((bits.Len64(2*uint64(min(size, MaxSize))-1) + 1) / 2)
}

// FineSize returns the number of bytes in a fine block where coarse ones have
// block bytes, and 0 where coarse ones are so small that there are no fine
// ones.
func FineSize(block int) int {
	switch {
	case block < coarseMin:
		return 0
	case block < 1<<20:
		return fineBlock
	}
	return 2 * fineBlock
}

// Marks returns how many bytes of marks stand for length bytes of content.
func Marks(length int64, block int) int {
	return int((length+int64(block)-1)/int64(block)) * MarkSize
}

// minSize is the size in bytes from which a file may travel as a delta.
const minSize = 1 << 20

// maxTimes bounds how much larger than the new version the old one may be: it
// is read as a whole.
const maxTimes = 16

// Worth reports whether it may pay to make a file of size bytes out of one of
// old bytes.
func Worth(old, size int64) bool {
	return old >= minSize && size >= minSize && old <= MaxSize && old/maxTimes <= size
}

// A Range is Length bytes from Offset on.
type Range struct{ Offset, Length int64 }

// End returns the offset behind the range.
func (r Range) End() int64 { return r.Offset + r.Length }

// maxGap returns the largest range of the old version that a gap names where
// coarse blocks have block bytes.
func maxGap(block int) int64 { return max(1<<20, 4*int64(block)) }

// CheckAsk checks a range of the old version that the peer wants the fine marks
// of against that version's size. The error has CodeProtocol. Its marks take
// less than 256 KiB.
func CheckAsk(r Range, size int64) error {
	block := BlockSize(size)
	switch {
	case FineSize(block) == 0:
		return refuse("ask", fmt.Errorf("a file of %d bytes has no fine blocks", size))
	case r.Length <= 0 || r.Length > maxGap(block):
		return refuse("ask", fmt.Errorf("%d bytes are not between 1 and %d", r.Length, maxGap(block)))
	}
	return CheckCopy(r, size)
}

// CheckCopy checks a range of the old version that the peer wants copied
// against that version's size. The error has CodeProtocol.
func CheckCopy(r Range, size int64) error {
	if r.Offset < 0 || r.Length <= 0 || r.Offset > size || r.Length > size-r.Offset {
		return refuse("copy", fmt.Errorf("%d bytes at %d are not in a file of %d", r.Length, r.Offset, size))
	}
	return nil
}

func refuse(what string, err error) error {
	return mft.Fail(mft.CodeProtocol, "read delta", what, err)
}

// A Kind says where a piece of the new version comes from.
type Kind uint8

// The kinds.
const (
	Literal Kind = iota // from the new version itself
	Copy                // from the old version, at Old
	Gap                 // in part, perhaps, from the Old range
)

var kindNames = [...]string{Literal: "literal", Copy: "copy", Gap: "gap"}

// String returns the kind's name in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// A Piece is a range of the new version, and what is known of it. New.Length is
// not zero. The ranges of a Copy have the same length; Old is zero for a
// Literal.
type Piece struct {
	Kind     Kind
	New, Old Range
}

// maxJoined is the size in bytes from which a copy is not joined with the next:
// work on it is to begin while the next is still looked for.
const maxJoined = 4 << 20

// A Joiner makes few pieces of many: it joins copies that are neighbours in
// both versions, up to some MiB, and literals. The zero Joiner is ready.
type Joiner struct{ last Piece }

// Join takes the next piece, and returns one that is complete; its New.Length
// is 0 when there is none yet.
func (j *Joiner) Join(p Piece) Piece {
	l := &j.last
	if l.New.Length > 0 && l.Kind == p.Kind && l.New.End() == p.New.Offset {
		switch {
		case p.Kind == Copy && l.Old.End() == p.Old.Offset && l.New.Length < maxJoined:
			l.Old.Length += p.Old.Length
			l.New.Length += p.New.Length
			return Piece{}
		case p.Kind == Literal:
			l.New.Length += p.New.Length
			return Piece{}
		}
	}
	done := *l
	*l = p
	return done
}

// Flush returns the last piece; its New.Length is 0 when there is none.
func (j *Joiner) Flush() Piece {
	done := j.last
	j.last = Piece{}
	return done
}
