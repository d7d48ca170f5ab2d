package confine

import (
	"errors"
	"io/fs"
	"iter"
	"os"

	"mft.dev/mft"
)

// Attributes are what a file has beside its content.
type Attributes struct {
	// Mode holds the permission bits and setuid, setgid, sticky: 07777.
	Mode uint32
	// MTime is in nanoseconds since the Unix epoch.
	MTime int64
	// UID and GID are the owner; -1 leaves it as it is.
	UID, GID int
}

// SetAttributes sets owner, then mode, then times of an open file, in this
// order because a change of owner may clear setuid and setgid. The access
// time is left alone.
func SetAttributes(f *os.File, a Attributes) error { return errors.ErrUnsupported }

// Preallocate reserves blocks for size bytes without changing the length of
// the file. Where the file system cannot it does nothing. It fails with
// CodeNoSpace or CodeQuota.
func Preallocate(f *os.File, size int64) error { return errors.ErrUnsupported }

// StartWriteback asks the kernel to begin writing n bytes at off to the disk,
// where there is such a call. It promises nothing.
func StartWriteback(f *os.File, off, n int64) {}

// Flush makes content and attributes of the file durable. A failed flush
// must not be repeated: the kernel may have dropped what it could not write.
func Flush(f *os.File) error { return errors.ErrUnsupported }

// Identity is what changes when a file does. Two values are compared with ==.
type Identity struct {
	Dev, Inode uint64
	Size       int64
	// MTime and CTime are in nanoseconds since the Unix epoch; CTime is 0
	// where there is none.
	MTime, CTime int64
	// Mode is in Unix encoding, type bits (S_IFMT) included.
	Mode     uint32
	UID, GID uint32 // math.MaxUint32 where there are none
	Nlink    uint64
}

// Stamp returns the identity that fi describes.
func Stamp(fi fs.FileInfo) Identity { return Identity{} }

// An Extent is a piece of a file: content, or a hole that reads as zeros.
type Extent struct {
	Offset, Length int64
	Hole           bool
}

// Extents returns the pieces of the first size bytes of f, in order, without
// gap or overlap. It moves the file offset: read with ReadAt. Where holes
// cannot be asked for everything is one piece of content.
func Extents(f *os.File, size int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {}
}

// CodeFor returns the code that fits an error of the operating system; an
// error that has a code keeps it.
func CodeFor(err error) mft.Code { return mft.CodeOf(err) }
