//go:build !portable

package beneath

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine/filesys"
)

// maxPasses bounds how often a directory is emptied that somebody else fills
// at the same time.
const maxPasses = 16

// RemoveAll removes name and everything below it. It goes on after an error
// and returns the first.
func (h Handle) RemoveAll(name string) error {
	for range maxPasses {
		err := unlinkat(h.fd, name, 0)
		if err == nil || err == unix.ENOENT {
			return nil
		}
		if err != unix.EISDIR {
			return err
		}
		err = h.removeDir(name)
		switch err {
		case nil, unix.ENOENT:
			return nil
		case unix.ENOTEMPTY, unix.ENOTDIR, unix.ELOOP:
			// Something appeared in it, or instead of it.
		default:
			return err
		}
	}
	return unix.ENOTEMPTY
}

// removeDir empties and removes the directory name. It does not enter another
// file system: nobody means that when removing a directory that mft made.
func (h Handle) removeDir(name string) error {
	fd, err := openat2(h.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, beneath|unix.RESOLVE_NO_XDEV)
	switch err {
	case nil:
	case unix.EXDEV:
		return filesys.Refuse(mft.CodePermission, "a file system is mounted on %q", name)
	case unix.ENOSYS, unix.EPERM, unix.EAGAIN:
		if fd, err = h.openSameDevice(name); err != nil {
			return err
		}
	case unix.EACCES:
		// It may not be listed, but if it is empty it can go all the same.
		if unlinkat(h.fd, name, unix.AT_REMOVEDIR) == nil {
			return nil
		}
		return err
	default:
		return err
	}
	dir := os.NewFile(uintptr(fd), name)
	defer dir.Close()
	if err := empty(Handle{fd: fd}, dir); err != nil {
		return err
	}
	return unlinkat(h.fd, name, unix.AT_REMOVEDIR)
}

// openSameDevice is the best that can be done without openat2.
func (h Handle) openSameDevice(name string) (int, error) {
	fd, err := openName(h.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC)
	if err != nil {
		return -1, err
	}
	var here, there unix.Stat_t
	if err = unix.Fstat(h.fd, &here); err == nil {
		err = unix.Fstat(fd, &there)
	}
	if err == nil && here.Dev != there.Dev {
		err = filesys.Refuse(mft.CodePermission, "a file system is mounted on %q", name)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// empty removes what is in a directory, which h and list are both.
func empty(h Handle, list *os.File) error {
	var first error
	for {
		names, err := list.Readdirnames(Portion)
		for _, name := range names {
			if err := h.RemoveAll(name); err != nil && first == nil {
				first = fmt.Errorf("%q: %w", name, err)
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return first
		case err != nil && first == nil:
			return err
		case err != nil:
			return first
		}
	}
}
