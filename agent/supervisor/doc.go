// Package supervisor is the one process that has privileges: it starts the agent as a
// user without any, and for each channel and grant of its own configuration a worker as
// the user that stands there.
//
//	err := supervisor.Run(ctx, supervisor.Config{Config: cfg, Agent: command, Worker: command})
//
// It parses nothing that a peer sent and hears nobody but the agent, who can ask for
// three things: a connection to the worker of a channel or grant, by its number (package
// seat), one to a process that runs a command of an exit or guard, by its number, and one to the
// network process. Users, directories and commands it looks up itself. When the agent ends,
// so do the others and the supervisor, and the service manager starts them anew.
package supervisor
