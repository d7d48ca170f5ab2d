package filesys

// Identity is what changes when a file does. Two values are compared with ==.
// Equal before and after reading means unchanged only if the first was taken
// late enough after the last change for the clock of the file system to have
// moved on.
type Identity struct {
	// Dev and Inode number the file. On Windows Dev is 0 and Inode is the
	// time of creation.
	Dev, Inode uint64
	// Size is in bytes.
	Size int64
	// MTime and CTime are in nanoseconds since the Unix epoch. CTime is the
	// time of the last change of content or attributes, which nobody can set;
	// 0 on Windows, which keeps none.
	MTime, CTime int64
	// Mode is in Unix encoding, type bits (S_IFMT) included, on every system.
	Mode uint32
	// UID and GID are math.MaxUint32 on Windows.
	UID, GID uint32
	Nlink    uint64
}

// IsRegular reports whether it is a regular file.
func (id Identity) IsRegular() bool { return id.Mode&typeMask == typeRegular }

// IsDir reports whether it is a directory.
func (id Identity) IsDir() bool { return id.Mode&typeMask == typeDir }

// IsSymlink reports whether it is a symbolic link.
func (id Identity) IsSymlink() bool { return id.Mode&typeMask == typeSymlink }

// Perm returns the permission bits and setuid, setgid, sticky: 07777.
func (id Identity) Perm() uint32 { return id.Mode & 0o7777 }
