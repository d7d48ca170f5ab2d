package clearing

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"

	"mft.dev/mft"
	"mft.dev/mft/internal/blake3"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal/leaving"
)

// A clearing has files leave a source. Every step can be done again after a crash at any
// point.
//
// A file is first given another name in its directory: what somebody puts in its place
// before that is seen by looking at it under the new name, which nobody else uses, and gets
// its name back; what comes after that is another file, and stays.
type clearing struct {
	root    *confine.Root
	archive *confine.Root // nil to remove
	portion mft.TransferID
	apart   bool // the archive is on another file system, as far as is known
	// These are the directories that have to be flushed, those of the archive first.
	filled, cleared map[string]*confine.Dir
}

// leave has one file leave. A file that is stuck may have been given new times of change:
// then they are in f.
func (c *clearing) leave(f *leaving.File) (_ Fate, where string, err error) {
	rel := string(f.Path)
	dir, err := c.root.Dir(parent(rel))
	if err != nil {
		switch mft.CodeOf(err) {
		case mft.CodeNotFound:
			return Gone, "", nil
		case mft.CodeSymlink, mft.CodeWrongType:
			return Changed, "", nil
		}
		return Stuck, "", err
	}
	name, aside := path.Base(rel), c.aside(rel)
	switch id, err := dir.Identity(aside); {
	case err == nil && isThe(f, id):
		return c.finish(dir, aside, f)
	case err == nil: // it was exchanged, and then came the crash
		where, err := c.giveBack(dir, aside, name)
		return Changed, where, err
	case mft.CodeOf(err) != mft.CodeNotFound:
		return Stuck, "", err
	}
	id, err := dir.Identity(name)
	switch {
	case mft.CodeOf(err) == mft.CodeNotFound:
		return c.away(f)
	case err != nil:
		return Stuck, "", err
	case !isThe(f, id) || id.CTime != f.CTime:
		return Changed, "", nil
	}
	switch err := dir.Rename(name, dir, aside, confine.RenameNoReplace); {
	case mft.CodeOf(err) == mft.CodeNotFound:
		return Gone, "", nil
	case err != nil:
		return Stuck, "", err
	}
	c.cleared[dir.Rel()] = dir
	if id, err := dir.Identity(aside); err != nil || !isThe(f, id) {
		where, back := c.giveBack(dir, aside, name)
		return Changed, where, errors.Join(err, back)
	}
	return c.finish(dir, aside, f)
}

// isThe reports whether something is the file that was sent, but for when it was last
// changed: another name counts as a change.
func isThe(f *leaving.File, id confine.Identity) bool {
	return id.IsRegular() && id.Size == f.Size && id.MTime == f.MTime && id.Inode == f.Inode
}

// finish has a file leave that has its other name.
func (c *clearing) finish(dir *confine.Dir, aside string, f *leaving.File) (what Fate, where string, err error) {
	c.cleared[dir.Rel()] = dir
	if c.archive == nil {
		what, err = Removed, dir.Remove(aside)
	} else {
		what = Archived
		where, err = c.file(dir, aside, f)
	}
	if err == nil || mft.CodeOf(err) == mft.CodeNotFound {
		return what, where, nil
	}
	_, back := c.giveBack(dir, aside, path.Base(string(f.Path)))
	if id, look := dir.Identity(path.Base(string(f.Path))); look == nil && isThe(f, id) {
		f.CTime = id.CTime
	}
	return Stuck, "", errors.Join(err, back)
}

// giveBack gives a file its name again, or one that is like it when there is something.
func (c *clearing) giveBack(dir *confine.Dir, aside, name string) (where string, err error) {
	c.cleared[dir.Rel()] = dir
	for n := 0; n < maxNames; n++ {
		to := numbered(name, n)
		err = dir.Rename(aside, dir, to, confine.RenameNoReplace)
		if mft.CodeOf(err) == mft.CodeExists {
			continue
		}
		if n > 0 {
			where = path.Join(dir.Rel(), to)
		}
		return where, err
	}
	return "", err
}

// maxNames bounds the names that are tried for one file.
const maxNames = 10000

// numbered is a name, and after it those that take its place when it is taken.
func numbered(name string, n int) string {
	if n == 0 {
		return name
	}
	return name + ".~" + strconv.Itoa(n) + "~"
}

// aside is the other name of a file while it leaves. Files with such names never move.
func (c *clearing) aside(rel string) string {
	sum := sha256.Sum256(append([]byte("mft leaves\x00"+c.portion.String()+"\x00"), rel...))
	return ".mft-" + hex.EncodeToString(sum[:16]) + ".part"
}

func parent(rel string) string {
	if dir := path.Dir(rel); dir != "." {
		return dir
	}
	return ""
}

// away says what became of a file that is not there: before a crash it may have come to
// the archive.
func (c *clearing) away(f *leaving.File) (Fate, string, error) {
	if c.archive == nil {
		return Gone, "", nil
	}
	dir, err := c.archive.Dir(parent(string(f.Path)))
	if err != nil {
		return Gone, "", nil
	}
	for n := range maxNames {
		name := numbered(path.Base(string(f.Path)), n)
		id, err := dir.Identity(name)
		if err != nil {
			break
		}
		if isThe(f, id) {
			return Archived, path.Join(dir.Rel(), name), nil
		}
	}
	return Gone, "", nil
}

// file puts a file into the archive.
func (c *clearing) file(dir *confine.Dir, aside string, f *leaving.File) (where string, err error) {
	to, err := c.shelf(parent(string(f.Path)))
	if err != nil {
		return "", err
	}
	temp := "" // of a copy, on another file system
	defer func() {
		if temp != "" && err != nil {
			_ = to.Remove(temp) // it is made anew
		}
	}()
	for n := range maxNames {
		name := numbered(path.Base(string(f.Path)), n)
		if temp == "" {
			err = confine.ErrCrossDevice
			if !c.apart {
				err = dir.Rename(aside, to, name, confine.RenameNoReplace)
			}
			if errors.Is(err, confine.ErrCrossDevice) {
				if where, err = c.copied(dir, aside, to, f); where != "" || err != nil {
					return where, err
				}
				temp = c.aside(string(f.Path))
				if err = c.copy(dir, aside, to, temp, f); err != nil {
					return "", err
				}
			}
		}
		if temp != "" {
			err = to.Rename(temp, to, name, confine.RenameNoReplace)
		}
		switch {
		case mft.CodeOf(err) == mft.CodeExists && n < maxNames-1:
			continue
		case err != nil:
			return "", err
		case temp != "": // what is there must be so before what is here is not
			if err = to.Sync(); err == nil {
				err = dir.Remove(aside)
			}
		}
		return path.Join(to.Rel(), name), err
	}
	return "", err
}

// shelf returns a directory of the archive, which it makes.
func (c *clearing) shelf(rel string) (*confine.Dir, error) {
	made, err := c.archive.MkdirAll(rel, 0o755)
	if err != nil {
		return nil, err
	}
	for _, m := range made {
		if _, err := c.fills(parent(m)); err != nil {
			return nil, err
		}
	}
	return c.fills(rel)
}

// fills returns a directory of the archive, and has it flushed.
func (c *clearing) fills(rel string) (*confine.Dir, error) {
	dir, err := c.archive.Dir(rel)
	if err == nil {
		c.filled[rel] = dir
	}
	return dir, err
}

// copy makes a copy of a file that is on stable storage, and reads it again.
func (c *clearing) copy(dir *confine.Dir, name string, to *confine.Dir, temp string, f *leaving.File) error {
	in, before, err := c.root.OpenFile(path.Join(dir.Rel(), name))
	if err != nil {
		return err
	}
	defer in.Close()
	if !isThe(f, confine.Stamp(before)) {
		return raced(f)
	}
	if err := to.Remove(temp); err != nil && mft.CodeOf(err) != mft.CodeNotFound { // of a crash
		return err
	}
	out, err := to.Create(temp)
	if err != nil {
		return err
	}
	err = copyAll(out, in, before)
	if err := errors.Join(err, out.Close()); err != nil {
		return mft.Fail(confine.CodeFor(err), "copy into the archive", string(f.Path), err)
	}
	if now, err := in.Stat(); err != nil || !isThe(f, confine.Stamp(now)) {
		return errors.Join(raced(f), err)
	}
	return nil
}

// copied finishes what a crash interrupted between the copy of a file and its removal:
// where says where the copy is, nothing when there is none.
func (c *clearing) copied(dir *confine.Dir, aside string, to *confine.Dir, f *leaving.File) (where string, err error) {
	var sum *mft.Digest
	for n := range maxNames {
		name := numbered(path.Base(string(f.Path)), n)
		id, err := to.Identity(name)
		if mft.CodeOf(err) == mft.CodeNotFound {
			return "", nil
		}
		if err != nil || !id.IsRegular() || id.Size != f.Size || id.MTime != f.MTime {
			continue
		}
		if sum == nil {
			if sum, err = digest(c.root, path.Join(dir.Rel(), aside)); err != nil {
				return "", err
			}
		}
		if there, err := digest(c.archive, path.Join(to.Rel(), name)); err != nil || *there != *sum {
			continue
		}
		if err := to.Sync(); err != nil {
			return "", err
		}
		return path.Join(to.Rel(), name), dir.Remove(aside)
	}
	return "", nil
}

func digest(root *confine.Root, rel string) (*mft.Digest, error) {
	f, _, err := root.OpenFile(rel)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := blake3.New()
	if _, err := io.Copy(sum, f); err != nil {
		return nil, mft.Fail(confine.CodeFor(err), "read", rel, err)
	}
	d := mft.Digest(sum.Sum())
	return &d, nil
}

func raced(f *leaving.File) error {
	return mft.Fail(mft.CodeChanged, "copy into the archive", string(f.Path), errors.New("it changed meanwhile"))
}

// copyAll copies content and attributes and compares what was written with what was read.
func copyAll(out, in *os.File, like fs.FileInfo) error {
	sum := blake3.New()
	if _, err := io.Copy(out, io.TeeReader(in, sum)); err != nil {
		return err
	}
	id := confine.Stamp(like)
	// Only root can give files away; who archives owns the copy else.
	a := confine.Attributes{Mode: id.Perm(), MTime: id.MTime, UID: -1, GID: -1}
	if os.Geteuid() == 0 {
		a.UID, a.GID = int(id.UID), int(id.GID)
	}
	if err := confine.SetAttributes(out, a); err != nil {
		return err
	}
	if err := confine.Flush(out); err != nil {
		return err
	}
	again := blake3.New()
	if _, err := io.Copy(again, io.NewSectionReader(out, 0, id.Size+1)); err != nil {
		return err
	}
	if sum.Sum() != again.Sum() {
		return fmt.Errorf("what was written is not what was read: %w", mft.Fail(mft.CodeCorrupt, "copy", "", nil))
	}
	return nil
}

// flush makes durable what was done.
func (c *clearing) flush() error {
	for _, dirs := range []map[string]*confine.Dir{c.filled, c.cleared} {
		for _, dir := range dirs {
			if err := dir.Sync(); err != nil && mft.CodeOf(err) != mft.CodeNotFound {
				return err
			}
		}
	}
	return nil
}
