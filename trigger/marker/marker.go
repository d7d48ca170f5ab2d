// Package marker does to marker files on this host what package firing decides.
//
//	out := marker.Tree("/srv/out")
//	there, err := out.Look("/srv/out/.busy")
//	err = out.Place("/srv/out/.sending", now, marker.Attributes{Mode: 0o644, UID: -1, GID: -1})
//	taken, err := out.Take("/srv/out/.ready", "finance-nightly")
//	err = out.Drop("/srv/out/.ready", "finance-nightly")
//
// Everything may be done again after a crash, and is durable when it returns. No
// symbolic link is followed at the name of a marker, nor on the way to it from the root
// of a [Tree] that it is in, since others may write there; the way to a marker elsewhere is
// what the configuration says, with its links. Nothing but a regular file is
// touched, removed or taken; of a marker that others make, anything with its name
// counts. Errors are of package mft; CodeNotFound says that the directory of the
// marker is not there, so nobody knows whether the marker would be.
package marker

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
)

// Attributes are the mode and owner of a marker that is made; -1 leaves an owner
// as it is. The time is not looked at.
type Attributes = confine.Attributes

// A Tree is the root of the files that a channel moves or receives, in the form of this
// host; "" is none. Its methods may be called by several goroutines.
type Tree string

// within calls do with the directory of a marker open, and the name of the marker.
func (t Tree) within(op, path string, do func(dir *confine.Dir, name string) error) error {
	if !filepath.IsAbs(path) {
		return mft.Fail(mft.CodeBadPath, op, path, errors.New("the path of a marker has to be absolute"))
	}
	top, below := filepath.Dir(path), ""
	if rel, err := filepath.Rel(string(t), top); t != "" && err == nil && rel != "." && filepath.IsLocal(rel) {
		top, below = string(t), filepath.ToSlash(rel)
	}
	root, err := confine.Open(top)
	if err != nil {
		return fail(op, path, err)
	}
	dir, err := root.Dir(below)
	if err == nil {
		err = do(dir, filepath.Base(path))
	}
	if e := root.Close(); err == nil {
		err = e
	}
	return fail(op, path, err)
}

func fail(op, path string, err error) error {
	var known *mft.Error
	if err == nil || errors.As(err, &known) && known.Op == op {
		return err
	}
	return mft.Fail(confine.CodeFor(err), op, path, err)
}

// there reports whether something has a name, and whether that is a regular file.
func there(dir *confine.Dir, name string) (is, regular bool, err error) {
	id, err := dir.Identity(name)
	if confine.CodeFor(err) == mft.CodeNotFound {
		return false, false, nil
	}
	return err == nil, err == nil && id.IsRegular(), err
}

// Look reports whether a marker is there.
func (t Tree) Look(path string) (is bool, err error) {
	err = t.within("look at marker", path, func(dir *confine.Dir, name string) error {
		is, _, err = there(dir, name)
		return err
	})
	return is && err == nil, err
}

// Place makes a marker with these attributes, or gives the one that is there this
// time and nothing else.
func (t Tree) Place(path string, now time.Time, a Attributes) error {
	const op = "write marker"
	return t.within(op, path, func(dir *confine.Dir, name string) error {
		is, regular, err := there(dir, name)
		if err != nil {
			return err
		}
		if is && !regular {
			return notRegular(op, path)
		}
		if is {
			err := touch(dir, name, now)
			if confine.CodeFor(err) != mft.CodeNotFound {
				return err
			}
		}
		a.MTime = now.UnixNano()
		return create(dir, name, a)
	})
}

func notRegular(op, path string) error {
	return mft.Fail(mft.CodeNotRegular, op, path, errors.New("what has its name is no regular file, so it is left alone"))
}

// touch gives a file this time.
func touch(dir *confine.Dir, name string, now time.Time) error {
	f, err := dir.OpenExisting(name)
	if err != nil {
		return err
	}
	fi, err := f.Stat()
	if err == nil {
		id := confine.Stamp(fi)
		err = confine.SetAttributes(f, Attributes{Mode: id.Perm(), MTime: now.UnixNano(), UID: -1, GID: -1})
	}
	if err == nil {
		err = confine.Flush(f)
	}
	return errors.Join(err, f.Close())
}

// create makes a file that appears with its attributes. When another appears first
// that one is given the time.
func create(dir *confine.Dir, name string, a Attributes) error {
	temp := aside("place", name)
	if err := ignoreMissing(dir.Remove(temp)); err != nil { // of a crash
		return err
	}
	f, err := dir.Create(temp)
	if err != nil {
		return err
	}
	err = confine.SetAttributes(f, a)
	if err == nil {
		err = confine.Flush(f)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = dir.Rename(temp, dir, name, confine.RenameNoReplace)
	}
	if err != nil {
		err = errors.Join(err, ignoreMissing(dir.Remove(temp)))
	}
	if confine.CodeFor(err) == mft.CodeExists {
		return touch(dir, name, time.Unix(0, a.MTime))
	}
	return errors.Join(err, dir.Sync())
}

// Try makes and removes a file beside a marker, to see that this can be done. Nobody
// takes that file for one that moves, or for a marker.
func (t Tree) Try(path string) error {
	return t.within("try to write beside marker", path, func(dir *confine.Dir, name string) error {
		probe := aside("try", name)
		if err := ignoreMissing(dir.Remove(probe)); err != nil { // of a crash
			return err
		}
		f, err := dir.Create(probe)
		if err != nil {
			return err
		}
		return errors.Join(f.Close(), dir.Remove(probe))
	})
}

// Remove removes a marker. That there is none is no error.
func (t Tree) Remove(path string) error {
	return t.remove("remove marker", path, func(name string) string { return name })
}

// remove removes the file that has another name than the marker.
func (t Tree) remove(op, path string, other func(name string) string) error {
	return t.within(op, path, func(dir *confine.Dir, name string) error {
		name = other(name)
		is, regular, err := there(dir, name)
		if err != nil || !is {
			return err
		}
		if !regular {
			return notRegular(op, path)
		}
		if err := ignoreMissing(dir.Remove(name)); err != nil {
			return err
		}
		return dir.Sync()
	})
}

// Take renames a trigger to the name under which it counts as taken by a channel,
// and reports whether there was one, or one had been taken before and not dropped.
// A trigger that is made anew meanwhile stays.
func (t Tree) Take(path, channel string) (taken bool, err error) {
	const op = "take marker"
	err = t.within(op, path, func(dir *confine.Dir, name string) error {
		to := aside(channel, name)
		if taken, _, err = there(dir, to); err != nil {
			return err
		}
		if !taken {
			is, regular, err := there(dir, name)
			if err != nil || !is {
				return err
			}
			if !regular {
				return notRegular(op, path)
			}
			err = dir.Rename(name, dir, to, confine.RenameNoReplace)
			if confine.CodeFor(err) == mft.CodeNotFound {
				return nil // it was withdrawn
			}
			if err != nil {
				return err
			}
			taken = true
		}
		// The trigger must not come back when the host crashes.
		return dir.Sync()
	})
	return taken && err == nil, err
}

// Taken reports whether a channel has taken a trigger and not dropped it.
func (t Tree) Taken(path, channel string) (is bool, err error) {
	err = t.within("look at marker", path, func(dir *confine.Dir, name string) error {
		is, _, err = there(dir, aside(channel, name))
		return err
	})
	return is && err == nil, err
}

// Drop removes what Take has taken. That there is nothing is no error.
func (t Tree) Drop(path, channel string) error {
	return t.remove("drop marker", path, func(name string) string { return aside(channel, name) })
}

// aside is a name beside that of a marker at which nothing else ever is. Files with
// such names never move.
func aside(channel, name string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", channel, name))
	return ".mft-" + hex.EncodeToString(sum[:16]) + ".part"
}

func ignoreMissing(err error) error {
	if confine.CodeFor(err) == mft.CodeNotFound {
		return nil
	}
	return err
}
