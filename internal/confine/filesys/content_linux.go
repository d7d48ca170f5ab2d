package filesys

import (
	"os"

	"golang.org/x/sys/unix"
)

// Preallocate reserves blocks without changing the length, where that is
// possible.
func Preallocate(f *os.File, size int64) error {
	err := control(f, func(fd int) error {
		return Retry(func() error { return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, size) })
	})
	if err == unix.EOPNOTSUPP || err == unix.ENOSYS {
		return nil
	}
	return err
}

// StartWriteback asks the kernel to begin writing to the disk.
func StartWriteback(f *os.File, off, n int64) {
	// What goes wrong here is reported by the flush that must follow.
	_ = control(f, func(fd int) error { return unix.SyncFileRange(fd, off, n, unix.SYNC_FILE_RANGE_WRITE) })
}
