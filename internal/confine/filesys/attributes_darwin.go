package filesys

import (
	"os"

	"golang.org/x/sys/unix"
)

// SetAttributes sets owner, then mode, then modification time of an open file.
func SetAttributes(f *os.File, a Attributes) error {
	if a.ChangesOwner() {
		if err := f.Chown(a.UID, a.GID); err != nil {
			return err
		}
	}
	if err := f.Chmod(GoMode(a.Mode & 0o7777)); err != nil {
		return err
	}
	// futimes sets both times, so that the access time is written back as it
	// was.
	return control(f, func(fd int) error {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		times := []unix.Timeval{unix.NsecToTimeval(st.Atim.Nano()), unix.NsecToTimeval(a.MTime)}
		return Retry(func() error { return unix.Futimes(fd, times) })
	})
}
