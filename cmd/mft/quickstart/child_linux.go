package quickstart

import (
	"os"
	"syscall"
)

// childAttributes puts an agent into a process group of its own, so that
// Ctrl-C reaches only this process, which then ends the agents in order, and
// has it end when this process is killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

func terminate(p *os.Process) { _ = p.Signal(syscall.SIGTERM) }
