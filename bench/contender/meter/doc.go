// Package meter weighs a run of programs: how long it took, what CPU time and
// memory it cost at either end, and how many bytes crossed the network.
//
//	lap := meter.Begin(ends, wire, false)
//	err := lap.Run(ctx, exec.CommandContext(ctx, "rsync", …))
//	reading, err := lap.End(ctx)
//
// Clients are the commands that a lap runs; daemons are processes that were
// there before and do a share of the work. Everything comes from /proc and from
// what the kernel says of a child that ended, so the package works on Linux
// only. It refuses to guess: what cannot be read is an error or is absent.
package meter
