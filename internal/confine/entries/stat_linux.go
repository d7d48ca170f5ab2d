//go:build amd64 || arm64 || ppc64 || ppc64le || riscv64 || s390x

package entries

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// stat is Stat for a terminated name.
func stat(dirfd int, name *byte, st *unix.Stat_t) error {
	for {
		_, _, errno := unix.Syscall6(unix.SYS_NEWFSTATAT, uintptr(dirfd), uintptr(unsafe.Pointer(name)), uintptr(unsafe.Pointer(st)),
			unix.AT_SYMLINK_NOFOLLOW, 0, 0)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}
