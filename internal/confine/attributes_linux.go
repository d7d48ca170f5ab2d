package confine

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

func setAttributes(f *os.File, a Attributes) error {
	return control(f, func(fd int) error { return setByDescriptor(fd, a) })
}

func setByDescriptor(fd int, a Attributes) error {
	if a.changesOwner() {
		if err := again(func() error { return unix.Fchown(fd, a.UID, a.GID) }); err != nil {
			return err
		}
	}
	if err := again(func() error { return unix.Fchmod(fd, a.Mode&0o7777) }); err != nil {
		return err
	}
	return futimens(fd, a.times())
}

// futimens is utimensat without a path, which is how Linux spells the function
// of that name in POSIX; x/sys/unix cannot say it, and paths in /proc are not
// there in every sandbox.
func futimens(fd int, times [2]unix.Timespec) error {
	return again(func() error {
		_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
}

// times leaves the access time alone.
func (a Attributes) times() [2]unix.Timespec {
	return [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(a.MTime)}
}
