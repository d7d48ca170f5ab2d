// Package launch runs the command of an exit in a process of its own, which is the
// user of the exit, where the agent itself may make no process another user.
//
//	mft launch                                // started by the supervisor, with a socket
//	launch.Main(ctx, socket)                  // the life of that process
//	outcome, err := launch.Ask(ctx, conn, run, 1) // the agent, over the connection that the supervisor gave it
//
// The supervisor says what may run, from its own reading of the configuration
// ([Task]), and hands the process its connection to the agent. The agent says what
// has happened, never what runs: program and arguments are those of the exit, with
// what happened in the place of its variables. A process runs one command, and is
// there for as long as that. When the agent goes, so does the process, and the
// system ends the command with it.
package launch
