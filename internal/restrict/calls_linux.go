//go:build amd64 || arm64

package restrict

import "golang.org/x/sys/unix"

// filterOf returns the filter of a policy, for the process pid. Our own processes
// have a list of what there is; programs that others wrote, and the processes
// which start them, one of what there is not.
func filterOf(p Policy, pid int) filter {
	// Programs look whether there is clone3, whose arguments no filter can see, and
	// use clone where there is none.
	absent := map[uintptr]uint32{unix.SYS_CLONE3: answerAbsent}
	switch p.Role {
	case RoleExit, RoleSupervisor, RoleAgent:
		return filter{rules: denied(p), hit: answerRefuse, miss: answerAllow, special: absent}
	}
	rules := append(always(pid), socketRules(p)...)
	rules = append(rules, plain(readCalls)...)
	if p.Role != RoleNetwork {
		rules = append(rules, plain(writeCalls)...)
		// Sharing content between files, and asking where it has holes.
		rules = append(rules, option(unix.SYS_IOCTL, 1, unix.FICLONE, unix.FICLONERANGE, fiemap))
	}
	if p.Role == RoleWorker {
		rules = append(rules, plain(attributeCalls)...)
	}
	if p.Programs {
		rules = append(rules, plain(programCalls)...)
	}
	return filter{rules: rules, hit: answerAllow, miss: answerRefuse, special: absent}
}

func plain(numbers []uintptr) (out []rule) {
	for _, n := range numbers {
		out = append(out, rule{number: n})
	}
	return out
}

// option allows a call with some values of an argument.
func option(number uintptr, argument uint32, values ...uint32) rule {
	r := rule{number: number}
	for _, v := range values {
		r.when = append(r.when, []check{{argument, full, v}})
	}
	return r
}

// fiemap is FS_IOC_FIEMAP of linux/fs.h.
const fiemap = 0xc020660b

// full compares all of an argument's lower half.
const full = 0xffffffff

// always are the calls that a Go program makes, and those on descriptors that it
// has already.
func always(pid int) []rule {
	self := func(n uintptr, argument uint32) rule {
		return rule{number: n, when: [][]check{{{argument, full, uint32(pid)}}}}
	}
	rules := plain([]uintptr{
		// The runtime: memory, threads, time, signals, the poller.
		unix.SYS_BRK, unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MADVISE, unix.SYS_MINCORE,
		unix.SYS_FUTEX, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_GETTID, unix.SYS_GETPID, unix.SYS_GETPPID,
		unix.SYS_SET_ROBUST_LIST, unix.SYS_SET_TID_ADDRESS, unix.SYS_RSEQ, unix.SYS_MEMBARRIER, unix.SYS_RESTART_SYSCALL,
		unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_CLOCK_GETTIME,
		unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY, unix.SYS_GETRANDOM, unix.SYS_UNAME, unix.SYS_GETRUSAGE,
		unix.SYS_GETRLIMIT, unix.SYS_SYSINFO, unix.SYS_GETITIMER, unix.SYS_SETITIMER, unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME,
		unix.SYS_TIMER_DELETE, unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGTIMEDWAIT,
		unix.SYS_SIGALTSTACK, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2,
		unix.SYS_EVENTFD2, unix.SYS_PIPE2, unix.SYS_PPOLL, unix.SYS_CAPGET, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID,
		unix.SYS_GETEGID, unix.SYS_GETRESUID, unix.SYS_GETRESGID, unix.SYS_GETGROUPS, unix.SYS_WAIT4, unix.SYS_WAITID,
		// What is open.
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_PREADV,
		unix.SYS_PWRITEV, unix.SYS_CLOSE, unix.SYS_CLOSE_RANGE, unix.SYS_FSTAT, unix.SYS_LSEEK, unix.SYS_DUP, unix.SYS_DUP3,
		unix.SYS_FCNTL, unix.SYS_RECVFROM, unix.SYS_RECVMSG, unix.SYS_RECVMMSG, unix.SYS_SENDTO, unix.SYS_SENDMSG, unix.SYS_SENDMMSG,
		unix.SYS_GETSOCKOPT, unix.SYS_SETSOCKOPT, unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME, unix.SYS_SHUTDOWN, unix.SYS_ACCEPT4,
		unix.SYS_SPLICE, unix.SYS_TEE, unix.SYS_SENDFILE,
	})
	rules = append(rules, plain(olderCalls)...)
	return append(rules,
		// Threads, and nothing that has a process of its own or sees another system.
		rule{number: unix.SYS_CLONE, when: [][]check{{
			{0, unix.CLONE_THREAD | unix.CLONE_VM | namespaces, unix.CLONE_THREAD | unix.CLONE_VM},
		}}},
		// Nobody but an intruder brings code with him.
		rule{number: unix.SYS_MMAP, when: [][]check{{{2, unix.PROT_EXEC, 0}}}},
		rule{number: unix.SYS_MPROTECT, when: [][]check{{{2, unix.PROT_EXEC, 0}}}},
		self(unix.SYS_TGKILL, 0), self(unix.SYS_KILL, 0),
		option(unix.SYS_PRLIMIT64, 0, 0, uint32(pid)),
		option(unix.SYS_PRCTL, 0, unix.PR_GET_DUMPABLE, unix.PR_GET_NO_NEW_PRIVS, unix.PR_GET_SECCOMP, unix.PR_CAPBSET_READ,
			unix.PR_CAP_AMBIENT, unix.PR_GET_NAME, unix.PR_SET_VMA),
	)
}

// namespaces are the flags of clone(2) and unshare(2) for a new view of the system.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

var readCalls = []uintptr{
	unix.SYS_OPENAT, unix.SYS_OPENAT2, unix.SYS_STATX, newfstatat, unix.SYS_READLINKAT, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2,
	unix.SYS_GETDENTS64, unix.SYS_STATFS, unix.SYS_FSTATFS, unix.SYS_FADVISE64, unix.SYS_READAHEAD, unix.SYS_GETCWD,
	unix.SYS_FGETXATTR, unix.SYS_FLISTXATTR,
	unix.SYS_INOTIFY_INIT1, unix.SYS_INOTIFY_ADD_WATCH, unix.SYS_INOTIFY_RM_WATCH,
}

var writeCalls = []uintptr{
	unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2, unix.SYS_LINKAT, unix.SYS_SYMLINKAT,
	unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC_FILE_RANGE, unix.SYS_SYNCFS,
	unix.SYS_COPY_FILE_RANGE, unix.SYS_FLOCK, unix.SYS_FCHMOD,
	unix.SYS_FCHOWN, unix.SYS_UMASK, unix.SYS_FCHDIR,
	unix.SYS_FSETXATTR, unix.SYS_FREMOVEXATTR,
}

// attributeCalls change what Landlock does not watch over, also of what is
// outside.
var attributeCalls = []uintptr{unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_FCHOWNAT, unix.SYS_UTIMENSAT}

var programCalls = []uintptr{
	unix.SYS_EXECVE, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_SETSID, unix.SYS_SETPGID, unix.SYS_CHDIR,
}

// socketRules allow the sockets of a policy.
func socketRules(p Policy) (out []rule) {
	families := kinds(p.Sockets)
	if len(families) == 0 {
		return nil
	}
	out = append(out, rule{number: unix.SYS_SOCKET, when: families}, rule{number: unix.SYS_CONNECT})
	if p.Sockets&SocketsUnix != 0 {
		out = append(out, rule{number: unix.SYS_SOCKETPAIR})
	}
	if len(p.Bind) > 0 || p.Sockets&SocketsUnix != 0 {
		out = append(out, rule{number: unix.SYS_BIND}, rule{number: unix.SYS_LISTEN})
	}
	return out
}

// kinds lists what socket(2) may be called with: family, type without its flags,
// protocol.
func kinds(s Sockets) (out [][]check) {
	const kind = full &^ (unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK)
	allow := func(family, typ, protocol uint32) {
		out = append(out, []check{{0, full, family}, {1, kind, typ}, {2, full, protocol}})
	}
	if s&SocketsUnix != 0 {
		for _, typ := range []uint32{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_SEQPACKET} {
			allow(unix.AF_UNIX, typ, 0)
		}
	}
	if s&SocketsInternet != 0 {
		for _, family := range []uint32{unix.AF_INET, unix.AF_INET6} {
			allow(family, unix.SOCK_STREAM, 0)
			allow(family, unix.SOCK_STREAM, unix.IPPROTO_TCP)
			allow(family, unix.SOCK_DGRAM, 0)
			allow(family, unix.SOCK_DGRAM, unix.IPPROTO_UDP)
		}
	}
	return out
}
