// Package socket makes the local socket of an agent and says who may use it:
// the owner of the process, root, and the members of one group.
//
//	ln, err := socket.Listen("/var/lib/mft/agent.sock", "operators")
//	conn, err := ln.Accept()
//	err = ln.Admits(conn)
//
// The permissions of the socket and of its directory are the first wall, the
// kernel's word on who made a connection the second, where there is one
// (Linux). The package refuses to take the place of a socket on which somebody
// may still listen.
package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"mft.dev/mft"
)

// maxSocketPath is the longest path that every system takes for a socket.
const maxSocketPath = 103

// Listen makes the socket at path for the owner of this process and, if group
// is not empty, the members of that group of the host: as its permissions, and
// as what the listener's connections are checked against. A directory that is
// missing is made, for the same people. A socket that another process left
// behind is replaced, after it was tried and nobody answered.
//
// Errors: mft.CodeRunning when somebody answers, mft.CodeConfig for a path or
// group that cannot be used, mft.CodePermission.
func Listen(path, group string) (*Listener, error) {
	const op = "make the local socket"
	fail := func(code mft.Code, err error) (*Listener, error) { return nil, mft.Fail(code, op, path, err) }
	if len(path) > maxSocketPath {
		return fail(mft.CodeConfig, fmt.Errorf("the path of a socket has at most %d bytes, this has %d", maxSocketPath, len(path)))
	}
	members, err := lookupGroup(group)
	if err != nil {
		return fail(mft.CodeConfig, err)
	}
	if err := prepareDirectory(filepath.Dir(path), members); err != nil {
		return fail(mft.CodePermission, err)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return fail(mft.CodePermission, err)
		}
		return fail(mft.CodeConfig, err)
	}
	if err := restrict(path, members); err != nil {
		ln.Close()
		return fail(mft.CodePermission, err)
	}
	return &Listener{UnixListener: ln, members: members}, nil
}

// A Listener accepts connections to the local socket. Closing it removes the
// socket.
type Listener struct {
	*net.UnixListener
	members *members
}

// Admits returns nil if whoever made the connection may use the socket, else
// why not.
func (l *Listener) Admits(conn net.Conn) error { return l.members.admits(conn) }

// Caller names the user who made the connection, where the system tells.
func (l *Listener) Caller(conn net.Conn) string { return caller(conn) }

// prepareDirectory makes the directory of the socket if there is none, and lets
// the group enter it if there is one and it may not.
func prepareDirectory(dir string, m *members) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if m.gid < 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm()&0o001 != 0 || (info.Mode().Perm()&0o010 != 0 && groupOf(info) == m.gid) {
		return err
	}
	if err := os.Chown(dir, -1, m.gid); err != nil {
		return err
	}
	return os.Chmod(dir, info.Mode().Perm()|0o010)
}

// restrict sets the permissions of the socket. Until then it has those of the
// umask; a connection made meanwhile is still checked by who makes it.
func restrict(path string, m *members) error {
	if m.gid < 0 {
		return os.Chmod(path, 0o600)
	}
	if err := os.Chown(path, -1, m.gid); err != nil {
		return err
	}
	return os.Chmod(path, 0o660)
}

// removeStale removes a socket on which nobody listens.
func removeStale(path string) error {
	const op = "replace the local socket"
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return mft.Fail(mft.CodePermission, op, path, err)
	}
	if info.Mode().Type() != fs.ModeSocket && !isWindowsSocket(info) {
		return mft.Fail(mft.CodeConfig, op, path, errors.New("something that is no socket stands there"))
	}
	conn, err := net.DialTimeout("unix", path, 5*time.Second)
	switch {
	case err == nil:
		conn.Close()
		return mft.Fail(mft.CodeRunning, op, path, nil)
	case errors.Is(err, syscall.ECONNREFUSED), isRefused(err):
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return mft.Fail(mft.CodePermission, op, path, err)
		}
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	// Whoever is there may be too busy to answer: that is no proof.
	return mft.Fail(mft.CodeRunning, op, path, err)
}

// isRefused knows the words of systems whose error has another number.
func isRefused(err error) bool { return strings.Contains(err.Error(), "refused") }
