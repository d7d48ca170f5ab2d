package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/exits/process"
	"mft.dev/mft/agent/exits/rule"
	"mft.dev/mft/internal/plain"
	"mft.dev/mft/internal/post"
	"mft.dev/mft/internal/restrict"
)

// A Task is what a process is for: the first thing that it is told, by the supervisor.
type Task struct {
	// Exit has the command, or the guard whose check it is; the other is nil.
	Exit  *mft.Exit
	Check *mft.Guard
	// Hidden are the files and directories of the agent that a command cannot reach.
	Hidden []string
	// User is who the process has been made.
	UID, GID uint32
	Groups   []uint32
}

// KindTask is the only message of the supervisor: a Task, with the connection to the agent.
const KindTask = 1

// The messages between the agent and the process.
const (
	kindOrder = 1 // order, once
	kindStop  = 2 // nothing: the command is to be stopped
	kindEnded = 3 // ended, once
)

// An order says what has happened, and how often the command has been run because of it.
type order struct {
	Facts rule.Facts
	Nth   int
}

// An ended says how the command ended, or what kept it from beginning.
type ended struct {
	Outcome process.Outcome
	Failure string
}

const (
	// maxTask and maxOrder bound what the process is told: a command, and paths.
	maxTask, maxOrder = 1 << 20, 1 << 18
	// maxEnded bounds what the agent is told.
	maxEnded = 4 * process.MaxOutput
	// maxSaid bounds what of a failure is handed on, in bytes.
	maxSaid = 1024
	// startsWithin is how long a process may take until its command runs, and stopsWithin how
	// long a command may take to stop, and a little.
	startsWithin = 30 * time.Second
	stopsWithin  = process.Grace + 5*time.Second
)

// OfExit returns the command of a run, for the nth time, as somebody, within walls if its exit
// has any. A command does not reach what is hidden; but what it runs for may lie there, for
// somebody has chosen to receive it there.
func OfExit(run *rule.Run, nth int, as process.Who, hidden []string) process.Order {
	e := run.Rule.Exit()
	o := process.Order{
		Args: run.Args, Env: append(run.Env, fmt.Sprintf("MFT_RUN=%d", nth)), As: as, Dir: e.Directory,
		Umask: run.Rule.Umask(), MustUmask: e.Umask != "", Timeout: e.Timeout,
	}
	if !e.Unconfined {
		o.Walls = &process.Walls{Network: e.Network, Hidden: hidden}
		if run.Facts.At != mft.EndSource {
			o.Walls.Hidden = slices.DeleteFunc(slices.Clone(hidden), func(dir string) bool { return within(dir, run.Facts.Path) })
		}
	}
	return o
}

// OfGuard returns the check of a guard, as somebody.
func OfGuard(g mft.Guard, as process.Who) process.Order {
	return process.Order{Args: g.Check, As: as, Dir: string(filepath.Separator), Umask: 0o077, Timeout: g.Timeout}
}

// within reports whether a path is a directory or lies in it.
func within(dir, path string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator))
}

// Policy is what the process of a task may do: what an agent may, as the user of the exit.
// The command has walls of its own within.
func (t *Task) Policy() restrict.Policy {
	p := restrict.Launcher()
	p.User = &restrict.User{UID: t.UID, GID: t.GID, Groups: t.Groups}
	if t.UID == 0 {
		p.Keep = process.Capabilities()
	}
	return p
}

// Main is the life of the process: it hears the supervisor on a socket, raises its walls,
// and runs the command when the agent says what has happened. It returns when that has been told how
// it ended, or has gone: then the process has to end, and the command is killed with it.
func Main(ctx context.Context, socket *os.File) error {
	const op = "start the process of a command"
	conn, err := post.Open(socket)
	if err != nil {
		return mft.Fail(mft.CodeInternal, op, "", err)
	}
	defer conn.Close()
	conn.Bound(maxTask)
	m, err := conn.Receive()
	if err == nil && (m.Kind != KindTask || m.File == nil) {
		err = errors.New("no task came")
	}
	var t Task
	if err == nil {
		err = plain.Parse(m.Payload, &t)
	}
	if err == nil && (t.Exit == nil) == (t.Check == nil) {
		err = errors.New("the task is none")
	}
	if err != nil {
		return mft.Fail(mft.CodeInternal, op, "", err)
	}
	agent, err := post.Open(m.File)
	if err != nil {
		return mft.Fail(mft.CodeInternal, op, "", err)
	}
	defer agent.Close()
	if _, err := restrict.Apply(t.Policy()); err != nil {
		return err
	}
	return t.serve(ctx, agent)
}

// command returns what is to run because of what the agent says.
func (t *Task) command(o *order) (process.Order, error) {
	as, err := process.Find(strconv.Itoa(int(t.UID)), strconv.Itoa(int(t.GID))) // this process, by name
	if err != nil {
		return process.Order{}, err
	}
	if t.Check != nil {
		return OfGuard(*t.Check, as), nil
	}
	compiled, _, err := rule.Compile(*t.Exit)
	if err != nil {
		return process.Order{}, mft.Fail(mft.CodeConfig, "run the command of", "an exit", err)
	}
	run := compiled.Run(o.Facts)
	return OfExit(&run, o.Nth, as, t.Hidden), nil
}

// serve runs the command for the agent.
func (t *Task) serve(ctx context.Context, agent *post.Conn) error {
	agent.Bound(maxOrder)
	m, err := agent.Receive()
	var o order
	if err == nil && (m.Kind != kindOrder || m.File != nil) {
		err = errors.New("no order came")
	}
	if err == nil {
		err = plain.Parse(m.Payload, &o)
	}
	if err != nil {
		return mft.Fail(mft.CodeInternal, "hear the agent", "", err)
	}
	command, err := t.command(&o)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	over, told := make(chan struct{}), make(chan error, 1)
	go func() {
		outcome, err := process.Run(ctx, command)
		close(over)
		told <- agent.Send(post.Message{Kind: kindEnded, Payload: plain.Append(nil, ended{outcome, said(err)})})
		agent.Close() // nothing more is heard
	}()
	for {
		if m, err = agent.Receive(); err != nil || m.Kind != kindStop {
			break
		}
		stop()
	}
	select {
	case <-over:
		return <-told
	default:
		return mft.Fail(mft.CodeInternal, "hear the agent", "", errors.New("it has gone before the command ended"))
	}
}

// said is what the agent is told of a failure: without what it says itself.
func said(err error) string {
	if err == nil {
		return ""
	}
	if e := (*mft.Error)(nil); errors.As(err, &e) && e.Err != nil {
		err = e.Err
	}
	text := err.Error()
	return text[:min(len(text), maxSaid)]
}
