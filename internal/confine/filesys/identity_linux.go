package filesys

import (
	"io/fs"
	"path"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Stamp returns the identity of the file that fi describes. fi must come from
// this package or from package os.
func Stamp(fi fs.FileInfo) Identity {
	switch st := fi.Sys().(type) {
	case *unix.Stat_t:
		return StampOf(st)
	case *syscall.Stat_t:
		return Identity{
			Dev: uint64(st.Dev), Inode: st.Ino, Size: st.Size,
			MTime: st.Mtim.Nano(), CTime: st.Ctim.Nano(),
			Mode: st.Mode, UID: st.Uid, GID: st.Gid, Nlink: uint64(st.Nlink),
		}
	}
	return Identity{Size: fi.Size(), MTime: fi.ModTime().UnixNano(), Mode: UnixMode(fi.Mode())}
}

// StampOf is Stamp for what the kernel returned.
func StampOf(st *unix.Stat_t) Identity {
	return Identity{
		Dev: uint64(st.Dev), Inode: st.Ino, Size: st.Size,
		MTime: st.Mtim.Nano(), CTime: st.Ctim.Nano(),
		Mode: st.Mode, UID: st.Uid, GID: st.Gid, Nlink: uint64(st.Nlink),
	}
}

// info is a Stat_t as fs.FileInfo.
type info struct {
	name string
	st   unix.Stat_t
}

// NewInfo makes of what the kernel returned what package os would.
func NewInfo(file string, st *unix.Stat_t) fs.FileInfo { return &info{path.Base(file), *st} }

func (i *info) Name() string       { return i.name }
func (i *info) Size() int64        { return i.st.Size }
func (i *info) ModTime() time.Time { return time.Unix(i.st.Mtim.Unix()) }
func (i *info) IsDir() bool        { return i.Mode().IsDir() }
func (i *info) Sys() any           { return &i.st }
func (i *info) Mode() fs.FileMode  { return GoMode(i.st.Mode) }
