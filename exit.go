package mft

import "time"

// ExitPhase is when an exit runs.
type ExitPhase string

// The phases of an exit.
const (
	// ExitPre runs before a transfer is accepted, or at the source before it is
	// offered for the first time, and may refuse it.
	ExitPre ExitPhase = "pre"
	// ExitPost runs for every file that was delivered, when its transfer has
	// ended; at the source for everything that the transfer names.
	ExitPost ExitPhase = "post"
	// ExitError runs once for a transfer that was accepted and has failed; at the
	// source also for one that was not accepted.
	ExitError ExitPhase = "error"
)

// An Exit is a command that this host runs because of a transfer. The zero value
// of a field is its default.
type Exit struct {
	Phase ExitPhase
	// At is the end of transfers that it is for: those that this host receives, or
	// those that it sends. Default: EndDestination.
	At End
	// From is who is at the other end, the sender or at the source the recipient;
	// "" or "*" is everybody.
	From AgentName
	// Channel is the channel whose transfers it is for; "" is any, and those
	// that no channel ordered.
	Channel string
	// Match is a regular expression (RE2) that has to be found in the absolute
	// path of the file, or in phases pre and error that of the destination; at the
	// source in that of something which the transfer names. "" is any.
	Match string
	// Run is the program and its arguments, which may hold variables such as
	// {fullFilePath}. No shell reads them.
	Run []string
	// User and Group are a name or number that it runs as. Default: those of
	// the agent. Other than those only an agent that is root can use, or one that
	// has a supervisor: then for root AllowRoot has to be set.
	User, Group string
	AllowRoot   bool
	// Directory is where it runs, absolute. Default: the root directory.
	Directory string
	// Umask is three or four octal digits. Default: 077.
	Umask string
	// Timeout is how long it may take. Default: 10 minutes, 10 seconds in
	// phase pre.
	Timeout time.Duration
	// Retries is how often it is run again when it fails, RetryDelay after
	// it did. Default: never, 10 seconds. Both are 0 in phase pre, and Once is false.
	Retries    int
	RetryDelay time.Duration
	// Once has it not run again when the agent was interrupted while it ran: it
	// runs at most once, and what is not known is told. By default it is run
	// again, so that it runs at least once.
	Once bool
	// Network lets the command use the network, Unconfined leaves out all walls
	// around it. By default it has walls, on Linux, and no network.
	Network, Unconfined bool
}
