package entries

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of package unix copy each name to memory of its own. Those here
// leave it where it lies, or make a copy on the stack.

// maxName is the longest name of which a terminated copy goes on the stack.
// File systems with longer ones are rare.
const maxName = 255

// Inert are flags by which something that turns out not to be a regular file
// is opened with the least effect.
const Inert = unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC

// Stat looks at name.
func Stat(dirfd int, name string, st *unix.Stat_t) error {
	var space [maxName + 1]byte
	return stat(dirfd, terminate(&space, name), st)
}

// Open opens name as flags say, to which O_NOFOLLOW belongs.
func Open(dirfd int, name string, flags int, mode uint32) (int, error) {
	var space [maxName + 1]byte
	p := terminate(&space, name)
	for {
		fd, _, errno := unix.Syscall6(unix.SYS_OPENAT, uintptr(dirfd), uintptr(unsafe.Pointer(p)),
			uintptr(flags|unix.O_LARGEFILE), uintptr(mode), 0, 0)
		switch errno {
		case 0:
			return int(fd), nil
		case unix.EINTR:
		default:
			return -1, errno
		}
	}
}

// Readlink puts the target of the link name in buf, which has room for
// unix.PathMax bytes, and returns its length. It fails with EINVAL when name
// is no link.
func Readlink(dirfd int, name string, buf []byte) (int, error) {
	var space [maxName + 1]byte
	return readlink(dirfd, terminate(&space, name), buf)
}

// terminate returns name with a zero byte after it, in space if it fits. name
// has none in it.
func terminate(space *[maxName + 1]byte, name string) *byte {
	if len(name) <= maxName {
		space[copy(space[:], name)] = 0
		return &space[0]
	}
	return &append([]byte(name), 0)[0]
}

// readlink is Readlink for a terminated name.
func readlink(dirfd int, name *byte, buf []byte) (int, error) {
	for {
		n, _, errno := unix.Syscall6(unix.SYS_READLINKAT, uintptr(dirfd), uintptr(unsafe.Pointer(name)),
			uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(len(buf)), 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}
