package filesys

import "sync/atomic"

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

// ChangesOwner reports whether a asks for another owner or group.
func (a Attributes) ChangesOwner() bool { return a.UID != -1 || a.GID != -1 }

// Made remembers which attributes files come to have by being made in one
// directory, so that the kernel is asked about the first of many only. It is
// for a directory whose group and access list nobody changes meanwhile, in a
// process that leaves its umask alone. It is safe for concurrent use; nil
// remembers nothing.
type Made struct{ last atomic.Pointer[Attributes] }
