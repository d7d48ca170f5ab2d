package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// The tracer runs an agent under ptrace and sees every system call of all its
// threads that changes a file in one of the directories of interest. It
// numbers these calls in one sequence, writes them down, and at one of them
// strikes: it kills the agent before the call, makes the call fail without
// doing it, or does it and reports a failure all the same.
//
// strace can do the first two, but counts the calls of each thread for itself;
// Go moves a goroutine from thread to thread, so the third fsync of a program
// has no fixed place there. A seccomp filter picks out the system calls of
// interest, so that the others run at full speed.
//
// The tracer is this test binary, started once more. One process each for
// tracer and agent keeps wait4 of the tracer away from the children of the
// tests.

const (
	traceVar  = "MFT_E2E_TRACE"  // a tracing in JSON: be the tracer
	filterVar = "MFT_E2E_FILTER" // install the filter and become the agent
)

// tracerKills is the signal by which the tracer kills the agent, and lives on to
// see it dead.
const tracerKills = syscall.SIGUSR1

// A strike is what a tracer does to the agent.
type strike string

const (
	strikeNone strike = ""
	strikeKill strike = "kill" // the agent dies instead of making the call
	strikeFail strike = "fail" // the call is not made and returns an error
	strikeLie  strike = "lie"  // the call is made and returns an error
)

// A tracing says what the tracer watches and where it strikes.
type tracing struct {
	// Under are the directories whose changes count.
	Under []string
	// Arm is a file without which nothing counts; "" counts from the start.
	Arm string
	// Log gets a line for every call that counts: number, name, paths.
	Log string
	// Strike happens at call number At, from 1, among those whose line in the
	// log contains Match.
	Strike strike
	At     int
	Match  string
	// Errno is what a failing call returns.
	Errno int
}

// runAsTracer is the other life of the test binary. ours tells whether it was
// started for that; status then is its exit status.
func runAsTracer() (status int, ours bool) {
	if spec := os.Getenv(traceVar); spec != "" {
		os.Unsetenv(traceVar)
		var tr tracing
		err := json.Unmarshal([]byte(spec), &tr)
		if err == nil {
			status, err = trace(tr, os.Args[1:])
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "tracer:", err)
			return 125, true
		}
		return status, true
	}
	if os.Getenv(filterVar) != "" {
		os.Unsetenv(filterVar)
		fmt.Fprintln(os.Stderr, "tracer:", becomeFiltered(os.Args[1:]))
		return 125, true
	}
	return 0, false
}

// readTrace returns the lines of a tracer's log.
func readTrace(path string) ([]string, error) {
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' }), nil
}

// traced returns the command that runs argv under the tracer. Its environment
// is that of the tracer; the one of argv may be appended.
func traced(spec tracing, argv ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, argv...)
	// The race detector would sleep for a second before it lets the tracer end.
	cmd.Env = []string{traceVar + "=" + string(b), "PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"}
	return cmd, nil
}
