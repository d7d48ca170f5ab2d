//go:build linux || darwin

package filesys

import (
	"os"

	"golang.org/x/sys/unix"
)

// NextExtent returns what begins at off < size of f, and where it ends. The end may
// lie anywhere when the file changes meanwhile.
func NextExtent(f *os.File, off, size int64) (hole bool, end int64, err error) {
	err = control(f, func(fd int) error {
		data, err := unix.Seek(fd, off, unix.SEEK_DATA)
		switch {
		case err == unix.ENXIO:
			hole, end = true, size // no more content
			return nil
		case err == unix.EINVAL || err == unix.ENOTSUP:
			hole, end = false, size // no such call
			return nil
		case err != nil:
			return err
		case data > off:
			hole, end = true, data
			return nil
		}
		end, err = unix.Seek(fd, off, unix.SEEK_HOLE)
		if err == unix.ENXIO {
			end, err = size, nil // it was cut off between the two calls
		}
		return err
	})
	return hole, end, err
}

// control calls f with the descriptor, which stays open meanwhile.
func control(file *os.File, f func(fd int) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := conn.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// Retry repeats a call that a signal interrupted: file systems of a network
// or of user space let that happen.
func Retry(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}
