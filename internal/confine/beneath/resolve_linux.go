//go:build !portable

package beneath

import (
	"golang.org/x/sys/unix"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine/entries"
	"mft.dev/mft/internal/confine/filesys"
)

// beneath is what the kernel is told about every path.
const beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// haveOpenat2 tries the call: kernels before 5.6 have none, and sandboxes
// that do not know it say EPERM.
func haveOpenat2(dirfd int) bool {
	fd, err := openat2(dirfd, ".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, beneath)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
}

func openat2(dirfd int, rel string, flags int, resolve uint64) (fd int, err error) {
	how := unix.OpenHow{Flags: uint64(flags), Resolve: resolve}
	err = filesys.Retry(func() (err error) {
		fd, err = unix.Openat2(dirfd, rel, &how)
		return err
	})
	return fd, err
}

// openat opens rel below dirfd, in which no component may be a link. rel has
// passed CheckPath and is not empty.
func (t *Tree) openat(dirfd int, rel string, flags int) (int, error) {
	if t.plain || len(rel) >= unix.PathMax {
		return walk(dirfd, rel, flags)
	}
	// Without O_NOFOLLOW, since then a link at the end is ELOOP too and not
	// ENOTDIR.
	fd, err := openat2(dirfd, rel, flags, beneath)
	switch err {
	case unix.EXDEV:
		// No path that passed CheckPath leads out by itself.
		return -1, filesys.Refuse(mft.CodeBadPath, "the path leaves the directory")
	case unix.EAGAIN:
		// Directories were renamed meanwhile, and the kernel wants no
		// responsibility.
		return walk(dirfd, rel, flags)
	}
	return fd, err
}

// walk is openat without openat2: each component is opened from the descriptor
// of the one before, so that there is nothing for a link to lead astray.
func walk(dirfd int, rel string, flags int) (int, error) {
	at := dirfd
	for {
		name, rest := Cut(rel)
		next, err := 0, error(nil)
		if rest == "" {
			next, err = openName(at, name, flags)
		} else {
			next, err = openName(at, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC)
		}
		if at != dirfd {
			_ = unix.Close(at)
		}
		if err != nil || rest == "" {
			return next, err
		}
		at, rel = next, rest
	}
}

// openName opens one name without following it. A link is ELOOP.
func openName(dirfd int, name string, flags int) (int, error) {
	fd, err := entries.Open(dirfd, name, flags|unix.O_NOFOLLOW, 0)
	if err == unix.ENOTDIR {
		// O_DIRECTORY hides what stood in the way.
		if st, err2 := fstatat(dirfd, name); err2 == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
			err = unix.ELOOP
		}
	}
	return fd, err
}

// openDir opens the directory rel by open, to list it if that is allowed and else
// only to reach what is in it: a drop box may forbid the first.
func openDir(rel string, open func(flags int) (int, error)) (Handle, Node, error) {
	var h Handle
	var err error
	h.fd, err = open(unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC)
	if err == unix.EACCES {
		h.blind = true
		h.fd, err = open(unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC)
	}
	if err != nil {
		return Handle{}, Node{}, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(h.fd, &st); err != nil {
		h.close()
		return Handle{}, Node{}, err
	}
	return h, Node{Rel: rel, dev: uint64(st.Dev), inode: st.Ino}, nil
}
