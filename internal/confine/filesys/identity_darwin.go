package filesys

import (
	"io/fs"
	"syscall"
)

// Stamp returns the identity of the file that fi describes. fi must come from
// this package or from package os.
func Stamp(fi fs.FileInfo) Identity {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return Identity{Size: fi.Size(), MTime: fi.ModTime().UnixNano(), Mode: UnixMode(fi.Mode())}
	}
	return Identity{
		Dev: uint64(uint32(st.Dev)), Inode: st.Ino, Size: st.Size,
		MTime: st.Mtimespec.Nano(), CTime: st.Ctimespec.Nano(),
		Mode: uint32(st.Mode), UID: st.Uid, GID: st.Gid, Nlink: uint64(st.Nlink),
	}
}
