// Package patch is what two agents say about a file that travels as a delta:
// the marks of the old version, the questions about ranges of it, what is to be
// copied from it, and which version that is when its sender has not asked.
//
// It is part of the protocol, see docs/protocol.md, and refuses what package
// protocol refuses. What marks are, and whether a range fits the old version,
// is for package transfer/delta.
package patch

import (
	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/internal/wire"
)

// A Range is Length bytes of an old version from Offset on. Neither is
// negative; nothing else is known of what was read.
type Range struct{ Offset, Length int64 }

// AppendCopy appends the payload of a protocol.FrameCopy: content of the old
// version of the current file.
func AppendCopy(b []byte, r *Range) []byte {
	return wire.AppendSize(wire.AppendSize(b, r.Offset), r.Length)
}

// ParseCopy reads what AppendCopy wrote.
func ParseCopy(p []byte) (Range, error) {
	c := wire.Read("read copy frame", p)
	r := Range{Offset: c.Size("offset"), Length: c.Size("length")}
	return wire.Done(&c, r)
}

// A Basis is the old version of item Index that its sender has chosen to copy
// from without asking: it has Size bytes, and this Digest.
type Basis struct {
	Index  uint64
	Size   int64
	Digest mft.Digest
}

// AppendBasis appends the payload of a protocol.FrameBasis.
func AppendBasis(b []byte, v *Basis) []byte {
	return append(wire.AppendSize(wire.AppendUint(b, v.Index), v.Size), v.Digest[:]...)
}

// ParseBasis reads what AppendBasis wrote.
func ParseBasis(p []byte) (Basis, error) {
	c := wire.Read("read basis frame", p)
	v := Basis{Index: c.Uint("index", protocol.MaxIndex), Size: c.Size("size"), Digest: c.Digest("digest")}
	return wire.Done(&c, v)
}

// An Ask is a question for the fine marks of a range of the old version of
// item Index.
type Ask struct {
	Index uint64
	Range Range
}

// AppendAsk appends the payload of a protocol.FrameAsk.
func AppendAsk(b []byte, a *Ask) []byte {
	return AppendCopy(wire.AppendUint(b, a.Index), &a.Range)
}

// ParseAsk reads what AppendAsk wrote.
func ParseAsk(p []byte) (Ask, error) {
	c := wire.Read("read ask frame", p)
	a := Ask{Index: c.Uint("index", protocol.MaxIndex), Range: Range{Offset: c.Size("offset"), Length: c.Size("length")}}
	return wire.Done(&c, a)
}

// Marks are the next marks of the old version of item Index. They are bytes
// of package transfer/delta, and may be cut off anywhere.
type Marks struct {
	Index uint64
	Bytes []byte
}

// AppendMarks appends the payload of a protocol.FrameMarks.
func AppendMarks(b []byte, m *Marks) []byte {
	return append(wire.AppendUint(b, m.Index), m.Bytes...)
}

// ParseMarks reads what AppendMarks wrote. The bytes are part of p.
func ParseMarks(p []byte) (Marks, error) {
	c := wire.Read("read marks frame", p)
	m := Marks{Index: c.Uint("index", protocol.MaxIndex)}
	if m.Bytes = c.Rest(); len(m.Bytes) > protocol.MaxMarks {
		c.Fail("marks", "%d bytes are more than %d", len(m.Bytes), protocol.MaxMarks)
	}
	return wire.Done(&c, m)
}
