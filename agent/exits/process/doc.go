// Package process runs one command to its end: as a user, with an environment
// that is all that it gets, in a session and process group of its own, for a
// limited time, with its output kept.
//
//	who, err := process.Find(user, group)
//	outcome, err := process.Run(ctx, process.Order{Args: args, As: who, Timeout: limit})
//
// What a command inherits from the agent is: /dev/null as its input, one pipe
// for output and errors. No other descriptor, no variable, no capability.
//
// At its time limit, and when ctx ends, the whole group is sent SIGTERM and
// after a grace SIGKILL. Whatever of the group is left when the command itself
// has ended is sent SIGKILL: a command that returns leaves nothing running. Only
// a process that makes a session of its own escapes that. On Linux the command
// itself, though not what it started, is killed when the agent dies.
//
// On Linux a command can be confined, see [Walls]: this program is then started
// once more, confines itself and becomes the command.
//
// The package knows nothing of transfers, and starts no shell. Another user
// than the agent's own, and a umask, it can only provide on Linux.
package process
