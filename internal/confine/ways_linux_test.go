//go:build !portable

package confine

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"mft.dev/mft/internal/confine/beneath"
)

// portableRoot says that package os confines the paths.
const portableRoot = false

// eachWay runs a test once for every way in which paths are resolved here.
func eachWay(t *testing.T, f func(t *testing.T, open func(path string) (*Root, error))) {
	t.Run("openat2", func(t *testing.T) { f(t, Open) })
	t.Run("walk", func(t *testing.T) {
		f(t, func(path string) (*Root, error) {
			tree, err := beneath.Open(path, beneath.Walk)
			return &Root{path, tree}, err
		})
	})
}

// exchange swaps two names in one step.
func exchange(a, b string) error {
	return unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
}

// asNobody runs f on a thread that has given up the rights of root, so that
// permissions count. f must not call t.FailNow.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	const nobody = 65534
	done := make(chan unix.Errno)
	go func() {
		// The thread is never unlocked, and so ends with the goroutine. The
		// calls of package unix would change every thread.
		runtime.LockOSThread()
		for _, call := range [][4]uintptr{
			{unix.SYS_SETGROUPS, 0, 0, 0},
			{unix.SYS_SETRESGID, nobody, nobody, nobody},
			{unix.SYS_SETRESUID, nobody, nobody, nobody},
		} {
			if _, _, errno := unix.RawSyscall(call[0], call[1], call[2], call[3]); errno != 0 {
				done <- errno
				return
			}
		}
		f()
		done <- 0
	}()
	if errno := <-done; errno != 0 {
		t.Skipf("this process may not become another user: %v", errno)
	}
}
