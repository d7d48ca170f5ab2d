//go:build unix

package daemon

import (
	"slices"
	"syscall"

	"mft.dev/mft"
)

// replace keeps the process and its number, and with them the place under
// whatever watches it.
func (p Program) replace() error {
	err := syscall.Exec(p.Path, slices.Concat([]string{p.Path}, p.Args), p.Env)
	return mft.Fail(mft.CodeTrial, "start", p.Path, err)
}
