package filesys

import (
	"os"

	"golang.org/x/sys/windows"
)

// SetAttributes sets owner, then mode, then modification time of an open file.
func SetAttributes(f *os.File, a Attributes) error {
	if err := f.Chmod(GoMode(a.Mode & 0o7777)); err != nil {
		return err
	}
	return control(f, func(fd uintptr) error {
		mtime := windows.NsecToFiletime(a.MTime)
		return windows.SetFileTime(windows.Handle(fd), nil, nil, &mtime)
	})
}

// control calls f with the handle, which stays open meanwhile.
func control(file *os.File, f func(fd uintptr) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := conn.Control(func(fd uintptr) { inner = f(fd) }); err != nil {
		return err
	}
	return inner
}
