package process

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// start begins the command on a thread of its own, which is thrown away when
// the caller calls over: a child inherits umask and ambient capabilities from
// the thread that forks it, and no other child must. That thread ends with the
// agent too, however that ends, and then the system kills the command: it must
// not run on while the next life of the agent runs it again.
func start(cmd *exec.Cmd, o *Order) (over func(), err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}
	if o.As.other {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: o.As.uid, Gid: o.As.gid, Groups: o.As.groups}
	}
	started, release, gone := make(chan error), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		started <- startHere(cmd, o)
		<-release
	}()
	return func() { close(release); <-gone }, <-started
}

func startHere(cmd *exec.Cmd, o *Order) error {
	switch err := apart(); {
	case err == nil:
		unix.Umask(o.Umask)
	case o.MustUmask:
		return err
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("giving up capabilities: %w", err)
	}
	if err := closeOnExec(); err != nil {
		return fmt.Errorf("keeping descriptors back: %w", err)
	}
	if o.Walls != nil {
		return within(cmd, o)
	}
	return cmd.Start()
}

// apart takes what this thread shares with the others apart, umask among it.
func apart() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("this system, perhaps a container, does not let the agent give a command a umask of its own: %w", err)
	}
	return nil
}

// OwnUmask says why commands cannot have a umask of their own here; nil if they
// can.
func OwnUmask() error {
	can := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked, as in start
		can <- apart()
	}()
	return <-can
}

// closeOnExec keeps back what the agent itself inherited without that mark;
// what it opens has it already.
func closeOnExec() error {
	err := unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC)
	if !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EINVAL) {
		return err
	}
	// Linux before 5.11.
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	for fd := 3; fd < int(min(limit.Cur, 1<<20)); fd++ {
		unix.CloseOnExec(fd)
	}
	return nil
}

// wait waits for the end of the command, then ends what is left of its group
// before the number of the group can become another's.
func wait(cmd *exec.Cmd) error {
	for {
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	kill(cmd)
	return cmd.Wait()
}

func terminate(cmd *exec.Cmd) { _ = unix.Kill(-cmd.Process.Pid, unix.SIGTERM) }

func kill(cmd *exec.Cmd) { _ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }

func status(s *os.ProcessState) (code int, signal string) {
	if s == nil {
		return -1, ""
	}
	if ws, ok := s.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return -1, unix.SignalName(ws.Signal())
	}
	return s.ExitCode(), ""
}
