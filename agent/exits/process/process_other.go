//go:build !linux

package process

import (
	"errors"
	"os"
	"os/exec"
)

// start begins the command. Here it has the agent's umask, and a group that
// only its own process can be told from.
func start(cmd *exec.Cmd, o *Order) (over func(), err error) {
	if o.As.other {
		return func() {}, errors.New("running as another user is not possible on this operating system")
	}
	return func() {}, cmd.Start()
}

// OwnUmask says why commands cannot have a umask of their own here.
func OwnUmask() error {
	return errors.New("a umask of their own for commands is not possible on this operating system")
}

func wait(cmd *exec.Cmd) error { return cmd.Wait() }

func terminate(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

func kill(cmd *exec.Cmd) { _ = cmd.Process.Kill() }

func status(s *os.ProcessState) (code int, signal string) {
	if s == nil {
		return -1, ""
	}
	return s.ExitCode(), ""
}

// Become makes this process the command that an agent started it for: on Linux
// only.
func Become([]string) (status int, asked bool) { return 0, false }
