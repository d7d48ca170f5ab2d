package rig

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// A Process is one life of an agent.
type Process struct {
	cmd    *exec.Cmd
	lethal syscall.Signal
	ended  chan struct{}
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// State tells how it ended; only to be asked when it has.
func (p *Process) State() *os.ProcessState { return p.cmd.ProcessState }

// start starts the process and closes p.ended when it has ended.
func (p *Process) start() error {
	started := make(chan error)
	go func() {
		defer close(p.ended)
		// An agent dies with the thread that started it, so that none is left
		// behind by a program that panics; this one waits as long as it lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // State tells
		}
	}()
	return <-started
}
