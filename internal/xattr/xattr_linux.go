package xattr

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Supported says that this system has extended attributes.
const Supported = true

// most is how long the list of names and a value may be on Linux, in bytes.
const most = 64 << 10

// Names returns the names of the attributes of a file, in no order.
func Names(f *os.File) ([]string, error) {
	all, err := read(f, func(fd int, buf []byte) (int, error) { return unix.Flistxattr(fd, buf) })
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(all), "\x00"), "\x00"), nil
}

// Get returns the value of an attribute, and whether there is one.
func Get(f *os.File, name string) (value []byte, found bool, err error) {
	value, err = read(f, func(fd int, buf []byte) (int, error) { return unix.Fgetxattr(fd, name, buf) })
	if err == unix.ENODATA {
		return nil, false, nil
	}
	return value, err == nil, err
}

// Set gives an attribute a value.
func Set(f *os.File, name string, value []byte) error {
	return control(f, func(fd int) error { return unix.Fsetxattr(fd, name, value, 0) })
}

// Remove removes an attribute. It is no error when there is none.
func Remove(f *os.File, name string) error {
	err := control(f, func(fd int) error { return unix.Fremovexattr(fd, name) })
	if err == unix.ENODATA {
		return nil
	}
	return err
}

// read calls f with a buffer that is large enough.
func read(file *os.File, f func(fd int, buf []byte) (int, error)) (out []byte, err error) {
	var room [512]byte
	err = control(file, func(fd int) error {
		n, err := f(fd, room[:])
		out = room[:max(n, 0)]
		if err == unix.ERANGE {
			out = make([]byte, most)
			n, err = f(fd, out)
			out = out[:max(n, 0)]
		}
		return err
	})
	return out, err
}

// control calls f with the descriptor, which stays open meanwhile, until it is not
// interrupted.
func control(file *os.File, f func(fd int) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = conn.Control(func(fd uintptr) {
		for {
			if inner = f(int(fd)); inner != unix.EINTR {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return inner
}
