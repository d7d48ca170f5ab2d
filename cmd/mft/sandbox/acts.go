package sandbox

import (
	"slices"

	"mft.dev/mft/internal/restrict"
)

// An act is something that a confined process must not be able to do.
type act struct {
	name string
	// not are the roles that may do it.
	not []restrict.Role
	// try does it: nil when that went through. An error by which it is seen that
	// only the arguments were wrong counts as gone through too.
	try func(place) error
}

// actsOf returns what a role is tried with: at least 60, but for those
// that have the files of their user.
func actsOf(role restrict.Role) []act {
	var list []act
	for _, group := range acts() {
		for _, a := range group {
			if !slices.Contains(a.not, role) {
				list = append(list, a)
			}
		}
	}
	return list
}
