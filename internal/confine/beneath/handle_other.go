//go:build !linux || portable

package beneath

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine/filesys"
)

// A Tree is a directory as package os confines it. It keeps no other
// descriptors: os.Root resolves every path from its own.
type Tree struct {
	top *os.Root
}

// Open opens the tree below the directory path, in which links are followed.
func Open(path string, _ How) (*Tree, error) {
	// Not on every system the error of os.OpenRoot says this.
	if fi, err := os.Stat(path); err == nil && !fi.IsDir() {
		return nil, filesys.Refuse(mft.CodeWrongType, "it is not a directory")
	}
	top, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Tree{top}, nil
}

// Sub opens the directory rel as a tree of its own.
func (t *Tree) Sub(rel string) (*Tree, error) {
	if _, err := t.Find(rel); err != nil {
		return nil, err
	}
	if rel == "" {
		rel = "."
	}
	top, err := t.top.OpenRoot(rel)
	if err != nil {
		return nil, err
	}
	return &Tree{top}, nil
}

// Close closes the tree.
func (t *Tree) Close() error { return t.top.Close() }

// Flush has nothing to do here.
func (t *Tree) Flush() {}

// Forget has nothing to do here.
func (t *Tree) Forget(string) {}

// SyncFS is not possible here.
func (t *Tree) SyncFS() error { return errors.ErrUnsupported }

// FlushesWhole reports whether SyncFS is possible.
func (t *Tree) FlushesWhole() bool { return false }

// Use calls f with the directory n, if that is still what has its path.
func (t *Tree) Use(n Node, f func(Handle) error) error {
	now, err := t.Find(n.Rel)
	if err != nil {
		return err
	}
	if now != n {
		return filesys.Refuse(mft.CodeNotFound, "another directory has taken its place")
	}
	return f(Handle{tree: t, rel: n.Rel})
}

// Find looks at every component of rel and returns which directory is there.
func (t *Tree) Find(rel string) (Node, error) {
	fi, err := t.top.Lstat(".")
	for at, rest := "", rel; err == nil && rest != ""; {
		var name string
		name, rest = Cut(rest)
		at = Join(at, name)
		if fi, err = t.top.Lstat(at); err != nil {
			break
		}
		if isLink(fi) {
			return Node{}, filesys.Refuse(mft.CodeSymlink, "%q is a symbolic link", at)
		}
		if !fi.IsDir() {
			return Node{}, filesys.Refuse(mft.CodeWrongType, "%q is not a directory", at)
		}
	}
	if err != nil {
		return Node{}, err
	}
	id := filesys.Stamp(fi)
	return Node{Rel: rel, dev: id.Dev, inode: id.Inode}, nil
}

// FindIn is Find for the directory name in the one with the path above.
func (t *Tree) FindIn(_ Handle, above, name string) (Node, error) {
	return t.Find(Join(above, name))
}

func (t *Tree) OpenFile(rel, path string) (*os.File, fs.FileInfo, error) {
	dir, name := Split(rel)
	if _, err := t.Find(dir); err != nil {
		return nil, nil, err
	}
	return Handle{tree: t, rel: dir}.openRegular(name, os.O_RDONLY)
}

// AcrossTrees says that what is in one tree can be renamed to a name in another.
const AcrossTrees = false

// A Handle is a directory below a root.
type Handle struct {
	tree *Tree
	rel  string
}

// at returns the path of name in the form of package os, which takes slashes
// on every system.
func (h Handle) at(name string) string {
	if p := Join(h.rel, name); p != "" {
		return p
	}
	return "."
}

// Create makes the file name, mode 0600, to be known as path.
func (h Handle) Create(name, _ string) (*os.File, error) {
	return h.tree.top.OpenFile(h.at(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// OpenExisting opens the regular file name, to be known as path.
func (h Handle) OpenExisting(name, _ string) (*os.File, error) {
	f, _, err := h.openRegular(name, os.O_RDWR)
	return f, err
}

// openRegular looks before it opens and again after.
func (h Handle) openRegular(name string, flag int) (*os.File, fs.FileInfo, error) {
	before, err := h.tree.top.Lstat(h.at(name))
	if err != nil {
		return nil, nil, err
	}
	if isLink(before) {
		return nil, nil, filesys.Refuse(mft.CodeSymlink, "it is a symbolic link")
	}
	if !before.Mode().IsRegular() {
		return nil, nil, filesys.RefuseNotRegular()
	}
	f, err := h.tree.top.OpenFile(h.at(name), flag, 0)
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err == nil && !os.SameFile(before, fi) {
		err = filesys.Refuse(mft.CodeChanged, "another file took its place")
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, fi, nil
}

// isLink reports whether following fi leads elsewhere: symbolic links, and the
// mount points and other reparse points of Windows.
func isLink(fi fs.FileInfo) bool { return fi.Mode()&(fs.ModeSymlink|fs.ModeIrregular) != 0 }

// Lstat describes name.
func (h Handle) Lstat(name string) (fs.FileInfo, error) { return h.tree.top.Lstat(h.at(name)) }

// Identity returns what identifies name.
func (h Handle) Identity(name string) (filesys.Identity, error) {
	fi, err := h.Lstat(name)
	if err != nil {
		return filesys.Identity{}, err
	}
	return filesys.Stamp(fi), nil
}

// Stat describes the directory itself.
func (h Handle) Stat() (fs.FileInfo, error) { return h.tree.top.Lstat(h.at("")) }

// Remove removes a file, a link or an empty directory.
func (h Handle) Remove(name string) error { return h.tree.top.Remove(h.at(name)) }

// RemoveAll removes name and all that is below it.
func (h Handle) RemoveAll(name string) error { return h.tree.top.RemoveAll(h.at(name)) }

// Mkdir makes a directory.
func (h Handle) Mkdir(name string, perm os.FileMode) error {
	return h.tree.top.Mkdir(h.at(name), perm.Perm())
}

// Symlink makes a link.
func (h Handle) Symlink(target, name string) error {
	return h.tree.top.Symlink(target, h.at(name))
}

// Readlink returns the target of a link.
func (h Handle) Readlink(name string) (string, error) {
	fi, err := h.Lstat(name)
	if err != nil {
		return "", err
	}
	if fi.Mode()&fs.ModeSymlink == 0 {
		return "", filesys.Refuse(mft.CodeWrongType, "it is not a symbolic link")
	}
	return h.tree.top.Readlink(h.at(name))
}

// list opens the directory for listing.
func (h Handle) list() (*os.File, error) { return h.tree.top.Open(h.at("")) }

// Sync makes the names in the directory durable.
func (h Handle) Sync() error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := h.list()
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Rename gives oldname the name newname, replacing what has it.
func (h Handle) Rename(oldname string, to Handle, newname string) error {
	return h.tree.top.Rename(h.at(oldname), to.at(newname))
}

// RenameNoReplace fails where there is no such call.
func (h Handle) RenameNoReplace(string, Handle, string) error { return errors.ErrUnsupported }

// Link gives oldname a second name.
func (h Handle) Link(oldname string, to Handle, newname string) error {
	return h.tree.top.Link(h.at(oldname), to.at(newname))
}

// Free returns what is left of the file system.
func (h Handle) Free() (filesys.Space, error) {
	f, err := h.list()
	if err != nil {
		return filesys.Space{}, err
	}
	defer f.Close()
	return filesys.FreeOf(f)
}

// Born returns 0: it is not known when name was made.
func (h Handle) Born(string) (int64, error) { return 0, nil }

// Open opens the directory itself for reading.
func (h Handle) Open(string) (*os.File, error) { return h.list() }

// SetAttributes sets the attributes of the directory itself.
func (h Handle) SetAttributes(a filesys.Attributes) error {
	if a.ChangesOwner() && runtime.GOOS != "windows" {
		if err := h.tree.top.Chown(h.at(""), a.UID, a.GID); err != nil {
			return err
		}
	}
	if err := h.tree.top.Chmod(h.at(""), filesys.GoMode(a.Mode)); err != nil {
		return err
	}
	// A zero time is left alone.
	return h.tree.top.Chtimes(h.at(""), time.Time{}, time.Unix(0, a.MTime))
}

// SetLinkAttributes sets owner and times of a link.
func (h Handle) SetLinkAttributes(name string, a filesys.Attributes) error {
	if !a.ChangesOwner() || runtime.GOOS == "windows" {
		return nil
	}
	return h.tree.top.Lchown(h.at(name), a.UID, a.GID)
}
