package restrict

import (
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// Starting returns what a process that is to have the policy is started with:
// its user and, where the caller can give it, the one capability that it needs
// to empty its own bounding set. Apply gives that up.
func Starting(p Policy) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{}
	if p.User == nil {
		return attr
	}
	attr.Credential = &syscall.Credential{Uid: p.User.UID, Gid: p.User.GID, Groups: p.User.Groups}
	if int(p.User.UID) != os.Geteuid() && hasCapability(unix.CAP_SETPCAP) {
		attr.AmbientCaps = []uintptr{unix.CAP_SETPCAP}
	}
	return attr
}

func apply(p Policy) (Report, error) {
	r := Report{Role: p.Role, PID: os.Getpid(), UID: os.Geteuid()}
	if !slices.Contains(Roles(), p.Role) {
		return r, fmt.Errorf("there is no role %q", p.Role)
	}
	if p.Sockets&SocketsInternet != 0 {
		probeInternet()
	}
	for _, raise := range []func(Policy, *Report) error{user, memory, privileges, capabilities, landlockWalls, calls} {
		if err := raise(p, &r); err != nil {
			return r, err
		}
	}
	return r, verify(p, r)
}

// probeInternet has package net find out which protocols there are, for which it
// binds a socket; later it may not.
func probeInternet() {
	if c, err := net.ListenPacket("udp", "localhost:0"); err == nil {
		_ = c.Close()
	}
}

func user(p Policy, r *Report) error {
	if p.User == nil {
		r.open(WallUser, fmt.Sprintf("the user of whoever started it, %d", os.Geteuid()))
		return nil
	}
	if err := isUser(p.User); err != nil {
		return err
	}
	r.up(WallUser, "user %d, group %d", p.User.UID, p.User.GID)
	return nil
}

func isUser(want *User) error {
	ruid, euid, suid := unix.Getresuid()
	rgid, egid, sgid := unix.Getresgid()
	for _, id := range []int{ruid, euid, suid} {
		if id != int(want.UID) {
			return fmt.Errorf("it runs as user %d/%d/%d, and not as %d", ruid, euid, suid, want.UID)
		}
	}
	for _, id := range []int{rgid, egid, sgid} {
		if id != int(want.GID) {
			return fmt.Errorf("it runs as group %d/%d/%d, and not as %d", rgid, egid, sgid, want.GID)
		}
	}
	groups, err := unix.Getgroups()
	if err != nil {
		return fmt.Errorf("asking for its groups: %w", err)
	}
	for _, g := range groups {
		if g != int(want.GID) && !slices.Contains(want.Groups, uint32(g)) {
			return fmt.Errorf("it is in group %d, which it should not be", g)
		}
	}
	return nil
}

func memory(_ Policy, r *Report) error {
	// The limits of a process and whether it can be dumped are shared by its threads.
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbidding core files: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("making it undumpable: %w", err)
	}
	r.up(WallMemory, "no core file; no debugger of its user")
	return nil
}

func privileges(_ Policy, r *Report) error {
	if err := allThreadsPrctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("setting no_new_privs: %w", err)
	}
	r.up(WallPrivileges, "no program that it starts gains any")
	return nil
}

// allThreads has each thread of the process make a system call. Package syscall
// can do that only for programs without C.
func allThreads(nr, a, b, c, d, e uintptr) error {
	if _, _, errno := psx.Syscall6(nr, a, b, c, d, e, 0); errno != 0 {
		return errno
	}
	return nil
}

func allThreadsPrctl(a, b, c, d, e uintptr) error { return allThreads(unix.SYS_PRCTL, a, b, c, d, e) }
