// Mft moves files between hosts, and is the agent that does it.
//
//	mft quickstart                    see it work on this machine
//	mft run                           the agent, as a service
//	mft invite / mft join             let two agents trust each other
//	mft copy report.csv --dest-agent ledger --dest-path /srv/in/
//	mft help COMMAND                  everything else
//
// A command parses what was typed, calls one thing and prints what came of
// it; the agent that runs on this host does the work, reached through its
// local socket. The pages of all commands are in docs/commands.md.
//
// An error is two lines on standard error: what was tried, on what, and why,
// with a stable code; then what to do about it. The exit status is one of the
// list in package exit. The program refuses to start an agent by itself, to ask
// questions, and to print what a terminal would take for commands.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // for the schedules of hosts that have no time zones

	"mft.dev/mft/agent/exits/process"
	"mft.dev/mft/cmd/mft/exit"
	"mft.dev/mft/cmd/mft/follow"
	keys "mft.dev/mft/identity/holder/process"
)

func main() {
	os.Exit(int(start()))
}

func start() exit.Status {
	if status, asked := process.Become(os.Args); asked {
		return exit.Status(status)
	}
	if status, asked := keys.Become(os.Args, os.Stderr); asked {
		return exit.Status(status)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	return execute(ctx, &shell{
		in: os.Stdin, out: os.Stdout, errs: os.Stderr,
		env: os.Getenv, directory: os.Getwd, columns: func() int { return follow.Columns(os.Stdout) },
	}, os.Args[1:])
}
