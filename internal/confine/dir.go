package confine

import (
	"io/fs"
	"os"
	"slices"

	"mft.dev/mft/internal/confine/beneath"
	"mft.dev/mft/internal/confine/filesys"
)

// A Dir is one directory below a Root. Its methods take the name of one thing
// in it and refuse "", ".", "..", a slash and a zero byte with CodeBadPath.
//
// A Dir names the directory that it was made for, not a path. While its
// descriptor is open it follows the directory wherever that is renamed to. At
// most 64 descriptors of a root stay open; a directory whose descriptor was
// closed is looked for under its path, and when another one is there by then,
// the methods fail with CodeNotFound. A Dir needs no closing and is safe for
// concurrent use.
type Dir struct {
	root    *Root
	node    beneath.Node
	private *filesys.Made // not nil after Private
}

// Rel returns the path of the directory below its root, "" for the root.
func (d *Dir) Rel() string { return d.node.Rel }

// Dir returns the directory name in d.
func (d *Dir) Dir(name string) (*Dir, error) {
	var node beneath.Node
	err := d.use("open directory", name, func(h beneath.Handle) (err error) {
		node, err = d.root.tree.FindIn(h, d.node.Rel, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	below := &Dir{root: d.root, node: node}
	if d.private != nil {
		below.private = new(filesys.Made)
	}
	return below, nil
}

// Create makes a file, mode 0600, for reading and writing. It fails with
// CodeExists when anything is there.
func (d *Dir) Create(name string) (*os.File, error) {
	var f *os.File
	err := d.make("create", name, func(h beneath.Handle) (err error) {
		f, err = h.Create(name, d.pathOf(name))
		return err
	})
	return f, err
}

// OpenExisting opens a regular file for reading and writing. It fails with
// CodeSymlink or CodeNotRegular when it is something else.
func (d *Dir) OpenExisting(name string) (*os.File, error) {
	var f *os.File
	err := d.use("open", name, func(h beneath.Handle) (err error) {
		f, err = h.OpenExisting(name, d.pathOf(name))
		return err
	})
	return f, err
}

// Lstat describes name, not following it when it is a symbolic link.
func (d *Dir) Lstat(name string) (fs.FileInfo, error) {
	var fi fs.FileInfo
	err := d.use("stat", name, func(h beneath.Handle) (err error) {
		fi, err = h.Lstat(name)
		return err
	})
	return fi, err
}

// Identity is Stamp of what Lstat returns, at less cost.
func (d *Dir) Identity(name string) (Identity, error) {
	var id Identity
	err := d.use("stat", name, func(h beneath.Handle) (err error) {
		id, err = h.Identity(name)
		return err
	})
	return id, err
}

// Remove removes a file, a link or an empty directory.
func (d *Dir) Remove(name string) error {
	return d.use("remove", name, func(h beneath.Handle) error { return h.Remove(name) })
}

// Mkdir makes a directory with perm before umask.
func (d *Dir) Mkdir(name string, perm os.FileMode) error {
	return d.make("make directory", name, func(h beneath.Handle) error { return h.Mkdir(name, perm) })
}

// Symlink makes a symbolic link that points to target. It does not judge
// target: whoever follows the link later may be led out of the root.
func (d *Dir) Symlink(target, name string) error {
	return d.make("make link", name, func(h beneath.Handle) error { return h.Symlink(target, name) })
}

// Readlink returns the target of the symbolic link name. It fails with
// CodeWrongType when name is something else.
func (d *Dir) Readlink(name string) (string, error) {
	var target string
	err := d.use("read link", name, func(h beneath.Handle) (err error) {
		target, err = h.Readlink(name)
		return err
	})
	return target, err
}

// Sync makes durable what was created, renamed and removed in the directory.
// On Windows, whose file systems have no such call, it does nothing.
func (d *Dir) Sync() error {
	return d.self("flush directory", func(h beneath.Handle) error { return h.Sync() })
}

// Stat describes the directory itself.
func (d *Dir) Stat() (fs.FileInfo, error) {
	var fi fs.FileInfo
	err := d.self("stat", func(h beneath.Handle) (err error) {
		fi, err = h.Stat()
		return err
	})
	return fi, err
}

// Names calls f for every name in the directory, except "." and "..", and
// stops at the first error of f, which it returns as it is. It reads 1,024
// names at a time and sorts each portion, so that a directory of usual size
// comes in order and a huge one does not come all at once. What is created or
// removed meanwhile may be seen or not.
func (d *Dir) Names(f func(name string) error) error {
	list, err := d.root.tree.Names(d.node)
	if err != nil {
		return fail("list", d.path(), err)
	}
	defer list.Close() // the second time when all was read; that is harmless
	for {
		names, err := list.Portion()
		slices.Sort(names)
		for _, name := range names {
			if err := f(name); err != nil {
				return err
			}
		}
		if err != nil {
			return fail("list", d.path(), err)
		}
		if len(names) == 0 {
			return nil
		}
	}
}

// Open opens the directory itself for reading. It fails with CodePermission when it may
// not be listed.
func (d *Dir) Open() (*os.File, error) {
	var f *os.File
	err := d.self("open", func(h beneath.Handle) (err error) {
		f, err = h.Open(d.path())
		return err
	})
	return f, err
}

// SetAttributes sets the attributes of the directory itself, in the order of
// the function SetAttributes.
func (d *Dir) SetAttributes(a Attributes) error {
	return d.self("set attributes of", func(h beneath.Handle) error { return h.SetAttributes(a) })
}

// SetLinkAttributes sets owner and, on Linux, times of the symbolic link name
// without following it. The mode is left alone: links have none.
func (d *Dir) SetLinkAttributes(name string, a Attributes) error {
	return d.use("set attributes of", name, func(h beneath.Handle) error { return h.SetLinkAttributes(name, a) })
}

// make is use for what gives a new name.
func (d *Dir) make(op, name string, f func(beneath.Handle) error) error {
	return d.use(op, name, func(h beneath.Handle) error {
		err := f(h)
		if filesys.IsBadName(err) {
			err = filesys.RefuseName()
		}
		return err
	})
}

// use calls f with an open handle of the directory, to do something with name
// in it, and gives the error its path.
func (d *Dir) use(op, name string, f func(beneath.Handle) error) error {
	err := beneath.CheckName(name)
	if err == nil {
		err = d.root.tree.Use(d.node, f)
	}
	if err != nil {
		return fail(op, d.pathOf(name), err)
	}
	return nil
}

// self is use for the directory itself.
func (d *Dir) self(op string, f func(beneath.Handle) error) error {
	if err := d.root.tree.Use(d.node, f); err != nil {
		return fail(op, d.path(), err)
	}
	return nil
}

// path returns the path of the directory as people know it.
func (d *Dir) path() string { return d.root.join(d.node.Rel) }

// pathOf returns the path of name in d.
func (d *Dir) pathOf(name string) string { return d.root.join(beneath.Join(d.node.Rel, name)) }
