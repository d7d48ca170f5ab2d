//go:build unix

package supervisor

import (
	"os"
	"syscall"
)

// interrupt is what tells a process to end.
func interrupt() os.Signal { return syscall.SIGTERM }
