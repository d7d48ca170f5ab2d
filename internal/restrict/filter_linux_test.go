//go:build amd64 || arm64

package restrict

import (
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// managed raises the filter of a service manager whose list of system calls is older than
// Landlock, and has no seccomp.
func managed() error {
	program, err := filter{
		rules: []rule{{number: unix.SYS_SECCOMP}, {number: unix.SYS_LANDLOCK_CREATE_RULESET}}, hit: answerRefuse, miss: answerAllow,
	}.assemble()
	if err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return load(program)
}

// The process that is confined is this program as well, started anew.
var _ = func() bool {
	before["work"] = managed
	return true
}()

// TestUnderAnotherFilter: where the service manager takes the calls that walls are made with,
// these walls are missing, and said to be; the process runs behind the others.
func TestUnderAnotherFilter(t *testing.T) {
	r, status, said := run(t, Worker(nil, nil), "work")
	if status != 0 {
		t.Fatalf("status %d: %s", status, said)
	}
	for _, w := range []Wall{WallCalls, WallFiles} {
		if !slices.ContainsFunc(r.Missing(), func(f Finding) bool { return f.Wall == w }) {
			t.Errorf("%s is not said to be missing: %+v", w, r)
		}
	}
}
