package sandbox

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Arguments that are never right: an address at which there is nothing, a
// number that names nothing.
const (
	nowhere = 1
	none    = ^uintptr(0)
)

// call makes a system call whose arguments cannot have an effect.
func call(number uintptr, args ...uintptr) func(place) error {
	var a [6]uintptr
	copy(a[:], args)
	return func(place) error { return raw(number, a) }
}

func raw(number uintptr, a [6]uintptr) error {
	if _, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

// onParent makes one about the process that started this one.
func onParent(number uintptr, args func(parent uintptr) [6]uintptr) func(place) error {
	return func(here place) error { return raw(number, args(uintptr(here.Parent))) }
}

// processActs are about other processes. A signal 0 is none; a byte is read from
// an address at which no process has one.
func processActs() []act {
	return []act{
		{"be a program in this process", starters, call(unix.SYS_EXECVE, nowhere, nowhere, nowhere)},
		{"be one from a descriptor", starters, call(unix.SYS_EXECVEAT, none, nowhere, nowhere, nowhere, 0)},
		{"fork", starters, call(unix.SYS_CLONE, unix.CLONE_SIGHAND, 0, 0, 0, 0)}, // not without CLONE_VM
		{"fork by clone3", nil, call(unix.SYS_CLONE3, nowhere, 0)},
		{"make a file in memory", starters, call(unix.SYS_MEMFD_CREATE, nowhere, 0)},
		{"make memory executable", starters, call(unix.SYS_MPROTECT, nowhere, 1, unix.PROT_EXEC)},
		{"trace another process", nil, onParent(unix.SYS_PTRACE, func(p uintptr) [6]uintptr {
			return [6]uintptr{unix.PTRACE_PEEKDATA, p, nowhere, nowhere}
		})},
		{"read from another process", nil, func(here place) error {
			b := make([]byte, 1)
			_, err := unix.ProcessVMReadv(here.Parent, []unix.Iovec{{Base: &b[0], Len: 1}}, []unix.RemoteIovec{{Base: nowhere, Len: 1}}, 0)
			return err
		}},
		{"write into another process", nil, func(here place) error {
			b := make([]byte, 1)
			_, err := unix.ProcessVMWritev(here.Parent, []unix.Iovec{{Base: &b[0], Len: 1}}, []unix.RemoteIovec{{Base: nowhere, Len: 1}}, 0)
			return err
		}},
		{"take a descriptor of another process", nil, call(unix.SYS_PIDFD_GETFD, none, 0, 0)},
		{"compare with another process", nil, onParent(unix.SYS_KCMP, func(p uintptr) [6]uintptr {
			return [6]uintptr{p, p, none}
		})},
		{"signal whoever started it", free, func(here place) error { return unix.Kill(here.Parent, 0) }},
		{"signal a thread of another process", free, onParent(unix.SYS_TGKILL, func(p uintptr) [6]uintptr {
			return [6]uintptr{p, p, 0}
		})},
		{"signal the first process", free, func(place) error { return unix.Kill(1, 0) }},
	}
}

// rightsActs would gain some.
func rightsActs() []act {
	const keep = none // "no change" of setresuid(2)
	return []act{
		{"become root", supervisor, call(unix.SYS_SETRESUID, keep, 0, keep)},
		{"become the group of root", supervisor, call(unix.SYS_SETRESGID, keep, 0, keep)},
		{"join the groups of root", nil, func(place) error {
			group := []uint32{0}
			return raw(unix.SYS_SETGROUPS, [6]uintptr{1, uintptr(unsafe.Pointer(&group[0]))})
		}},
		{"take a capability", nil, func(place) error {
			h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			d := [2]unix.CapUserData{{Effective: 1 << unix.CAP_SYS_ADMIN, Permitted: 1 << unix.CAP_SYS_ADMIN}}
			return unix.Capset(&h, &d[0])
		}},
		{"change the set that bounds capabilities", nil, call(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, unix.CAP_SYS_BOOT)},
		{"be open to debuggers again", starters, call(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 1)},
	}
}

// viewActs would change what the process sees of the system.
func viewActs() []act {
	return []act{
		{"have mounts of its own", nil, call(unix.SYS_UNSHARE, unix.CLONE_NEWNS)},
		{"have a network of its own", nil, call(unix.SYS_UNSHARE, unix.CLONE_NEWNET)},
		{"have users of its own", nil, call(unix.SYS_UNSHARE, unix.CLONE_NEWUSER)},
		{"start in a namespace", nil, call(unix.SYS_CLONE, unix.CLONE_NEWUSER|unix.CLONE_SIGHAND)},
		{"enter a namespace", nil, call(unix.SYS_SETNS, none, 0)},
		{"mount", nil, call(unix.SYS_MOUNT, nowhere, nowhere, nowhere, 0, nowhere)},
		{"unmount", nil, call(unix.SYS_UMOUNT2, nowhere, 0)},
		{"change the root by pivot_root", nil, call(unix.SYS_PIVOT_ROOT, nowhere, nowhere)},
		{"change the root by chroot", nil, call(unix.SYS_CHROOT, nowhere)},
		{"open a file system", nil, call(unix.SYS_FSOPEN, nowhere, 0)},
		{"move a mount", nil, call(unix.SYS_MOVE_MOUNT, none, nowhere, none, nowhere, 0)},
		{"copy a tree of mounts", nil, call(unix.SYS_OPEN_TREE, none, nowhere, 1)},
		{"change a mount", nil, call(unix.SYS_MOUNT_SETATTR, none, nowhere, 0, nowhere, 0)},
	}
}

// kernelActs would change the system, or reach parts of the kernel that are
// attacked first.
func kernelActs() []act {
	return []act{
		{"use io_uring", nil, call(unix.SYS_IO_URING_SETUP, 0, nowhere)},
		{"load a program into the kernel", nil, call(unix.SYS_BPF, none, nowhere, 8)},
		{"count events of the processor", nil, call(unix.SYS_PERF_EVENT_OPEN, nowhere, 0, 0, none, 0)},
		{"handle page faults", nil, call(unix.SYS_USERFAULTFD, none)},
		{"use the kernel's keys", nil, call(unix.SYS_KEYCTL, none)},
		{"add a key to the kernel's", nil, call(unix.SYS_ADD_KEY, nowhere, nowhere, nowhere, 0, 0)},
		{"watch all files", nil, call(unix.SYS_FANOTIFY_INIT, none, 0)},
		{"read the log of the kernel", nil, call(unix.SYS_SYSLOG, none, nowhere, 0)},
		{"load a module", nil, call(unix.SYS_INIT_MODULE, nowhere, 0, nowhere)},
		{"load a module from a file", nil, call(unix.SYS_FINIT_MODULE, none, nowhere, none)},
		{"remove a module", nil, call(unix.SYS_DELETE_MODULE, nowhere, none)},
		{"load another kernel", nil, call(unix.SYS_KEXEC_LOAD, 0, none, nowhere, none)},
		{"restart the host", nil, call(unix.SYS_REBOOT, 0, 0, 0, nowhere)}, // without the magic numbers
		{"rename the host", nil, call(unix.SYS_SETHOSTNAME, nowhere, none)},
		{"rename the domain", nil, call(unix.SYS_SETDOMAINNAME, nowhere, none)},
		{"set the clock", nil, call(unix.SYS_CLOCK_SETTIME, none, nowhere)},
		{"set the time of day", nil, call(unix.SYS_SETTIMEOFDAY, nowhere, 0)},
		{"adjust the clock", nil, call(unix.SYS_ADJTIMEX, nowhere)},
		{"swap to a file", nil, call(unix.SYS_SWAPON, nowhere, none)},
		{"account for processes", nil, call(unix.SYS_ACCT, nowhere)},
		{"change quotas", nil, call(unix.SYS_QUOTACTL, none, nowhere, 0, nowhere)},
		{"type into a terminal", nil, call(unix.SYS_IOCTL, none, unix.TIOCSTI, nowhere)},
	}
}
