package protocol

import (
	"github.com/zeebo/blake3"

	"mft.dev/mft"
)

// Scanned is the size of the whole source, once the scan has reached its end.
type Scanned = mft.Count

// AppendScanned appends the payload of a FrameScanned.
func AppendScanned(b []byte, s *Scanned) []byte { return appendCount(b, *s) }

// ParseScanned reads what AppendScanned wrote.
func ParseScanned(p []byte) (Scanned, error) {
	c := cursor{op: "read scanned frame", rest: p}
	s := c.counted()
	if err := c.done(); err != nil {
		return Scanned{}, err
	}
	return s, nil
}

// A FileStart says that the content of a file follows from Offset on.
type FileStart struct {
	Index  uint64
	Offset int64
}

// AppendFileStart appends the payload of a FrameFile.
func AppendFileStart(b []byte, f *FileStart) []byte {
	return appendSize(appendUint(b, f.Index), f.Offset)
}

// ParseFileStart reads what AppendFileStart wrote.
func ParseFileStart(p []byte) (FileStart, error) {
	c := cursor{op: "read file frame", rest: p}
	f := FileStart{Index: c.uvarint("index", MaxIndex), Offset: c.size("offset")}
	if err := c.done(); err != nil {
		return FileStart{}, err
	}
	return f, nil
}

// A FileEnd closes the content of a file: its whole size and digest, from
// zero, wherever the sending began.
type FileEnd struct {
	Size   int64
	Digest mft.Digest
}

// AppendFileEnd appends the payload of a FrameFileEnd.
func AppendFileEnd(b []byte, f *FileEnd) []byte {
	return append(appendSize(b, f.Size), f.Digest[:]...)
}

// ParseFileEnd reads what AppendFileEnd wrote.
func ParseFileEnd(p []byte) (FileEnd, error) {
	c := cursor{op: "read file-end frame", rest: p}
	f := FileEnd{Size: c.size("size"), Digest: c.digest("digest")}
	if err := c.done(); err != nil {
		return FileEnd{}, err
	}
	return f, nil
}

// AppendHole appends the payload of a FrameHole: n zeros, n > 0.
func AppendHole(b []byte, n int64) []byte { return appendSize(b, n) }

// ParseHole reads what AppendHole wrote. The length is above zero and
// otherwise anything: compare it with the size of the file before use.
func ParseHole(p []byte) (int64, error) {
	c := cursor{op: "read hole frame", rest: p}
	n := c.size("length")
	if n == 0 {
		c.fail("length", "zero")
	}
	if err := c.done(); err != nil {
		return 0, err
	}
	return n, nil
}

// AppendCheck appends the payload of a FrameCheck: the digest of the content
// of the current file from 0 to the current position.
func AppendCheck(b []byte, d mft.Digest) []byte { return append(b, d[:]...) }

// ParseCheck reads what AppendCheck wrote.
func ParseCheck(p []byte) (mft.Digest, error) {
	c := cursor{op: "read check frame", rest: p}
	d := c.digest("digest")
	if err := c.done(); err != nil {
		return mft.Digest{}, err
	}
	return d, nil
}

// PackOverhead is how many bytes AppendPackEntry writes at most besides the
// content.
const PackOverhead = 9 + 3 + 32

// AppendPackEntry appends one whole file of at most MaxSmall bytes to the
// payload of a FramePack.
func AppendPackEntry(b []byte, index uint64, digest mft.Digest, content []byte) []byte {
	b = appendUint(b, index)
	b = appendUint(b, uint64(len(content)))
	b = append(b, digest[:]...)
	return append(b, content...)
}

// WalkPack calls f for every entry of the payload of a FramePack, in order,
// until f returns an error, which WalkPack returns as it is. The content is
// part of p, and has not been compared with the digest. Entries before a
// malformed one are walked.
func WalkPack(p []byte, f func(index uint64, digest mft.Digest, content []byte) error) error {
	c := cursor{op: "read pack", rest: p}
	for c.more() {
		index := c.uvarint("index", MaxIndex)
		size := int(c.uvarint("length", MaxSmall))
		digest := c.digest("digest")
		content := c.take("content", size)
		if c.err != nil {
			return c.err
		}
		if err := f(index, digest, content); err != nil {
			return err
		}
	}
	return nil
}

// HashOf returns the digest of content.
func HashOf(content []byte) mft.Digest { return blake3.Sum256(content) }
