//go:build amd64 || arm64

package restrict

import "golang.org/x/sys/unix"

// deniedCalls are those that no command of an exit and no supervisor has a use
// for: they look into other processes, change the system or the view of it, or
// reach parts of the kernel that are attacked first.
var deniedCalls = []uintptr{
	// Other processes.
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE, unix.SYS_KCMP, unix.SYS_PIDFD_GETFD,
	unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES,
	// Parts of the kernel.
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL, unix.SYS_FANOTIFY_INIT, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_SYSLOG,
	// The view of the system.
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_OPEN_TREE,
	unix.SYS_MOVE_MOUNT, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
	// The system.
	unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_REBOOT,
	unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME,
	unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_VHANGUP,
}

// denied is what a program of somebody else, or who starts one, may not do.
func denied(p Policy) (out []rule) {
	numbers := append(append([]uintptr(nil), deniedCalls...), olderDenied...)
	for _, n := range numbers {
		// Who starts a command gives it a umask of its own by unshare(CLONE_FS).
		if n == unix.SYS_UNSHARE && p.Role.starts() {
			continue
		}
		out = append(out, rule{number: n})
	}
	for _, flag := range []uint32{
		unix.CLONE_NEWNS, unix.CLONE_NEWUSER, unix.CLONE_NEWPID, unix.CLONE_NEWNET, unix.CLONE_NEWIPC, unix.CLONE_NEWUTS, unix.CLONE_NEWCGROUP,
	} {
		out = withCheck(out, unix.SYS_CLONE, check{0, flag, flag})
		if p.Role.starts() {
			out = withCheck(out, unix.SYS_UNSHARE, check{0, flag, flag})
		}
	}
	for _, typ := range []uint32{unix.S_IFCHR, unix.S_IFBLK} {
		out = withCheck(out, unix.SYS_MKNODAT, check{2, unix.S_IFMT, typ})
		if mknod != 0 {
			out = withCheck(out, mknod, check{1, unix.S_IFMT, typ})
		}
	}
	for _, request := range []uint32{unix.TIOCSTI, unix.TIOCLINUX} {
		out = withCheck(out, unix.SYS_IOCTL, check{1, full, request})
	}
	return append(out, deniedSockets(p))
}

// withCheck adds a condition under which the call is hit.
func withCheck(rules []rule, number uintptr, c check) []rule {
	for i := range rules {
		if rules[i].number == number {
			rules[i].when = append(rules[i].when, []check{c})
			return rules
		}
	}
	return append(rules, rule{number: number, when: [][]check{{c}}})
}

// deniedSockets refuses all but those of the policy; who uses the Internet also
// asks the kernel for its addresses.
func deniedSockets(p Policy) rule {
	when := kinds(p.Sockets)
	if p.Sockets&SocketsInternet != 0 {
		when = append(when, []check{{0, full, unix.AF_NETLINK}, {2, full, unix.NETLINK_ROUTE}})
	}
	return rule{number: unix.SYS_SOCKET, when: when, allowed: len(when) > 0}
}
