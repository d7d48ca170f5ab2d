package filesys

import (
	"io/fs"
	"math"
	"syscall"
)

// Stamp returns the identity of the file that fi describes. fi must come from
// this package or from package os.
func Stamp(fi fs.FileInfo) Identity {
	id := Identity{
		Size: fi.Size(), MTime: fi.ModTime().UnixNano(), Mode: UnixMode(fi.Mode()),
		UID: math.MaxUint32, GID: math.MaxUint32, Nlink: 1,
	}
	if data, ok := fi.Sys().(*syscall.Win32FileAttributeData); ok {
		id.Inode = uint64(data.CreationTime.Nanoseconds())
	}
	return id
}
