package restrict

import (
	"errors"
	"fmt"
	"os"

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
	switch _, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); {
	case !filters:
		r.missing(WallCalls, "%s", noFilters)
	case errors.Is(err, unix.EINVAL):
		r.missing(WallCalls, "this kernel has no seccomp filters")
	default:
		r.up(WallCalls, "a filter of system calls")
	}
	return r
}

// noFilters is why there is no wall of calls on other processors.
const noFilters = "mft has no filter of system calls for this processor"
