package restrict

import "golang.org/x/sys/unix"

const (
	architecture = unix.AUDIT_ARCH_AARCH64
	x32          = 0
	newfstatat   = unix.SYS_FSTATAT
	mknod        = 0
)

var olderCalls, olderDenied []uintptr
