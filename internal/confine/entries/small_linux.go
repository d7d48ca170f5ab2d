package entries

import (
	"io"

	"golang.org/x/sys/unix"

	"mft.dev/mft/internal/confine/filesys"
)

// ReadSmall reads the regular file name until buf is full or it ends, and
// then looks at it.
func ReadSmall(dirfd int, name string, buf []byte) (int, filesys.Identity, error) {
	fd, err := Open(dirfd, name, unix.O_RDONLY|Inert, 0)
	switch err {
	case nil:
	case unix.ENXIO, unix.ENODEV:
		return 0, filesys.Identity{}, filesys.RefuseNotRegular()
	default:
		return 0, filesys.Identity{}, err
	}
	n, id, err := readSmall(fd, buf)
	_ = unix.Close(fd)
	return n, id, err
}

// readSmall reads before it looks. Reading at an offset is what pipes,
// terminals and sockets refuse, so that nothing is taken from one.
func readSmall(fd int, buf []byte) (int, filesys.Identity, error) {
	var st unix.Stat_t
	for n := 0; ; {
		got := 0
		var readErr error
		if n < len(buf) {
			got, readErr = preadAgain(fd, buf[n:], int64(n))
		}
		n += max(got, 0)
		switch err := fstat(fd, &st); {
		case err != nil:
			return 0, filesys.Identity{}, err
		case st.Mode&unix.S_IFMT != unix.S_IFREG:
			return 0, filesys.Identity{}, filesys.RefuseNotRegular()
		case readErr != nil:
			return 0, filesys.Identity{}, readErr
		case got == 0 || n == len(buf) || int64(n) >= st.Size:
			return n, filesys.StampOf(&st), nil
		}
	}
}

// WriteSmall makes the file name and gives it content and attributes.
// Private is not nil if nobody else can open it meanwhile, and is that of the
// directory.
func WriteSmall(dirfd int, name string, content []byte, a filesys.Attributes, private *filesys.Made) error {
	mode := uint32(0o600)
	if private != nil {
		// Its owner can write it from the first moment: some file systems
		// look at that again.
		mode |= a.Mode & 0o777
	}
	fd, err := Open(dirfd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	if filesys.IsBadName(err) {
		return filesys.RefuseName()
	}
	if err != nil {
		return err
	}
	if err = writeAll(fd, content); err == nil {
		err = filesys.SetNew(fd, mode, a, private)
	}
	// File systems of a network may say only now that there is no space.
	if closeErr := unix.Close(fd); err == nil {
		err = closeErr
	}
	return err
}

// writeAll writes what is left of content as often as the kernel takes a part
// of it.
func writeAll(fd int, content []byte) error {
	for len(content) > 0 {
		n, err := unix.Write(fd, content)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n <= 0:
			return io.ErrShortWrite
		default:
			content = content[n:]
		}
	}
	return nil
}

func preadAgain(fd int, buf []byte, off int64) (int, error) {
	for {
		n, err := unix.Pread(fd, buf, off)
		if err != unix.EINTR {
			return n, err
		}
	}
}

func fstat(fd int, st *unix.Stat_t) error {
	for {
		if err := unix.Fstat(fd, st); err != unix.EINTR {
			return err
		}
	}
}
