package daemon

import (
	"errors"
	"os"
	"os/exec"

	"mft.dev/mft"
)

// replace runs the other version below this process, which does nothing more
// but wait: a process of Windows cannot become another program.
func (p Program) replace() error {
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = p.Env, os.Stdin, os.Stdout, p.Errs
	if err := cmd.Start(); err != nil {
		return mft.Fail(mft.CodeTrial, "start", p.Path, err)
	}
	return errors.Join(ErrReplaced, cmd.Wait())
}
