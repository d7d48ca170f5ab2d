package restrict

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

func foresee(p Policy) Report {
	r := Report{Role: p.Role, UID: os.Geteuid()}
	if p.User != nil {
		r.UID = int(p.User.UID)
		r.up(WallUser, "user %d, group %d", p.User.UID, p.User.GID)
	} else {
		r.open(WallUser, fmt.Sprintf("the user of whoever starts it, %d", r.UID))
	}
	r.up(WallMemory, "no core file")
	r.up(WallPrivileges, "no program that it starts gains any")
	r.up(WallCapabilities, "it keeps at most %d", len(p.Keep))
	reportLandlock(p, &r, level())
	answer := uint32(unix.SECCOMP_RET_ERRNO)
	switch _, _, err := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&answer))); {
	case !filters:
		r.missing(WallCalls, "%s", noFilters)
	case err == unix.EPERM:
		r.missing(WallCalls, "%s", otherFilter)
	case err != 0:
		r.missing(WallCalls, "this kernel has no seccomp filters: %v", err)
	default:
		r.up(WallCalls, "a filter of system calls")
	}
	return r
}

// otherFilter is why there is none where seccomp(2) may not be called. Without privileges
// nothing else refuses that under no_new_privs.
const otherFilter = "another filter, perhaps of the service manager, does not let there be one"

// noFilters is why there is no wall of calls on other processors.
const noFilters = "mft has no filter of system calls for this processor"
