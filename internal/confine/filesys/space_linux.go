package filesys

import (
	"os"

	"golang.org/x/sys/unix"
)

// FreeOf returns what is left of the file system of an open directory.
func FreeOf(dir *os.File) (s Space, err error) {
	err = control(dir, func(fd int) error {
		s, err = Fstatfs(fd)
		return err
	})
	return s, err
}

// Fstatfs is FreeOf for a descriptor, which may be one of O_PATH.
func Fstatfs(fd int) (Space, error) {
	var st unix.Statfs_t
	if err := Retry(func() error { return unix.Fstatfs(fd, &st) }); err != nil {
		return Space{}, err
	}
	unit := st.Frsize
	if unit == 0 {
		unit = st.Bsize // some file systems in user space
	}
	s := Space{Bytes: product(st.Bavail, uint64(unit)), Inodes: -1}
	if st.Files > 0 {
		s.Inodes = product(st.Ffree, 1)
	}
	return s, nil
}
