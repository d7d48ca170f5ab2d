package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/agent/seat"
	"mft.dev/mft/agent/worker"
	"mft.dev/mft/internal/plain"
	"mft.dev/mft/internal/post"
	"mft.dev/mft/internal/restrict"
	"mft.dev/mft/link/transport"
)

// A Command is how a process is started: this program again, its socket to the
// supervisor being descriptor 3.
type Command struct {
	Path string
	Args []string // without the program
	Env  []string
	// Errs gets what it writes to standard error.
	Errs io.Writer
}

// Config is what a supervisor needs.
type Config struct {
	Config *config.Config
	// Agent is the process of the agent.
	Agent Command
	// Network is that of the network process. Descriptor 4 is the socket that listens for
	// peers, where the configuration has one.
	Network Command
	// Worker is that of a worker.
	Worker Command
	// Launch is that of a process which runs a command of an exit or guard.
	Launch Command
	// Hidden are the files and directories of the agent that commands cannot reach.
	Hidden []string
	// Walls, if it is set, confines this process to the capabilities keep. It has the socket
	// that listens by then.
	Walls func(keep []int) (restrict.Report, error)
	Log   *slog.Logger
	// Now is called by several goroutines.
	Now func() time.Time
}

// capabilities are those that a supervisor needs: CAP_KILL, CAP_SETGID, CAP_SETUID and
// CAP_SETPCAP to make processes other users and to end them; and what a worker that is root
// or a command that is root keeps, where there may be one.
func capabilities(table *seat.Table) []int {
	keep := []int{5, 6, 7, 8}
	var all []mft.RunAs
	for _, p := range table.Places() {
		all = append(all, p.RunAs)
	}
	for _, c := range table.Commands() {
		all = append(all, c.RunAs)
	}
	for _, as := range all {
		if u, err := seat.UserOf(as); err == nil && u.UID == 0 {
			return append(worker.OwnersCapabilities(), keep...)
		}
	}
	return keep
}

// endWithin is how long a process has to end when it is told to.
const endWithin = 30 * time.Second

// Run starts the agent and serves it until ctx ends or the agent does. It returns how
// the agent ended: nil when it did so well, or because of ctx.
func Run(ctx context.Context, c Config) error {
	table := seat.Of(c.Config)
	if err := c.check(table); err != nil {
		return err
	}
	own, err := seat.UserOf(mft.RunAs{User: c.Config.Agent.User})
	if err != nil {
		return err
	}
	exposed, err := seat.UserOf(mft.RunAs{User: cmp.Or(c.Config.Agent.NetworkUser, c.Config.Agent.User)})
	if err != nil {
		return err
	}
	ln, err := listen(ctx, c.Config.Agent.Listen)
	if err != nil {
		return err
	}
	if ln != nil {
		defer ln.Close()
	}
	conn, there, err := post.Pair()
	if err != nil {
		return mft.Fail(mft.CodeInternal, "start the agent", "", err)
	}
	defer conn.Close()
	if err := c.confine(conn, capabilities(table)); err != nil {
		there.Close()
		return err
	}
	agent := c.Agent.command(restrict.Policy{User: userOf(own)})
	agent.ExtraFiles = []*os.File{there}
	err = agent.Start()
	there.Close() // it is the agent's now
	if err != nil {
		return mft.Fail(mft.CodeInternal, "start the agent", agent.Path, err)
	}
	d := &desk{
		c: c, table: table, listener: ln, exposed: exposed, workers: make(map[int]*process), pauses: make(map[int]*pause), patience: patience,
	}
	var serving sync.WaitGroup
	serving.Go(func() { d.serve(conn) })
	err = wait(ctx, agent)
	conn.Close()
	serving.Wait()
	d.end()
	return err
}

// confine raises the walls around this process, and has the agent told of them.
func (c *Config) confine(agent *post.Conn, keep []int) error {
	if c.Walls == nil {
		return nil
	}
	report, err := c.Walls(keep)
	if err != nil {
		return err
	}
	c.Log.Info("the supervisor is confined", "walls", report.String())
	if err := agent.Send(post.Message{Kind: KindWalls, Payload: plain.Append(nil, report)}); err != nil {
		return mft.Fail(mft.CodeInternal, "start the agent", "", err)
	}
	return nil
}

// check finds what could only be found when a transfer is to move: that a user is not
// there, or is root without being allowed to.
func (c *Config) check(table *seat.Table) error {
	if os.Geteuid() != 0 {
		return mft.Fail(mft.CodeConfig, "start the agent as", c.Config.Agent.User, errors.New("only root can start it as another user"))
	}
	var errs []error
	for _, p := range table.Places() {
		if _, err := seat.UserOf(p.RunAs); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.Name, err))
		}
	}
	for _, command := range table.Commands() {
		if _, err := seat.UserOf(command.RunAs); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", command.Name, err))
		}
	}
	return errors.Join(errs...)
}

func userOf(u seat.User) *restrict.User {
	return &restrict.User{UID: u.UID, GID: u.GID, Groups: u.Groups}
}

// listen opens the socket for peers, nil for an agent that only dials.
func listen(ctx context.Context, address string) (*os.File, error) {
	if address == "" {
		return nil, nil
	}
	ln, err := transport.Listen(ctx, address)
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		return nil, mft.Fail(mft.CodeInternal, "listen on", address, err)
	}
	return f, nil
}

// command returns the process of a command, with what a policy starts it with.
func (c Command) command(p restrict.Policy) *exec.Cmd {
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Args[0] = "mft"
	cmd.Env, cmd.Stderr, cmd.Dir = c.Env, c.Errs, "/"
	cmd.SysProcAttr = restrict.Starting(p)
	return cmd
}

// wait waits for the end of the agent, which ctx orders.
func wait(ctx context.Context, agent *exec.Cmd) error {
	ended := make(chan error, 1)
	go func() { ended <- agent.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			err = mft.Fail(mft.CodeWorker, "run the agent", "", err)
		}
		return err
	case <-ctx.Done():
	}
	return stop(agent, ended)
}

// stop tells a process to end, and has it ended after a while.
func stop(cmd *exec.Cmd, ended <-chan error) error {
	_ = cmd.Process.Signal(interrupt()) // it may have ended
	timer := time.NewTimer(endWithin)
	defer timer.Stop()
	select {
	case <-ended:
		return nil
	case <-timer.C:
		_ = cmd.Process.Kill()
		<-ended
		return mft.Fail(mft.CodeTimeout, "end the agent", "", errors.New("it had to be killed"))
	}
}

// The messages of the agent, and the answers.
const (
	KindWorker  = 1 // seat.Request: a connection to a worker
	KindNetwork = 5 // nothing: a connection to the network process, another one if there is one
	KindHere    = 2 // with the connection
	KindLaunch  = 6 // seat.Request: a connection to a process that runs a command, of an exit or guard
	KindRefused = 3 // Refusal
	KindWalls   = 4 // restrict.Report, of the supervisor: unasked, before all answers
)

// A Refusal says why there is no worker.
type Refusal struct {
	Code   mft.Code
	Detail string
}

// A desk answers the agent.
type desk struct {
	c       Config
	table   *seat.Table
	workers map[int]*process // by the number of their place
	pauses  map[int]*pause   // those whose last worker did not live
	// patience is the time for which one worker may hold up all others.
	patience time.Duration

	listener *os.File  // nil for an agent that only dials
	exposed  seat.User // of the network process
	network  *process  // nil until it was asked for
	launched []*process
}

// serve answers one request after the other until the agent is gone, or says what
// makes no sense: it is heard no further then.
func (d *desk) serve(conn *post.Conn) {
	for {
		m, err := conn.Receive()
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				d.c.Log.Error("the agent is heard no further", "err", err)
			}
			return
		}
		start := d.asked(m)
		if start == nil {
			d.c.Log.Error("the agent is heard no further", "err", "it said what makes no sense")
			conn.Close()
			return
		}
		answer := post.Message{Kind: KindHere, ID: m.ID}
		f, err := start()
		if err != nil {
			reason := mft.ReasonOf(err)
			answer.Kind, answer.Payload = KindRefused, plain.Append(nil, Refusal{reason.Code, reason.Detail})
		} else {
			answer.File = f
		}
		err = conn.Send(answer)
		if f != nil {
			f.Close() // the agent has it
		}
		if err != nil {
			return
		}
	}
}

// asked returns what starts what a message asks for, nil when it makes no sense.
func (d *desk) asked(m post.Message) func() (*os.File, error) {
	if m.File != nil {
		m.File.Close()
		return nil
	}
	var r seat.Request
	switch {
	case m.Kind == KindNetwork && len(m.Payload) == 0:
		return d.startNetwork
	case len(m.Payload) > maxRequest || plain.Parse(m.Payload, &r) != nil:
	case m.Kind == KindWorker:
		return func() (*os.File, error) { return d.worker(r) }
	case m.Kind == KindLaunch:
		return func() (*os.File, error) { return d.launch(r) }
	}
	return nil
}

// maxRequest is longer than any request.
const maxRequest = 64
