// Package launch runs a command of the configuration, of an exit or of a guard, in a process
// of its own, which is the user of the exit or of the channel, where the agent itself may make
// no process another user.
//
//	mft launch                                // started by the supervisor, with a socket
//	launch.Main(ctx, socket)                  // the life of that process
//	outcome, err := desk.Run(ctx, exit, run, 1) // the agent, over a connection that the supervisor gave it
//
// The supervisor says what may run, from its own reading of the configuration
// ([Task]), and hands the process its connection to the agent. The agent says what
// has happened, never what runs: program and arguments are those of the configuration, with
// what happened in the place of its variables. A process runs one command, and is
// there for as long as that. When the agent goes, so does the process, and the
// system ends the command with it.
package launch
