package confine

import (
	"io/fs"
	"os"

	"mft.dev/mft/internal/confine/beneath"
	"mft.dev/mft/internal/confine/filesys"
)

// Attributes are what a file has beside its content: mode, modification time
// and owner.
type Attributes = filesys.Attributes

// SetAttributes sets owner, then mode, then times of an open file, in this
// order because a change of owner may clear setuid and setgid. The access
// time is left alone. It stops at the first error; CodePermission for an
// owner that this process may not give.
func SetAttributes(f *os.File, a Attributes) error {
	if err := filesys.SetAttributes(f, a); err != nil {
		return fail("set attributes of", f.Name(), err)
	}
	return nil
}

// Identity is what changes when a file does. Two values are compared with ==.
// Equal before and after reading means unchanged only if the first was taken
// late enough after the last change for the clock of the file system to have
// moved on; see Settle in transfer/scan.
type Identity = filesys.Identity

// Stamp returns the identity of the file that fi describes. fi must come from
// this package or from package os.
func Stamp(fi fs.FileInfo) Identity { return filesys.Stamp(fi) }

// Space is what is left of a file system for a process without privileges.
// Quotas do not show in it.
type Space = filesys.Space

// Free returns what is left of the file system that holds the directory rel.
func (r *Root) Free(rel string) (Space, error) {
	d, err := r.Dir(rel)
	if err != nil {
		return Space{}, err
	}
	var s Space
	err = d.self("measure free space of", func(h beneath.Handle) (err error) {
		s, err = h.Free()
		return err
	})
	return s, err
}
