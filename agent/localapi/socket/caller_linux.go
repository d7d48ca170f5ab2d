package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Members are who may use the socket beside its owner.
type members struct{ gid int } // -1 for nobody

func lookupGroup(name string) (*members, error) {
	if name == "" {
		return &members{-1}, nil
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

// admits decides from the kernel's word who made the connection: root, the
// user of this process, or a member of the group.
func (m *members) admits(conn net.Conn) error {
	cred, err := credentials(conn)
	if err != nil {
		return err
	}
	return m.admitsUser(cred.Uid, cred.Gid)
}

// caller names the user who made the connection, as far as the kernel knows.
func caller(conn net.Conn) string {
	cred, err := credentials(conn)
	if err != nil {
		return "somebody"
	}
	id := strconv.FormatUint(uint64(cred.Uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "user " + id
}

func credentials(conn net.Conn) (cred *unix.Ucred, err error) {
	uc, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.New("it is no connection of this host")
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cerr error
	err = raw.Control(func(fd uintptr) {
		cred, cerr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, cerr); err != nil {
		return nil, fmt.Errorf("asking who calls: %w", err)
	}
	return cred, nil
}

func (m *members) admitsUser(uid, gid uint32) error {
	if uid == 0 || int(uid) == os.Geteuid() || (m.gid >= 0 && int(gid) == m.gid) {
		return nil
	}
	if m.gid >= 0 {
		u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
		if err != nil {
			return err
		}
		groups, err := u.GroupIds()
		if err != nil {
			return err
		}
		if slices.Contains(groups, strconv.Itoa(m.gid)) {
			return nil
		}
	}
	return fmt.Errorf("user %d may not use this socket", uid)
}

func groupOf(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Gid)
	}
	return -1
}

func isWindowsSocket(fs.FileInfo) bool { return false }
