package launch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/exits/process"
	"mft.dev/mft/agent/exits/rule"
	"mft.dev/mft/agent/seat"
	"mft.dev/mft/internal/plain"
	"mft.dev/mft/internal/post"
)

// A Desk has a supervisor start the processes of commands. Its methods may be called concurrently.
// Their results are those of [process.Run]; an error may also mean that the process has ended
// before its command did, which was killed then. When ctx ends the command is stopped.
type Desk struct {
	User  string // that the supervisor starts the agent as
	Table *seat.Table
	// Start returns a connection to a process that it starts.
	Start func(context.Context, seat.Request) (*post.Conn, error)
}

// Run runs the command of an exit, by its number, because of what the run says has happened, for
// the nth time.
func (d *Desk) Run(ctx context.Context, exit int, run *rule.Run, nth int) (process.Outcome, error) {
	request, ok := d.Table.Exit(exit)
	o := order{run.Facts, nth}
	o.Facts.Sources = nil // they decide whether it runs
	return d.ask(ctx, request, ok, o, asked{run.Args[0], run.Rule.Exit().Timeout, stopsWithin})
}

// Check runs the check of the guard of a channel.
func (d *Desk) Check(ctx context.Context, channel string, g mft.Guard) (process.Outcome, error) {
	request, ok := d.Table.Check(channel)
	return d.ask(ctx, request, ok, order{}, asked{g.Check[0], g.Timeout, stopsWithin})
}

// An asked is what is known of a command that another process runs.
type asked struct {
	program string
	limit   time.Duration // the process keeps it
	within  time.Duration // in which it stops
}

func (d *Desk) ask(ctx context.Context, r seat.Request, ok bool, o order, a asked) (process.Outcome, error) {
	err := errors.New("the configuration has no such command")
	var conn *post.Conn
	if ok {
		conn, err = d.Start(ctx, r)
	}
	if err != nil {
		return process.Outcome{Status: -1}, mft.Fail(mft.CodeExit, "start the command", a.program, err)
	}
	return a.from(ctx, conn, o)
}

// from has the process at the other end of a connection run its command, and closes that.
func (a asked) from(ctx context.Context, conn *post.Conn, o order) (process.Outcome, error) {
	defer conn.Close()
	e, err := a.outcome(ctx, conn, o)
	if err == nil && e.Outcome.Stopped && ctx.Err() == nil { // who stops all processes of the agent has only stopped this one yet
		waits, cancel := context.WithTimeout(ctx, a.within)
		<-waits.Done()
		cancel()
		if ctx.Err() == nil {
			err = errors.New("it was stopped")
		}
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return process.Outcome{Status: -1, Stopped: true}, nil
	case err != nil:
		return process.Outcome{Status: -1}, mft.Fail(mft.CodeExit, "run the command", a.program, fmt.Errorf("the process that was to run it has ended: %w", err))
	case e.Failure != "":
		return e.Outcome, mft.Fail(mft.CodeExit, "start the command", a.program, errors.New(e.Failure))
	}
	return e.Outcome, nil
}

// outcome gives the order, and returns what comes of it.
func (a asked) outcome(ctx context.Context, conn *post.Conn, o order) (e ended, err error) {
	conn.Bound(maxEnded)
	_ = conn.Socket().SetDeadline(time.Now().Add(startsWithin + a.limit + a.within))
	if err := conn.Send(post.Message{Kind: kindOrder, Payload: plain.Append(nil, o)}); err != nil {
		return e, err
	}
	defer context.AfterFunc(ctx, func() {
		_ = conn.Send(post.Message{Kind: kindStop}) // it may have ended
		_ = conn.Socket().SetReadDeadline(time.Now().Add(a.within))
	})()
	m, err := conn.Receive()
	if err == nil && (m.Kind != kindEnded || m.File != nil) {
		err = errors.New("what it says makes no sense")
	}
	if err == nil {
		err = plain.Parse(m.Payload, &e)
	}
	return e, err
}
