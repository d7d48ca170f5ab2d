package sandbox

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"mft.dev/mft/internal/restrict"
)

// nobody is a user and group without rights.
const nobody = 65534

// unprivileged is the user of a role that has no rights; nil when the one of this
// process has none either, or cannot be changed.
func unprivileged() *restrict.User {
	if os.Geteuid() != 0 {
		return nil
	}
	return &restrict.User{UID: nobody, GID: nobody}
}

// self is this program, also when its file was replaced or lies where the other
// user cannot look.
func self() string { return "/proc/self/exe" }

// prepare makes a place; clear removes it.
func prepare() (here place, clear func(), err error) {
	dir, err := os.MkdirTemp("", "mft-probe-")
	if err != nil {
		return here, nil, err
	}
	var open []io.Closer
	clear = func() {
		for _, c := range open {
			_ = c.Close()
		}
		_ = os.RemoveAll(dir)
	}
	if dir, err = filepath.EvalSymlinks(dir); err == nil {
		here, open, err = furnish(dir)
	}
	if err != nil {
		clear()
	}
	return here, clear, err
}

func furnish(dir string) (here place, open []io.Closer, err error) {
	here = place{
		Inside: filepath.Join(dir, "inside"), Outside: filepath.Join(dir, "outside"), Parent: os.Getpid(),
		Abstract: fmt.Sprintf("@mft-probe-%d", os.Getpid()),
	}
	here.Keys, here.Socket = filepath.Join(here.Outside, "keys.json"), filepath.Join(here.Outside, "socket")
	// Only the walls shall stand before what is outside: its modes let everybody in.
	for _, d := range []string{dir, here.Inside, here.Outside} {
		if err := errors.Join(os.MkdirAll(d, 0o755), os.Chmod(d, 0o777)); err != nil {
			return here, nil, err
		}
	}
	for name, mode := range map[string]os.FileMode{"keys.json": 0o600, "readable": 0o666, "victim": 0o666, "second": 0o666, "third": 0o666} {
		path := filepath.Join(here.Outside, name)
		if err := errors.Join(os.WriteFile(path, []byte("content"), mode), os.Chmod(path, mode)); err != nil {
			return here, nil, err
		}
	}
	own := filepath.Join(here.Inside, "own")
	if err := errors.Join(
		os.WriteFile(own, nil, 0o666), os.Chmod(own, 0o666),
		os.Symlink(filepath.Join(here.Outside, "readable"), filepath.Join(here.Inside, "link")),
	); err != nil {
		return here, nil, err
	}
	for _, l := range []struct{ network, address string }{{"tcp", "127.0.0.1:0"}, {"unix", here.Abstract}, {"unix", here.Socket}} {
		listener, err := net.Listen(l.network, l.address)
		if err != nil {
			return here, open, err
		}
		open = append(open, listener)
		if at, ok := listener.Addr().(*net.TCPAddr); ok {
			here.Port = at.Port
		}
	}
	return here, open, os.Chmod(here.Socket, 0o777)
}

// try does an act on a thread of its own, which is thrown away: what an act
// changes of its thread, should it succeed, goes with it.
func try(a act, here place) Result {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked
		done <- a.try(here)
	}()
	return judge(a.name, <-done)
}

// denials are what walls answer. EXDEV is Landlock's for a link that would lead
// over a wall: the place lies in one file system.
var denials = []unix.Errno{unix.EPERM, unix.EACCES, unix.ENOSYS, unix.EXDEV}

// judge says whether it was denied. Errors that name the arguments come from
// behind the walls.
func judge(name string, err error) Result {
	r := Result{Act: name}
	var errno unix.Errno
	switch {
	case err == nil:
		r.How = "it was done"
	case errors.As(err, &errno) && slices.Contains(denials, errno):
		r.Denied, r.How = true, unix.ErrnoName(errno)
	case errors.As(err, &errno):
		r.How = "it came as far as " + unix.ErrnoName(errno)
	default:
		r.How = err.Error()
	}
	return r
}
