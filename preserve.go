package mft

import (
	"fmt"
	"strings"
)

// Preserve is a set of what may travel of a file besides its content, mode, times and
// owner. The zero value is the empty set.
type Preserve uint8

// What may be in the set.
const (
	// PreserveXAttrs are the extended attributes that belong to users: those whose names
	// begin with "user.".
	PreserveXAttrs Preserve = 1 << iota
	// PreserveACLs are the access lists of POSIX.1e draft 17, and for directories those that
	// what is made in them begins with.
	PreserveACLs
	// PreserveLinks says that names which are one file at the source are one at the
	// destination.
	PreserveLinks

	// PreserveAll is all of it, and PreserveExtended what each file has for itself.
	PreserveAll      = PreserveXAttrs | PreserveACLs | PreserveLinks
	PreserveExtended = PreserveXAttrs | PreserveACLs
)

// preserved are the names of what may be in a set, by bit.
var preserved = [...]string{"xattrs", "acls", "links"}

// Has reports whether all of q is in p.
func (p Preserve) Has(q Preserve) bool { return p&q == q }

// String returns what is in the set, separated by commas; empty for nothing.
func (p Preserve) String() string { return strings.Join(p.Names(), ",") }

// Names returns the names of what is in the set, nil for nothing.
func (p Preserve) Names() []string {
	var out []string
	for i, name := range preserved {
		if p>>i&1 != 0 {
			out = append(out, name)
		}
	}
	return out
}

// ParsePreserve returns the set with these names in it. The error has CodeUsage.
func ParsePreserve(names []string) (Preserve, error) {
	var p Preserve
names:
	for _, name := range names {
		for i, known := range preserved {
			if name == known {
				p |= 1 << i
				continue names
			}
		}
		return 0, Fail(CodeUsage, "read what to preserve", name, fmt.Errorf("it is none of %s", strings.Join(preserved[:], ", ")))
	}
	return p, nil
}

// MarshalText implements encoding.TextMarshaler, in the form of String.
func (p Preserve) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Preserve) UnmarshalText(b []byte) (err error) {
	*p = 0
	if len(b) > 0 {
		*p, err = ParsePreserve(strings.Split(string(b), ","))
	}
	return err
}
