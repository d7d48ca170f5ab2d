//go:build !linux

package socket

import (
	"fmt"
	"io/fs"
	"net"
	"os/user"
	"runtime"
	"strconv"
)

// Members are who may use the socket beside its owner.
type members struct{ gid int } // -1 for nobody

func lookupGroup(name string) (*members, error) {
	if name == "" {
		return &members{-1}, nil
	}
	if runtime.GOOS == "windows" {
		return nil, fmt.Errorf("groups are not supported on Windows: set the access list of the directory of the socket")
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return nil, fmt.Errorf("group %q has the id %q", name, g.Gid)
	}
	return &members{gid}, nil
}

// admits trusts the permissions of the socket and of its directory: this
// system has no portable way to ask who calls.
func (m *members) admits(net.Conn) error { return nil }

// caller names nobody, for the same reason.
func caller(net.Conn) string { return "somebody" }

func groupOf(fs.FileInfo) int { return -1 }

// isWindowsSocket knows a socket on Windows, where it is a reparse point that
// is reported as irregular.
func isWindowsSocket(info fs.FileInfo) bool {
	return runtime.GOOS == "windows" && info.Mode()&fs.ModeIrregular != 0
}
