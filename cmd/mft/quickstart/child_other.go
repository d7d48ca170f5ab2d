//go:build !linux

package quickstart

import (
	"os"
	"syscall"
)

func childAttributes() *syscall.SysProcAttr { return nil }

// terminate asks the agent to end; where it cannot be asked it is killed,
// which it survives as it survives a power cut.
func terminate(p *os.Process) {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		_ = p.Kill()
	}
}
