// Package confine gives out directories that cannot be left.
//
// [Open] takes a path from this host's operator, whose symbolic links are
// followed, and returns a [Root]. Everything below is named by paths that may
// come from a stranger: slash-separated, relative, opaque bytes. No such path
// leads outside of the root: ".." and absolute paths are refused, and a
// component that is a symbolic link ends the resolution with
// [mft.CodeSymlink] instead of being followed, even when somebody puts it
// there between two system calls.
//
//	root, err := confine.Open("/srv/in")
//	dir, err := root.Dir("2026/ledger")
//	f, err := dir.Create("a.part")            // exclusive, 0600
//	err = confine.SetAttributes(f, attributes)
//	err = confine.Flush(f)
//	err = dir.Rename("a.part", dir, "a", confine.RenameNoReplace)
//	err = dir.Sync()
//
// On Linux each path is resolved by openat2 from an open descriptor, or, where
// a kernel or sandbox lacks it, component by component without following
// links. Elsewhere os.Root holds the boundary, and components are looked at
// first; there, somebody who may write inside the root can win a race to have
// a link followed to another place inside the same root, never outside of it.
//
// The package does not decide who may write where, makes no names, keeps no
// record and never retries. A process that may rename directories out of the
// root takes the open descriptors along: whoever may do that owns the root.
// Mount points below a root are crossed, except by RemoveAll.
//
// Every error is an [*mft.Error] with a code and the path.
package confine

import (
	"errors"
	"io/fs"
	"os"
)

// ErrCrossDevice is in the chain of the error of a Rename whose two names are
// on different file systems.
var ErrCrossDevice = errors.New("the two names are on different file systems")

// RenameMode says what a rename does about a target that exists.
type RenameMode uint8

// The modes of a rename. Both are atomic: at no time is the new name absent
// that was present before.
const (
	// RenameReplace takes the place of a file that is there.
	RenameReplace RenameMode = iota + 1
	// RenameNoReplace fails with CodeExists when anything is there.
	RenameNoReplace
)

// Space is what is left of a file system for a process without privileges.
type Space struct {
	Bytes  int64 // -1 when unknown
	Inodes int64 // -1 when unknown or without a limit
}

// A Root is an open directory, below which paths are resolved. It is safe for
// concurrent use.
type Root struct {
	path string
}

// Open opens the directory at path. Symbolic links in path are followed: it is
// the word of this host's operator. It fails with CodeNotFound,
// CodePermission, or CodeWrongType when it is not a directory.
func Open(path string) (*Root, error) { return nil, errors.ErrUnsupported }

// Close closes the root and every descriptor that it keeps. Directories that
// it gave out fail from then on.
func (r *Root) Close() error { return errors.ErrUnsupported }

// Path returns the path that the root was opened by.
func (r *Root) Path() string { return r.path }

// Dir resolves rel anew and returns the directory that is there now; "" and
// "." are the root itself. It need not be closed.
func (r *Root) Dir(rel string) (*Dir, error) { return nil, errors.ErrUnsupported }

// FlushCache closes the directory descriptors that are kept open. Directories
// given out stay usable.
func (r *Root) FlushCache() {}

// MkdirAll makes the directory rel and those above it that are missing, with
// perm before umask. It returns the paths of those it made, outermost first,
// also when it fails half way.
func (r *Root) MkdirAll(rel string, perm os.FileMode) ([]string, error) {
	return nil, errors.ErrUnsupported
}

// OpenFile opens the regular file rel for reading. It fails with
// CodeNotRegular when rel is anything else.
func (r *Root) OpenFile(rel string) (*os.File, fs.FileInfo, error) {
	return nil, nil, errors.ErrUnsupported
}

// Lstat describes rel, not following it when it is a symbolic link.
func (r *Root) Lstat(rel string) (fs.FileInfo, error) { return nil, errors.ErrUnsupported }

// Readlink returns the target of the symbolic link rel.
func (r *Root) Readlink(rel string) (string, error) { return "", errors.ErrUnsupported }

// RemoveAll removes rel and all that is below it. Links are removed, not
// followed. Nothing there is no error. The root itself is refused with
// CodeBadPath; a mount point below ends it with an error.
func (r *Root) RemoveAll(rel string) error { return errors.ErrUnsupported }

// Rename gives oldrel the name newrel. See Dir.Rename.
func (r *Root) Rename(oldrel, newrel string, mode RenameMode) error { return errors.ErrUnsupported }

// SyncFS flushes the file system that holds the root, and reports write-back
// errors since Open. Mount points below are not covered. Without support the
// error is errors.ErrUnsupported in the sense of errors.Is.
func (r *Root) SyncFS() error { return errors.ErrUnsupported }

// Free returns what is left of the file system that holds the directory rel.
func (r *Root) Free(rel string) (Space, error) { return Space{}, errors.ErrUnsupported }

// A Dir is one directory below a Root. Its methods take names of a single
// component and refuse "", ".", "..", "/" and NUL with CodeBadPath. It stays
// with the directory that it was made for, wherever that is moved within the
// root. It needs no closing and is safe for concurrent use.
type Dir struct {
	rel string
}

// Rel returns the path of the directory below its root, "" for the root.
func (d *Dir) Rel() string { return d.rel }

// Dir returns the directory name inside d.
func (d *Dir) Dir(name string) (*Dir, error) { return nil, errors.ErrUnsupported }

// Create makes a file that was not there, mode 0600, for reading and writing.
func (d *Dir) Create(name string) (*os.File, error) { return nil, errors.ErrUnsupported }

// OpenExisting opens a regular file for reading and writing.
func (d *Dir) OpenExisting(name string) (*os.File, error) { return nil, errors.ErrUnsupported }

// Lstat describes name, not following it when it is a symbolic link.
func (d *Dir) Lstat(name string) (fs.FileInfo, error) { return nil, errors.ErrUnsupported }

// Identity is Stamp of Lstat, without the detour.
func (d *Dir) Identity(name string) (Identity, error) { return Identity{}, errors.ErrUnsupported }

// Remove removes a file, a link or an empty directory.
func (d *Dir) Remove(name string) error { return errors.ErrUnsupported }

// Mkdir makes a directory with perm before umask.
func (d *Dir) Mkdir(name string, perm os.FileMode) error { return errors.ErrUnsupported }

// Symlink makes a symbolic link that points to target.
func (d *Dir) Symlink(target, name string) error { return errors.ErrUnsupported }

// Readlink returns the target of the symbolic link name.
func (d *Dir) Readlink(name string) (string, error) { return "", errors.ErrUnsupported }

// Sync makes the names in the directory durable.
func (d *Dir) Sync() error { return errors.ErrUnsupported }

// Stat describes the directory itself.
func (d *Dir) Stat() (fs.FileInfo, error) { return nil, errors.ErrUnsupported }

// Names calls f for every name in the directory, except "." and "..", and
// stops at the first error of f, which it returns as it is. Up to 1,024 names
// are held at a time, sorted among themselves.
func (d *Dir) Names(f func(name string) error) error { return errors.ErrUnsupported }

// Rename gives oldname in d the name newname in to, which belongs to the same
// root.
func (d *Dir) Rename(oldname string, to *Dir, newname string, mode RenameMode) error {
	return errors.ErrUnsupported
}

// SetAttributes sets the attributes of the directory itself.
func (d *Dir) SetAttributes(a Attributes) error { return errors.ErrUnsupported }

// SetLinkAttributes sets owner and times of the symbolic link name without
// following it. The mode is left alone: links have none.
func (d *Dir) SetLinkAttributes(name string, a Attributes) error { return errors.ErrUnsupported }
