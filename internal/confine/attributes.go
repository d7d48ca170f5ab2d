package confine

import "os"

// Attributes are what a file has beside its content.
type Attributes struct {
	// Mode holds the permission bits and setuid, setgid, sticky: 07777.
	// Windows keeps only whether the owner may write.
	Mode uint32
	// MTime is in nanoseconds since the Unix epoch. The file system rounds it
	// down to what it can store; macOS to microseconds.
	MTime int64
	// UID and GID are the owner; -1 leaves it as it is. Windows ignores them.
	UID, GID int
}

// SetAttributes sets owner, then mode, then times of an open file, in this
// order because a change of owner may clear setuid and setgid. The access
// time is left alone. It stops at the first error; CodePermission for an
// owner that this process may not give.
func SetAttributes(f *os.File, a Attributes) error {
	if err := setAttributes(f, a); err != nil {
		return fail("set attributes of", f.Name(), err)
	}
	return nil
}

func (a Attributes) changesOwner() bool { return a.UID != -1 || a.GID != -1 }
