package confine

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine/beneath"
	"mft.dev/mft/internal/confine/filesys"
)

// RenameMode says what a rename does about a target that exists.
type RenameMode uint8

// The modes of a rename.
const (
	// RenameReplace puts the file in the place of one that is there, so that
	// at every moment one of the two has the name.
	RenameReplace RenameMode = iota + 1
	// RenameNoReplace fails with CodeExists when anything is there.
	RenameNoReplace
)

// Rename gives oldname in d the name newname in to. When the two are on
// different file systems the error is ErrCrossDevice in the sense of errors.Is,
// and nothing happened; so it is on systems other than Linux when they belong to
// different roots.
//
// RenameNoReplace is one system call where the file system has it. Elsewhere
// it is a hard link followed by the removal of the old name: a crash between
// the two leaves both names, and doing the same rename again completes it. On
// a file system without hard links it looks first and then renames; what
// somebody else puts there in that instant is replaced.
func (d *Dir) Rename(oldname string, to *Dir, newname string, mode RenameMode) error {
	if d.root != to.root && !beneath.AcrossTrees {
		return fail("rename", d.pathOf(oldname), fmt.Errorf("to %q: %w", to.pathOf(newname), ErrCrossDevice))
	}
	if err := beneath.CheckName(newname); err != nil {
		return fail("rename to", to.pathOf(newname), err)
	}
	return d.use("rename", oldname, func(from beneath.Handle) error {
		err := to.root.tree.Use(to.node, func(into beneath.Handle) error {
			m := move{from: from, into: into, oldname: oldname, newname: newname, within: d.node == to.node}
			if mode == RenameReplace {
				return from.Rename(oldname, into, newname)
			}
			return m.noReplace()
		})
		switch {
		case filesys.IsCrossDevice(err):
			return fmt.Errorf("to %q: %w: %w", to.pathOf(newname), ErrCrossDevice, err)
		case filesys.IsBadName(err):
			return filesys.Refuse(mft.CodeBadPath, "to %q: the file system refuses the name", to.pathOf(newname))
		case err != nil:
			return fmt.Errorf("to %q: %w", to.pathOf(newname), err)
		}
		return nil
	})
}

// Born returns when name was made, or the directory itself for the empty name, in nanoseconds
// since the epoch; 0 where the system does not tell.
func (d *Dir) Born(name string) (at int64, err error) {
	born := func(h beneath.Handle) (err error) {
		at, err = h.Born(name)
		return err
	}
	if name == "" {
		err = d.self("look at", born)
	} else {
		err = d.use("look at", name, born)
	}
	return at, err
}

// Link gives the file name another name, in to. It fails with CodeExists when something has
// that, and with CodeOther where files cannot have several.
func (d *Dir) Link(name string, to *Dir, newname string) error {
	return d.use("link", name, func(from beneath.Handle) error {
		if err := beneath.CheckName(newname); err != nil {
			return err
		}
		return to.root.tree.Use(to.node, func(into beneath.Handle) error { return from.Link(name, into, newname) })
	})
}

// A move is one rename that replaces nothing.
type move struct {
	from, into       beneath.Handle
	oldname, newname string
	within           bool // both names are in one directory
}

func (m move) noReplace() error {
	err := m.from.RenameNoReplace(m.oldname, m.into, m.newname)
	if errors.Is(err, errors.ErrUnsupported) {
		err = m.byLink()
	}
	if errors.Is(err, fs.ErrExist) && m.halfDone() {
		return m.from.Remove(m.oldname)
	}
	return err
}

// byLink renames by making a second name.
func (m move) byLink() error {
	id, err := m.from.Identity(m.oldname)
	if err != nil {
		return err
	}
	if !id.IsDir() {
		switch err := m.from.Link(m.oldname, m.into, m.newname); {
		case err == nil:
			return m.from.Remove(m.oldname)
		case errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist), filesys.IsCrossDevice(err):
			return err
		}
		// Whatever else a file system says about links: it has none.
	}
	return m.byLooking()
}

// byLooking renames when nothing has the new name. Of a directory that is
// safe enough: renaming one replaces at most an empty directory.
func (m move) byLooking() error {
	if _, err := m.into.Identity(m.newname); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fs.ErrExist
		}
		return err
	}
	return m.from.Rename(m.oldname, m.into, m.newname)
}

// halfDone reports whether both names are the same file because an earlier
// byLink was interrupted.
func (m move) halfDone() bool {
	if m.within && strings.EqualFold(m.oldname, m.newname) {
		return false // perhaps one name, on a file system that ignores case
	}
	a, err := m.from.Identity(m.oldname)
	if err != nil || a.Nlink < 2 || a.Inode == 0 {
		return false
	}
	b, err := m.into.Identity(m.newname)
	return err == nil && !a.IsDir() && a.Dev == b.Dev && a.Inode == b.Inode
}
