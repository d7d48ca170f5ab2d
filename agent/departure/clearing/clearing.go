// Package clearing has files leave a directory, removed or moved into an archive, if they
// are still the ones that somebody knows.
//
//	ends, err := clearing.Do(ctx, "/srv/out", clearing.Order{Portion: id, Archive: "/srv/sent", Files: files})
//
// A file that is another now stays. It follows no symbolic links below the directory or the
// archive, replaces nothing, leaves directories where they are, and does not know why files leave.
package clearing

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal/leaving"
)

// An Order names files that are to leave.
type Order struct {
	// Portion makes the names that files have while they leave unlike any others; the same
	// order has to be given again after a crash.
	Portion mft.TransferID
	// Archive is an absolute directory, not below that of the files nor above it; "" removes.
	Archive string
	Files   []leaving.File
}

// A Fate is what became of a file.
type Fate uint8

// The fates.
const (
	Removed  Fate = iota + 1
	Archived      // Where says under which path of the archive
	Gone          // nothing was there
	Changed       // it is not the one of the order; Where is its path now, if that is another
	Stuck         // it is there and could not leave; Err says why
)

// An End is how it ended for one file.
type End struct {
	Fate  Fate
	Where string
	Err   error // may also stand beside Changed
	// CTime is that of a file that is stuck, which may be another than in the order.
	CTime int64
}

// A Hand does what [Do] does, in one directory.
type Hand interface {
	Clear(ctx context.Context, o Order) ([]End, error)
}

// Do has the files of an order leave dir, and returns how that ended for each, in their
// order: for all of them, or for the first few with the reason why not for the others. What
// it tells of is on stable storage; otherwise it tells of none, and all may be ordered again.
// It is safe for concurrent use with other portions.
func Do(ctx context.Context, dir string, o Order) ([]End, error) {
	c := clearing{portion: o.Portion, filled: map[string]*confine.Dir{}, cleared: map[string]*confine.Dir{}}
	var err error
	if c.root, err = confine.Open(dir); err != nil {
		return nil, err
	}
	defer c.root.Close()
	if o.Archive != "" {
		if c.archive, err = openArchive(dir, o.Archive); err != nil {
			return nil, err
		}
		defer c.archive.Close()
		c.apart = onAnother(c.root, c.archive)
	}
	var ends []End
	for i := range o.Files {
		if ctx.Err() != nil {
			break
		}
		f := o.Files[i]
		e := End{}
		e.Fate, e.Where, e.Err = c.leave(&f)
		e.CTime = f.CTime
		ends = append(ends, e)
	}
	if err := c.flush(); err != nil {
		return nil, err
	}
	return ends, context.Cause(ctx)
}

// openArchive opens an archive, if it is not in the directory that files leave, by whatever
// links.
func openArchive(dir, at string) (*confine.Root, error) {
	root, err := confine.Open(at)
	if err != nil {
		return nil, err
	}
	from, err1 := filepath.EvalSymlinks(dir)
	to, err2 := filepath.EvalSymlinks(at)
	err = errors.Join(err1, err2)
	switch {
	case err != nil:
		err = mft.Fail(confine.CodeFor(err), "open the archive", at, err)
	case below(from, to) || below(to, from):
		err = mft.Fail(mft.CodeConfig, "open the archive", at, errors.New("it lies in the source, or the source in it"))
	default:
		return root, nil
	}
	root.Close()
	return nil, err
}

// onAnother reports whether two directories are on different file systems.
func onAnother(a, b *confine.Root) bool {
	x, err1 := a.Lstat("")
	y, err2 := b.Lstat("")
	return err1 == nil && err2 == nil && confine.Stamp(x).Dev != confine.Stamp(y).Dev
}

// below reports whether a path is a directory or lies in it.
func below(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
