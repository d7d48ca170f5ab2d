package restrict

import "golang.org/x/sys/unix"

const (
	architecture = unix.AUDIT_ARCH_X86_64
	// x32 marks numbers of that calling convention.
	x32        = 0x40000000
	newfstatat = unix.SYS_NEWFSTATAT
	mknod      = unix.SYS_MKNOD
)

// olderCalls are harmless ones that newer processors do not have.
var olderCalls = []uintptr{unix.SYS_ARCH_PRCTL, unix.SYS_EPOLL_WAIT, unix.SYS_POLL, unix.SYS_DUP2, unix.SYS_TIME}

var olderDenied = []uintptr{unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_MODIFY_LDT, unix.SYS_USELIB, unix.SYS_USTAT, unix.SYS_LOOKUP_DCOOKIE}
