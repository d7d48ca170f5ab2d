//go:build !(amd64 || arm64 || ppc64 || ppc64le || riscv64 || s390x)

package entries

import (
	"golang.org/x/sys/unix"

	"mft.dev/mft/internal/confine/filesys"
)

// stat is Stat for a terminated name. Here the kernel has another layout than
// package unix, or another call.
func stat(dirfd int, name *byte, st *unix.Stat_t) error {
	return filesys.Retry(func() error {
		return unix.Fstatat(dirfd, unix.BytePtrToString(name), st, unix.AT_SYMLINK_NOFOLLOW)
	})
}
