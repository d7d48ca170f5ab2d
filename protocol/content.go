package protocol

import (
	"mft.dev/mft"
	"mft.dev/mft/internal/blake3"
	"mft.dev/mft/protocol/internal/wire"
)

// Scanned is the size of the whole source, once the scan has reached its end.
type Scanned = mft.Count

// AppendScanned appends the payload of a FrameScanned.
func AppendScanned(b []byte, s *Scanned) []byte { return wire.AppendCounted(b, *s) }

// ParseScanned reads what AppendScanned wrote.
func ParseScanned(p []byte) (Scanned, error) {
	c := wire.Read("read scanned frame", p)
	s := c.Counted()
	return wire.Done(&c, s)
}

// A FileStart says that the content of a file follows from Offset on.
type FileStart struct {
	Index  uint64
	Offset int64
}

// AppendFileStart appends the payload of a FrameFile.
func AppendFileStart(b []byte, f *FileStart) []byte {
	return wire.AppendSize(wire.AppendUint(b, f.Index), f.Offset)
}

// ParseFileStart reads what AppendFileStart wrote.
func ParseFileStart(p []byte) (FileStart, error) {
	c := wire.Read("read file frame", p)
	f := FileStart{Index: c.Uint("index", MaxIndex), Offset: c.Size("offset")}
	return wire.Done(&c, f)
}

// A FileEnd closes the content of a file: its whole size and digest, from
// zero, wherever the sending began.
type FileEnd struct {
	Size   int64
	Digest mft.Digest
}

// AppendFileEnd appends the payload of a FrameFileEnd.
func AppendFileEnd(b []byte, f *FileEnd) []byte {
	return append(wire.AppendSize(b, f.Size), f.Digest[:]...)
}

// ParseFileEnd reads what AppendFileEnd wrote.
func ParseFileEnd(p []byte) (FileEnd, error) {
	c := wire.Read("read file-end frame", p)
	f := FileEnd{Size: c.Size("size"), Digest: c.Digest("digest")}
	return wire.Done(&c, f)
}

// AppendHole appends the payload of a FrameHole: n zeros, n > 0.
func AppendHole(b []byte, n int64) []byte { return wire.AppendSize(b, n) }

// ParseHole reads what AppendHole wrote. The length is above zero and
// otherwise anything: compare it with the size of the file before use.
func ParseHole(p []byte) (int64, error) {
	c := wire.Read("read hole frame", p)
	n := c.Size("length")
	if n == 0 {
		c.Fail("length", "zero")
	}
	return wire.Done(&c, n)
}

// AppendCheck appends the payload of a FrameCheck: the digest of the content
// of the current file from 0 to the current position.
func AppendCheck(b []byte, d mft.Digest) []byte { return append(b, d[:]...) }

// ParseCheck reads what AppendCheck wrote.
func ParseCheck(p []byte) (mft.Digest, error) {
	c := wire.Read("read check frame", p)
	d := c.Digest("digest")
	return wire.Done(&c, d)
}

// PackOverhead is how many bytes AppendPackEntry writes at most besides the
// content.
const PackOverhead = 9 + 3 + 32

// AppendPackEntry appends one whole file of at most MaxSmall bytes to the
// payload of a FramePack.
func AppendPackEntry(b []byte, index uint64, digest mft.Digest, content []byte) []byte {
	return append(append(AppendPackStart(b, index, len(content)), digest[:]...), content...)
}

// AppendPackStart appends what of an entry is before digest and content.
func AppendPackStart(b []byte, index uint64, size int) []byte {
	return wire.AppendUint(wire.AppendUint(b, index), uint64(size))
}

// WalkPack calls f for every entry of the payload of a FramePack, in order,
// until f returns an error, which WalkPack returns as it is. The content is
// part of p, and has not been compared with the digest. Entries before a
// malformed one are walked.
func WalkPack(p []byte, f func(index uint64, digest mft.Digest, content []byte) error) error {
	c := wire.Read("read pack", p)
	for n := 0; c.More(); n++ {
		c.Entry(n)
		index := c.Uint("index", MaxIndex)
		size := int(c.Uint("length", MaxSmall))
		digest := c.Digest("digest")
		content := c.Take("content", size)
		if c.Err() != nil {
			return c.Err()
		}
		if err := f(index, digest, content); err != nil {
			return err
		}
	}
	return nil
}

// HashOf returns the digest of content.
func HashOf(content []byte) mft.Digest { return blake3.Sum(content) }
