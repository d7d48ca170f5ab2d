package supervisor

import (
	"fmt"
	"os"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/agent/exits/launch"
	"mft.dev/mft/agent/seat"
	"mft.dev/mft/internal/plain"
	"mft.dev/mft/internal/post"
)

// maxLaunched is how many processes of commands there are at once: more than an agent asks for.
const maxLaunched = 32

// launch starts a process that runs a command of the configuration, and returns a connection to it.
func (d *desk) launch(r seat.Request) (*os.File, error) {
	const op = "start the process of a command"
	command, err := d.table.FindCommand(r)
	if err != nil {
		return nil, mft.Fail(mft.CodeConfig, op, "", err)
	}
	user, err := seat.UserOf(command.RunAs)
	if err != nil {
		return nil, err
	}
	d.launched = slices.DeleteFunc(d.launched, (*process).over)
	if len(d.launched) >= maxLaunched {
		return nil, mft.Fail(mft.CodeBusy, op, command.Program(), fmt.Errorf("%d are running", len(d.launched)))
	}
	here, there, err := post.Files()
	if err != nil {
		return nil, mft.Fail(mft.CodeInternal, op, command.Program(), err)
	}
	defer there.Close()
	task := launch.Task{
		Exit: command.Exit, Check: command.Check, Hidden: d.c.Hidden, UID: user.UID, GID: user.GID, Groups: user.Groups,
	}
	p, err := d.begin(d.c.Launch.command(task.Policy()))
	if err == nil {
		d.launched = append(d.launched, p)
		err = p.tell(post.Message{Kind: launch.KindTask, Payload: plain.Append(nil, task), File: there})
		p.conn.Close() // it is told no more
	}
	if err != nil {
		here.Close()
		return nil, mft.Fail(mft.CodeWorker, op, command.Program(), err)
	}
	return here, nil
}

// over reports whether a process has ended.
func (p *process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}
