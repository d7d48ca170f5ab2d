//go:build !linux || portable

package confine

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"time"

	"mft.dev/mft"
)

// A tree is a directory as package os confines it. It keeps no other
// descriptors: os.Root resolves every path from its own.
type tree struct {
	top *os.Root
}

func (t *tree) open(path string) (err error) {
	// Not on every system the error of os.OpenRoot says this.
	if fi, err := os.Stat(path); err == nil && !fi.IsDir() {
		return refuse(mft.CodeWrongType, "it is not a directory")
	}
	t.top, err = os.OpenRoot(path)
	return err
}

// sub makes of into a tree that begins at the directory rel.
func (t *tree) sub(into *tree, rel string) error {
	if _, err := t.find(rel); err != nil {
		return err
	}
	if rel == "" {
		rel = "."
	}
	var err error
	into.top, err = t.top.OpenRoot(rel)
	return err
}

func (t *tree) close() error  { return t.top.Close() }
func (t *tree) flush()        {}
func (t *tree) forget(string) {}
func (t *tree) syncFS() error { return errors.ErrUnsupported }

// use calls f with the directory of d, if that is still what stands there.
func (t *tree) use(d *Dir, f func(handle) error) error {
	id, err := t.find(d.rel)
	if err != nil {
		return err
	}
	if id != d.id {
		return refuse(mft.CodeNotFound, "another directory has taken its place")
	}
	return f(handle{tree: t, rel: d.rel})
}

// find looks at every component of rel and returns which directory is there.
func (t *tree) find(rel string) (nodeID, error) {
	fi, err := t.top.Lstat(".")
	for at, rest := "", rel; err == nil && rest != ""; {
		var name string
		name, rest = cutPath(rest)
		at = joinPath(at, name)
		if fi, err = t.top.Lstat(at); err != nil {
			break
		}
		if isLink(fi) {
			return nodeID{}, refuse(mft.CodeSymlink, "%q is a symbolic link", at)
		}
		if !fi.IsDir() {
			return nodeID{}, refuse(mft.CodeWrongType, "%q is not a directory", at)
		}
	}
	if err != nil {
		return nodeID{}, err
	}
	id := Stamp(fi)
	return nodeID{id.Dev, id.Inode}, nil
}

func (t *tree) findIn(_ handle, _, rel string) (nodeID, error) { return t.find(rel) }

func (t *tree) openFile(rel, path string) (*os.File, fs.FileInfo, error) {
	dir, name := splitPath(rel)
	if _, err := t.find(dir); err != nil {
		return nil, nil, err
	}
	return handle{tree: t, rel: dir}.openRegular(name, os.O_RDONLY)
}

// A handle is a directory below a root.
type handle struct {
	tree *tree
	rel  string
}

// at returns the path of name in the form of package os, which takes slashes
// on every system.
func (h handle) at(name string) string {
	if p := joinPath(h.rel, name); p != "" {
		return p
	}
	return "."
}

func (h handle) create(name, _ string) (*os.File, error) {
	return h.tree.top.OpenFile(h.at(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

func (h handle) openExisting(name, _ string) (*os.File, error) {
	f, _, err := h.openRegular(name, os.O_RDWR)
	return f, err
}

// openRegular looks before it opens and again after.
func (h handle) openRegular(name string, flag int) (*os.File, fs.FileInfo, error) {
	before, err := h.tree.top.Lstat(h.at(name))
	if err != nil {
		return nil, nil, err
	}
	if isLink(before) {
		return nil, nil, refuse(mft.CodeSymlink, "it is a symbolic link")
	}
	if !before.Mode().IsRegular() {
		return nil, nil, refuse(mft.CodeNotRegular, "it is not a regular file")
	}
	f, err := h.tree.top.OpenFile(h.at(name), flag, 0)
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err == nil && !os.SameFile(before, fi) {
		err = refuse(mft.CodeChanged, "another file took its place")
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

func (h handle) lstat(name string) (fs.FileInfo, error) { return h.tree.top.Lstat(h.at(name)) }

func (h handle) identity(name string) (Identity, error) {
	fi, err := h.lstat(name)
	if err != nil {
		return Identity{}, err
	}
	return Stamp(fi), nil
}

func (h handle) stat() (fs.FileInfo, error) { return h.tree.top.Lstat(h.at("")) }

func (h handle) remove(name string) error { return h.tree.top.Remove(h.at(name)) }

func (h handle) removeAll(name string) error { return h.tree.top.RemoveAll(h.at(name)) }

func (h handle) mkdir(name string, perm os.FileMode) error {
	return h.tree.top.Mkdir(h.at(name), perm.Perm())
}

func (h handle) symlink(target, name string) error {
	return h.tree.top.Symlink(target, h.at(name))
}

func (h handle) readlink(name string) (string, error) {
	fi, err := h.lstat(name)
	if err != nil {
		return "", err
	}
	if fi.Mode()&fs.ModeSymlink == 0 {
		return "", refuse(mft.CodeWrongType, "it is not a symbolic link")
	}
	return h.tree.top.Readlink(h.at(name))
}

func (h handle) list(string) (*os.File, error) { return h.tree.top.Open(h.at("")) }

func (h handle) sync() error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := h.list("")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (h handle) rename(oldname string, to handle, newname string) error {
	return h.tree.top.Rename(h.at(oldname), to.at(newname))
}

func (h handle) renameNoReplace(string, handle, string) error { return errors.ErrUnsupported }

func (h handle) link(oldname string, to handle, newname string) error {
	return h.tree.top.Link(h.at(oldname), to.at(newname))
}

func (h handle) free() (Space, error) {
	f, err := h.list("")
	if err != nil {
		return Space{}, err
	}
	defer f.Close()
	return freeOf(f)
}

func (h handle) setAttributes(a Attributes) error {
	if a.changesOwner() && runtime.GOOS != "windows" {
		if err := h.tree.top.Chown(h.at(""), a.UID, a.GID); err != nil {
			return err
		}
	}
	if err := h.tree.top.Chmod(h.at(""), goMode(a.Mode)); err != nil {
		return err
	}
	// A zero time is left alone.
	return h.tree.top.Chtimes(h.at(""), time.Time{}, time.Unix(0, a.MTime))
}

func (h handle) setLinkAttributes(name string, a Attributes) error {
	if !a.changesOwner() || runtime.GOOS == "windows" {
		return nil
	}
	return h.tree.top.Lchown(h.at(name), a.UID, a.GID)
}
