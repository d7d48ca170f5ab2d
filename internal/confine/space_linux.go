package confine

import (
	"os"

	"golang.org/x/sys/unix"
)

func freeOf(dir *os.File) (s Space, err error) {
	err = control(dir, func(fd int) error {
		s, err = fstatfs(fd)
		return err
	})
	return s, err
}

func fstatfs(fd int) (Space, error) {
	var st unix.Statfs_t
	if err := again(func() error { return unix.Fstatfs(fd, &st) }); err != nil {
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
