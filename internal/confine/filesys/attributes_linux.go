package filesys

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SetAttributes sets owner, then mode, then modification time of an open file.
func SetAttributes(f *os.File, a Attributes) error {
	return control(f, func(fd int) error { return SetByDescriptor(fd, a) })
}

// SetByDescriptor is SetAttributes for a descriptor, which may not be one of
// O_PATH.
func SetByDescriptor(fd int, a Attributes) error {
	if a.ChangesOwner() {
		if err := Retry(func() error { return unix.Fchown(fd, a.UID, a.GID) }); err != nil {
			return err
		}
	}
	if err := Retry(func() error { return unix.Fchmod(fd, a.Mode&0o7777) }); err != nil {
		return err
	}
	return futimens(fd, a.Times())
}

// SetNew is SetByDescriptor for a file that was just made with the permissions
// made, none of them beyond 0777, and leaves out what is so already. The umask
// or an access list of the directory may have kept some back, and the directory
// may have given it a group: the kernel is asked when it could matter.
// Known, which may be nil, is of the same directory and the same made.
func SetNew(fd int, made uint32, a Attributes, known *Made) error {
	want := a.Mode & 0o7777
	chown, chmod := a.ChangesOwner(), want != made
	if known.has(a) {
		chown, chmod = false, false
	} else if chown || !chmod {
		var st unix.Stat_t
		if err := Retry(func() error { return unix.Fstat(fd, &st) }); err != nil {
			return err
		}
		chown = a.UID != -1 && uint32(a.UID) != st.Uid || a.GID != -1 && uint32(a.GID) != st.Gid
		chmod = want != st.Mode&0o7777
		if !chown && !chmod {
			known.learn(a)
		}
	}
	if chown {
		if err := Retry(func() error { return unix.Fchown(fd, a.UID, a.GID) }); err != nil {
			return err
		}
	}
	// As in SetByDescriptor: a change of owner takes setuid and setgid away.
	if chmod {
		if err := Retry(func() error { return unix.Fchmod(fd, want) }); err != nil {
			return err
		}
	}
	return futimens(fd, a.Times())
}

// has reports whether a file that is made for a has its mode and owner.
func (m *Made) has(a Attributes) bool {
	if m == nil {
		return false
	}
	last := m.last.Load()
	return last != nil && last.Mode == a.Mode && last.UID == a.UID && last.GID == a.GID
}

// learn notes that one had.
func (m *Made) learn(a Attributes) {
	if m != nil {
		m.last.Store(&a)
	}
}

// futimens is utimensat without a path, which is how Linux spells the function
// of that name in POSIX; x/sys/unix cannot say it, and paths in /proc are not
// there in every sandbox.
func futimens(fd int, times [2]unix.Timespec) error {
	return Retry(func() error {
		_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
}

// Times is a for utimensat; it leaves the access time alone.
func (a Attributes) Times() [2]unix.Timespec {
	return [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(a.MTime)}
}
