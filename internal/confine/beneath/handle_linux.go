//go:build !portable

package beneath

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine/entries"
	"mft.dev/mft/internal/confine/filesys"
)

// AcrossTrees says that what is in one tree can be renamed to a name in another.
const AcrossTrees = true

// A Handle is an open directory. Every name is taken relative to its
// descriptor, and no call here follows a link.
type Handle struct {
	fd int
	// blind is set when the directory may not be listed: the descriptor then
	// only says where it is (O_PATH). Files can still be made in it.
	blind bool
}

func (h Handle) close() { _ = unix.Close(h.fd) }

// Create makes the file name, mode 0600, to be known as path.
func (h Handle) Create(name, path string) (*os.File, error) {
	fd, err := entries.Open(h.fd, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// OpenExisting opens the regular file name, to be known as path.
func (h Handle) OpenExisting(name, path string) (*os.File, error) {
	fd, err := entries.Open(h.fd, name, unix.O_RDWR|entries.Inert, 0)
	f, _, err := regular(fd, err, path)
	return f, err
}

// regular makes a file of what an open with the flags entries.Inert returned,
// or says why not.
func regular(fd int, err error, path string) (*os.File, fs.FileInfo, error) {
	switch err {
	case nil:
	case unix.ENXIO, unix.ENODEV, unix.EISDIR:
		// A socket, a pipe without reader, a device without driver; a
		// directory that was opened for writing.
		return nil, nil, filesys.RefuseNotRegular()
	default:
		return nil, nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return nil, nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		_ = unix.Close(fd)
		return nil, nil, filesys.RefuseNotRegular()
	}
	// Without O_NONBLOCK package os does not offer the file to the poller.
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFL, 0); err != nil {
		_ = unix.Close(fd)
		return nil, nil, err
	}
	return os.NewFile(uintptr(fd), path), filesys.NewInfo(path, &st), nil
}

// Lstat describes name.
func (h Handle) Lstat(name string) (fs.FileInfo, error) {
	st, err := fstatat(h.fd, name)
	if err != nil {
		return nil, err
	}
	return filesys.NewInfo(name, &st), nil
}

// Identity returns what identifies name.
func (h Handle) Identity(name string) (filesys.Identity, error) {
	var st unix.Stat_t
	if err := entries.Stat(h.fd, name, &st); err != nil {
		return filesys.Identity{}, err
	}
	return filesys.StampOf(&st), nil
}

// Born returns when name was made, or the directory itself for the empty name, in nanoseconds
// since the epoch; 0 where that is not known.
func (h Handle) Born(name string) (int64, error) {
	var st unix.Statx_t
	err := filesys.Retry(func() error {
		return unix.Statx(h.fd, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH, unix.STATX_BTIME, &st)
	})
	if err != nil || st.Mask&unix.STATX_BTIME == 0 {
		return 0, err
	}
	return st.Btime.Sec*1e9 + int64(st.Btime.Nsec), nil
}

// Stat describes the directory itself.
func (h Handle) Stat() (fs.FileInfo, error) {
	var st unix.Stat_t
	if err := unix.Fstat(h.fd, &st); err != nil {
		return nil, err
	}
	return filesys.NewInfo(".", &st), nil
}

// Remove removes a file, a link or an empty directory.
func (h Handle) Remove(name string) error {
	err := unlinkat(h.fd, name, 0)
	if err == unix.EISDIR {
		return unlinkat(h.fd, name, unix.AT_REMOVEDIR)
	}
	return err
}

// Mkdir makes a directory.
func (h Handle) Mkdir(name string, perm os.FileMode) error {
	return filesys.Retry(func() error { return unix.Mkdirat(h.fd, name, filesys.UnixMode(perm)&0o7777) })
}

// Symlink makes a link.
func (h Handle) Symlink(target, name string) error {
	return filesys.Retry(func() error { return unix.Symlinkat(target, h.fd, name) })
}

// Readlink returns the target of a link.
func (h Handle) Readlink(name string) (string, error) {
	var buf [unix.PathMax]byte
	n, err := entries.Readlink(h.fd, name, buf[:])
	if err == unix.EINVAL {
		return "", filesys.Refuse(mft.CodeWrongType, "it is not a symbolic link")
	}
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// Open opens the directory itself for reading, to be known as path.
func (h Handle) Open(path string) (*os.File, error) {
	fd, err := entries.Open(h.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// Sync flushes the directory. One that may not be listed cannot be opened for
// that; the whole file system is flushed instead, by way of a file without a
// name in it.
func (h Handle) Sync() error {
	if !h.blind {
		return filesys.Retry(func() error { return unix.Fsync(h.fd) })
	}
	fd, err := entries.Open(h.fd, ".", unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return filesys.Retry(func() error { return unix.Syncfs(fd) })
}

// ReadSmall reads the regular file name until buf is full or it ends, and
// then looks at it.
func (h Handle) ReadSmall(name string, buf []byte) (int, filesys.Identity, error) {
	return entries.ReadSmall(h.fd, name, buf)
}

// WriteSmall makes the file name and gives it content and attributes.
// Private is not nil if nobody else can open it meanwhile, and is that of the
// directory.
func (h Handle) WriteSmall(name string, content []byte, a filesys.Attributes, private *filesys.Made) error {
	return entries.WriteSmall(h.fd, name, content, a, private)
}

// Rename gives oldname the name newname, replacing what has it.
func (h Handle) Rename(oldname string, to Handle, newname string) error {
	return filesys.Retry(func() error { return unix.Renameat2(h.fd, oldname, to.fd, newname, 0) })
}

// RenameNoReplace fails with errors.ErrUnsupported where there is no such
// call.
func (h Handle) RenameNoReplace(oldname string, to Handle, newname string) error {
	err := filesys.Retry(func() error {
		return unix.Renameat2(h.fd, oldname, to.fd, newname, unix.RENAME_NOREPLACE)
	})
	if err == unix.EINVAL || err == unix.ENOSYS {
		return unix.EOPNOTSUPP
	}
	return err
}

// Link gives oldname a second name.
func (h Handle) Link(oldname string, to Handle, newname string) error {
	return filesys.Retry(func() error { return unix.Linkat(h.fd, oldname, to.fd, newname, 0) })
}

// Free returns what is left of the file system.
func (h Handle) Free() (filesys.Space, error) { return filesys.Fstatfs(h.fd) }

// SetAttributes sets those of the directory itself.
func (h Handle) SetAttributes(a filesys.Attributes) error {
	if !h.blind {
		return filesys.SetByDescriptor(h.fd, a)
	}
	if a.ChangesOwner() {
		if err := filesys.Retry(func() error { return unix.Fchownat(h.fd, ".", a.UID, a.GID, 0) }); err != nil {
			return err
		}
	}
	// Times go first here: the new mode may forbid to reach "." again.
	times := a.Times()
	if err := filesys.Retry(func() error { return unix.UtimesNanoAt(h.fd, ".", times[:], 0) }); err != nil {
		return err
	}
	return filesys.Retry(func() error { return unix.Fchmodat(h.fd, ".", a.Mode&0o7777, 0) })
}

// SetLinkAttributes sets owner and times of a link.
func (h Handle) SetLinkAttributes(name string, a filesys.Attributes) error {
	if a.ChangesOwner() {
		err := filesys.Retry(func() error { return unix.Fchownat(h.fd, name, a.UID, a.GID, unix.AT_SYMLINK_NOFOLLOW) })
		if err != nil {
			return err
		}
	}
	times := a.Times()
	return filesys.Retry(func() error { return unix.UtimesNanoAt(h.fd, name, times[:], unix.AT_SYMLINK_NOFOLLOW) })
}

func fstatat(dirfd int, name string) (st unix.Stat_t, err error) {
	err = entries.Stat(dirfd, name, &st)
	return st, err
}

func unlinkat(dirfd int, name string, flags int) error {
	return filesys.Retry(func() error { return unix.Unlinkat(dirfd, name, flags) })
}
