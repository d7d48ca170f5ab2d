package filesys

import (
	"os"

	"golang.org/x/sys/unix"
)

// FreeOf returns what is left of the file system of an open directory.
func FreeOf(dir *os.File) (Space, error) {
	var st unix.Statfs_t
	err := control(dir, func(fd int) error {
		return Retry(func() error { return unix.Fstatfs(fd, &st) })
	})
	if err != nil {
		return Space{}, err
	}
	return Space{Bytes: product(st.Bavail, uint64(st.Bsize)), Inodes: product(st.Ffree, 1)}, nil
}
