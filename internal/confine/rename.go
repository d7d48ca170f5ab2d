package confine

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"mft.dev/mft"
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

// Rename gives oldname in d the name newname in to, which must belong to the
// same root. When the two are on different file systems the error is
// ErrCrossDevice in the sense of errors.Is, and nothing happened.
//
// RenameNoReplace is one system call where the file system has it. Elsewhere
// it is a hard link followed by the removal of the old name: a crash between
// the two leaves both names, and doing the same rename again completes it. On
// a file system without hard links it looks first and then renames; what
// somebody else puts there in that instant is replaced.
func (d *Dir) Rename(oldname string, to *Dir, newname string, mode RenameMode) error {
	if d.root != to.root {
		return mft.Fail(mft.CodeInternal, "rename", d.pathOf(oldname),
			fmt.Errorf("%q belongs to another root", to.pathOf(newname)))
	}
	if err := checkName(newname); err != nil {
		return fail("rename to", to.pathOf(newname), err)
	}
	return d.use("rename", oldname, func(from handle) error {
		err := to.root.tree.use(to, func(into handle) error {
			m := move{from: from, into: into, oldname: oldname, newname: newname, within: d.id == to.id}
			if mode == RenameReplace {
				return from.rename(oldname, into, newname)
			}
			return m.noReplace()
		})
		switch {
		case isCrossDevice(err):
			return fmt.Errorf("to %q: %w: %w", to.pathOf(newname), ErrCrossDevice, err)
		case isBadName(err):
			return refuse(mft.CodeBadPath, "to %q: the file system refuses the name", to.pathOf(newname))
		case err != nil:
			return fmt.Errorf("to %q: %w", to.pathOf(newname), err)
		}
		return nil
	})
}

// A move is one rename that replaces nothing.
type move struct {
	from, into       handle
	oldname, newname string
	within           bool // both names are in one directory
}

func (m move) noReplace() error {
	err := m.from.renameNoReplace(m.oldname, m.into, m.newname)
	if errors.Is(err, errors.ErrUnsupported) {
		err = m.byLink()
	}
	if errors.Is(err, fs.ErrExist) && m.halfDone() {
		return m.from.remove(m.oldname)
	}
	return err
}

// byLink renames by making a second name.
func (m move) byLink() error {
	id, err := m.from.identity(m.oldname)
	if err != nil {
		return err
	}
	if !id.IsDir() {
		switch err := m.from.link(m.oldname, m.into, m.newname); {
		case err == nil:
			return m.from.remove(m.oldname)
		case errors.Is(err, fs.ErrExist), errors.Is(err, fs.ErrNotExist), isCrossDevice(err):
			return err
		}
		// Whatever else a file system says about links: it has none.
	}
	return m.byLooking()
}

// byLooking renames when nothing has the new name. Of a directory that is
// safe enough: renaming one replaces at most an empty directory.
func (m move) byLooking() error {
	if _, err := m.into.identity(m.newname); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fs.ErrExist
		}
		return err
	}
	return m.from.rename(m.oldname, m.into, m.newname)
}

// halfDone reports whether both names are the same file because an earlier
// byLink was interrupted.
func (m move) halfDone() bool {
	if m.within && strings.EqualFold(m.oldname, m.newname) {
		return false // perhaps one name, on a file system that ignores case
	}
	a, err := m.from.identity(m.oldname)
	if err != nil || a.Nlink < 2 || a.Inode == 0 {
		return false
	}
	b, err := m.into.identity(m.newname)
	return err == nil && !a.IsDir() && a.Dev == b.Dev && a.Inode == b.Inode
}
