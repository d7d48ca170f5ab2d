package confine

import (
	"iter"
	"os"

	"mft.dev/mft/internal/confine/filesys"
)

// Preallocate reserves blocks for the first size bytes without changing the
// length of the file, so that a full disk shows before the work is done. It
// does nothing where the system or the file system cannot (Linux only). It
// fails with CodeNoSpace or CodeQuota.
func Preallocate(f *os.File, size int64) error {
	if size <= 0 {
		return nil
	}
	if err := filesys.Preallocate(f, size); err != nil {
		return fail("reserve space for", f.Name(), err)
	}
	return nil
}

// StartWriteback asks the kernel to begin writing n bytes at off to the disk,
// so that a later Flush has less to wait for (Linux only). It promises
// nothing and does not wait for the disk.
func StartWriteback(f *os.File, off, n int64) {
	if n > 0 {
		filesys.StartWriteback(f, off, n)
	}
}

// Flush makes content and attributes of the file durable, and on macOS also
// empties the cache of the drive. A failed flush must not be repeated: the
// kernel may have dropped what it could not write, and the next flush then
// reports success.
func Flush(f *os.File) error {
	if err := f.Sync(); err != nil {
		return fail("flush", f.Name(), err)
	}
	return nil
}

// An Extent is a piece of a file: content, or a hole that reads as zeros.
type Extent struct {
	Offset, Length int64
	Hole           bool
}

// Extents returns the pieces of the first size bytes of f, in order, without
// gap or overlap and none of them empty. Where holes cannot be asked for,
// everything is one piece of content. Bytes beyond the end of a file that has
// become shorter count as a hole. The file offset is moved: read with ReadAt.
func Extents(f *os.File, size int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		for off := int64(0); off < size; {
			hole, end, err := filesys.NextExtent(f, off, size)
			if err != nil {
				yield(Extent{}, fail("find holes of", f.Name(), err))
				return
			}
			// Somebody may be changing the file. The pieces add up all the
			// same.
			end = min(max(end, off+1), size)
			if !yield(Extent{Offset: off, Length: end - off, Hole: hole}, nil) {
				return
			}
			off = end
		}
	}
}
