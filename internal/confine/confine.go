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
//	f, err := dir.Create("a.part") // exclusive, 0600
//	err = confine.SetAttributes(f, attributes)
//	err = confine.Flush(f)
//	err = dir.Rename("a.part", dir, "a", confine.RenameNoReplace)
//	err = dir.Sync()
//
// For many small files there is [Dir.List], [Dir.ReadSmall] and
// [Dir.WriteSmall], which do the same with fewer system calls.
//
// On Linux each path is resolved by openat2 from an open descriptor, or, where
// a kernel or sandbox lacks it, component by component without following
// links. Elsewhere os.Root holds the boundary, and components are looked at
// first; there, somebody who may write inside the root can win a race to have
// a link followed to another place inside the same root, never outside of it.
//
// The package does not decide who may write where, makes no names, keeps no
// record and never retries. It cannot help against somebody who may rename
// directories of the root to places outside of it: an open directory goes
// where it is taken. Mount points below a root are crossed, except by
// RemoveAll.
//
// Every error is an [*mft.Error] with a code and the path.
package confine

import (
	"errors"
	"io/fs"
	"os"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine/beneath"
	"mft.dev/mft/internal/confine/filesys"
)

// ErrCrossDevice is in the chain of the error of a Rename whose two names are
// on different file systems.
var ErrCrossDevice = errors.New("the two names are on different file systems")

// A Root is an open directory, below which paths are resolved. It is safe for
// concurrent use.
type Root struct {
	path string
	tree *beneath.Tree
}

// Open opens the directory at path. Symbolic links in path are followed: it is
// the word of this host's operator. It fails with CodeNotFound,
// CodePermission, or CodeWrongType when it is not a directory.
func Open(path string) (*Root, error) {
	t, err := beneath.Open(path, beneath.Best)
	if err != nil {
		return nil, fail("open directory", path, err)
	}
	return &Root{path, t}, nil
}

// Close closes the root and every descriptor that it keeps. It and the
// directories that it gave out fail from then on.
func (r *Root) Close() error {
	if err := r.tree.Close(); err != nil {
		return fail("close directory", r.path, err)
	}
	return nil
}

// Path returns the path that the root was opened by.
func (r *Root) Path() string { return r.path }

// Dir resolves rel anew and returns the directory that is there now; "" and
// "." are the root itself. It fails with CodeNotFound, CodeSymlink, or
// CodeWrongType when something else is there.
func (r *Root) Dir(rel string) (*Dir, error) {
	rel, err := beneath.CheckPath(rel)
	if err != nil {
		return nil, fail("open directory", r.join(rel), err)
	}
	node, err := r.tree.Find(rel)
	if err != nil {
		return nil, fail("open directory", r.join(rel), err)
	}
	return &Dir{root: r, node: node}, nil
}

// Sub opens the directory rel below r as a root of its own. It stays open, and
// stays that directory, when r is closed or names change: hold one to flush
// the file system of a directory that is written to. Errors are those of Dir.
func (r *Root) Sub(rel string) (*Root, error) {
	rel, err := beneath.CheckPath(rel)
	if err != nil {
		return nil, fail("open directory", r.join(rel), err)
	}
	t, err := r.tree.Sub(rel)
	if err != nil {
		return nil, fail("open directory", r.join(rel), err)
	}
	return &Root{r.join(rel), t}, nil
}

// FlushCache closes the directory descriptors that are kept open for speed.
// Directories given out stay usable.
func (r *Root) FlushCache() { r.tree.Flush() }

// MkdirAll makes the directory rel and those above it that are missing, with
// perm before umask. It returns the paths of those it made, outermost first,
// also when it fails half way.
func (r *Root) MkdirAll(rel string, perm os.FileMode) ([]string, error) {
	rel, err := beneath.CheckPath(rel)
	if err != nil {
		return nil, fail("make directory", r.join(rel), err)
	}
	if rel == "" {
		return nil, nil
	}
	if _, err := r.Dir(rel); err == nil {
		return nil, nil
	}
	d, err := r.Dir("")
	if err != nil {
		return nil, err
	}
	var made []string
	for name, rest := "", rel; rest != ""; {
		name, rest = beneath.Cut(rest)
		// Making it first and looking at what is there afterwards leaves no
		// moment in between for somebody else.
		mkErr := d.Mkdir(name, perm)
		if mkErr == nil {
			made = append(made, beneath.Join(d.node.Rel, name))
		}
		next, err := d.Dir(name)
		if err != nil {
			if mkErr != nil && !errors.Is(mkErr, fs.ErrExist) {
				err = mkErr
			}
			return made, err
		}
		d = next
	}
	return made, nil
}

// OpenFile opens the regular file rel for reading. It fails with
// CodeNotRegular when rel is anything else but a symbolic link, and with
// CodeSymlink when it is one. It does not wait for a writer of a named pipe,
// but it opens it for an instant, and a device likewise: look first.
func (r *Root) OpenFile(rel string) (*os.File, fs.FileInfo, error) {
	rel, err := beneath.CheckPath(rel)
	if err == nil && rel == "" {
		err = filesys.Refuse(mft.CodeNotRegular, "it is a directory")
	}
	if err != nil {
		return nil, nil, fail("open", r.join(rel), err)
	}
	f, fi, err := r.tree.OpenFile(rel, r.join(rel))
	if err != nil {
		return nil, nil, fail("open", r.join(rel), err)
	}
	return f, fi, nil
}

// Lstat describes rel, not following it when it is a symbolic link.
func (r *Root) Lstat(rel string) (fs.FileInfo, error) {
	d, name, err := r.parent("stat", rel)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return d.Stat()
	}
	return d.Lstat(name)
}

// Readlink returns the target of the symbolic link rel. It fails with
// CodeWrongType when rel is something else.
func (r *Root) Readlink(rel string) (string, error) {
	d, name, err := r.parent("read link", rel)
	if err != nil {
		return "", err
	}
	return d.Readlink(name)
}

// RemoveAll removes rel and all that is below it. Links are removed, not
// followed. Nothing there is no error. The root itself is refused with
// CodeBadPath. What cannot be removed stays, with the directories above it,
// and makes the first error; so does, on Linux, a mount point, which is not
// entered.
func (r *Root) RemoveAll(rel string) error {
	d, name, err := r.parent("remove", rel)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// An open descriptor would keep what is removed alive.
	r.tree.Forget(beneath.Join(d.node.Rel, name))
	return d.use("remove", name, func(h beneath.Handle) error { return h.RemoveAll(name) })
}

// Rename gives oldrel the name newrel. See Dir.Rename.
func (r *Root) Rename(oldrel, newrel string, mode RenameMode) error {
	from, oldname, err := r.parent("rename", oldrel)
	if err != nil {
		return err
	}
	to, newname, err := r.parent("rename", newrel)
	if err != nil {
		return err
	}
	return from.Rename(oldname, to, newname, mode)
}

// SyncFS flushes the whole file system that holds the root, and reports
// write-back errors since Open. Other file systems mounted below the root are
// not covered: compare Identity.Dev. It fails with errors.ErrUnsupported (in
// the sense of errors.Is) where there is no such call, or when the root may
// not be listed.
func (r *Root) SyncFS() error {
	if err := r.tree.SyncFS(); err != nil {
		return fail("flush file system", r.path, err)
	}
	return nil
}

// FlushesWhole reports whether SyncFS works here.
func (r *Root) FlushesWhole() bool { return r.tree.FlushesWhole() }

// parent resolves the directory that holds rel and returns it with the last
// component, which is empty when rel is the root.
func (r *Root) parent(op, rel string) (*Dir, string, error) {
	rel, err := beneath.CheckPath(rel)
	if err != nil {
		return nil, "", fail(op, r.join(rel), err)
	}
	dir, name := beneath.Split(rel)
	d, err := r.Dir(dir)
	return d, name, err
}

// join returns rel as people know it.
func (r *Root) join(rel string) string {
	switch {
	case rel == "":
		return r.path
	case r.path == "" || os.IsPathSeparator(r.path[len(r.path)-1]):
		return r.path + rel
	default:
		return r.path + "/" + rel
	}
}
