//go:build unix

package doctor

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// writable asks whether this user may make files in a directory, and makes none.
func writable(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }

// sameOwner reports whether two things belong to one user.
func sameOwner(a, b fs.FileInfo) bool {
	x, ok := a.Sys().(*syscall.Stat_t)
	y, too := b.Sys().(*syscall.Stat_t)
	return !ok || !too || x.Uid == y.Uid
}
