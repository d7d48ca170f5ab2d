package process

import "mft.dev/mft/internal/restrict"

// Walls are what confines a command: it cannot signal or trace the agent, gains
// no privileges, and has no network unless it is given one. A program can have
// them only if its main function calls Become first.
type Walls struct {
	Network bool
	// Hidden are files and directories that it cannot read or write, whoever it
	// is.
	Hidden []string
}

// Foresee tells which walls a command would have on this host.
func Foresee(w Walls) restrict.Report { return restrict.Foresee(restrict.Exit(w.Network, w.Hidden...)) }
