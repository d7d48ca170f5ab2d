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

// Capabilities are those by which root may do to files what it does, and be somebody
// else: CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID,
// CAP_KILL, CAP_SETGID, CAP_SETUID; see capabilities(7). A command of root that has
// walls has them and no others.
func Capabilities() []int { return []int{0, 1, 2, 3, 4, 5, 6, 7} }
