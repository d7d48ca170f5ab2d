package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"mft.dev/mft"
)

const (
	// Grace is how long a group has between SIGTERM and SIGKILL.
	Grace = 10 * time.Second
	// drain is how long the output of an ended command is waited for, when
	// something that escaped it holds that open.
	drain = 2 * time.Second
)

// Path is the PATH of a command, and where a bare program name is looked for.
const Path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// An Order is a command to run.
type Order struct {
	Args []string // program first: absolute, or a bare name that is looked for in Path
	Env  []string // NAME=value, besides PATH, HOME, USER, LOGNAME, LANG
	As   Who
	Dir  string // absolute
	// Umask is used where OwnUmask allows it. Where it does not the command has
	// the agent's, unless MustUmask says that it must not run then.
	Umask     int
	MustUmask bool
	Timeout   time.Duration
	// Walls confine it, on Linux; nil for none.
	Walls *Walls
}

// An Outcome is how a command ended.
type Outcome struct {
	Status   int    // exit status; -1 when it did not end by itself
	Signal   string // that ended it, or ""
	TimedOut bool   // it was stopped at its time limit
	Stopped  bool   // it was stopped because ctx ended
	// Output is what it wrote to its output and errors, at most MaxOutput
	// bytes: the beginning, a line that says what was cut, and the end.
	Output []byte
}

// OK reports whether the command did what it should.
func (o Outcome) OK() bool { return o.Status == 0 && !o.TimedOut && !o.Stopped }

// String says how it ended.
func (o Outcome) String() string {
	switch {
	case o.TimedOut:
		return "stopped at its time limit"
	case o.Stopped:
		return "stopped with the agent"
	case o.Signal != "":
		return "ended by signal " + o.Signal
	}
	return fmt.Sprintf("exit status %d", o.Status)
}

// Run runs a command and waits for its end. The error is an *mft.Error with
// code CodeExit, and means that it never began.
func Run(ctx context.Context, o Order) (Outcome, error) {
	return run(ctx, o, time.After, Grace)
}

// run is Run with the clock of a test.
func run(ctx context.Context, o Order, after func(time.Duration) <-chan time.Time, grace time.Duration) (Outcome, error) {
	fail := func(err error) (Outcome, error) {
		return Outcome{Status: -1}, mft.Fail(mft.CodeExit, "start the command", strings.Join(o.Args[:min(1, len(o.Args))], ""), err)
	}
	if len(o.Args) == 0 || o.Timeout <= 0 {
		return fail(errors.New("no program or no time limit is given"))
	}
	if err := ctx.Err(); err != nil {
		return fail(err)
	}
	program, err := find(o.Args[0])
	if err != nil {
		return fail(err)
	}
	var out tail
	cmd := &exec.Cmd{
		Path: program, Args: o.Args, Dir: o.Dir, Stdout: &out, WaitDelay: drain,
		Env: append(o.As.environment(), o.Env...),
	}
	cmd.Stderr = cmd.Stdout // one pipe
	over, err := start(cmd, &o)
	defer over()
	if err != nil {
		return fail(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- wait(cmd) }()
	var outcome Outcome
	select {
	case err = <-ended:
	case <-after(o.Timeout):
		outcome.TimedOut = true
		err = stop(cmd, ended, after(grace))
	case <-ctx.Done():
		outcome.Stopped = true
		err = stop(cmd, ended, after(grace))
	}
	outcome.Output = out.bytes()
	outcome.Status, outcome.Signal = status(cmd.ProcessState)
	if cmd.ProcessState == nil {
		return outcome, mft.Fail(mft.CodeExit, "wait for the command", program, err)
	}
	return outcome, nil
}

// stop ends a group, and returns when the command has ended.
func stop(cmd *exec.Cmd, ended <-chan error, grace <-chan time.Time) error {
	terminate(cmd)
	select {
	case err := <-ended:
		return err
	case <-grace:
		kill(cmd)
		return <-ended
	}
}

// Runnable says why a program cannot be run by the user of this process, as far
// as that can be seen from outside; nil when nothing speaks against it.
func Runnable(program string) error {
	name, err := find(program)
	if err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	fi, err := os.Stat(name)
	switch {
	case err != nil:
		return fmt.Errorf("%s cannot be found", name)
	case !fi.Mode().IsRegular():
		return fmt.Errorf("%s is no file", name)
	case runtime.GOOS != "windows" && fi.Mode()&0o111 == 0:
		return fmt.Errorf("%s may not be executed", name)
	}
	return nil
}

// find returns the path of a program. The PATH of the agent does not count.
func find(program string) (string, error) {
	if filepath.IsAbs(program) {
		return program, nil
	}
	if program == "" || program != filepath.Base(program) {
		return "", errors.New("the program is neither absolute nor a bare name")
	}
	for _, dir := range strings.Split(Path, ":") {
		name := filepath.Join(dir, program)
		if fi, err := os.Stat(name); err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0 {
			return name, nil
		}
	}
	return "", fmt.Errorf("there is no such program in %s; name it by its absolute path", Path)
}
