package scan

import (
	"context"
	"errors"
	"iter"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/trigger/selection"
)

// maxPath is the longest path of an item, in bytes, that a manifest carries.
const maxPath = 4096

// errStop ends the walk because its consumer has had enough.
var errStop = errors.New("stopped")

// Items walks the source, parents before children, and returns each item that
// can be sent. In a directory of up to 1,024 names they come in the order of
// their bytes; in a larger one, in portions of that size.
//
// An item that cannot be sent is an Entry with only Item.Path and Rel, and an
// error, and the walk goes on; a directory that cannot be listed to its end is
// such an item too, even if it has been returned before. An error with an
// Entry without a path is the last: CodeCancelled when ctx is done, or the
// reason why the source as a whole cannot be read.
//
// Directories above what a pattern matches are not items. Each call walks
// anew.
func (s *Source) Items(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		w := &walk{source: s, ctx: ctx, yield: yield}
		err := w.run()
		if err == errStop {
			err = w.last
		}
		if err != nil {
			yield(Entry{}, err)
		}
	}
}

// A walk is one pass over a source. Its methods return errStop when nothing
// more may be yielded but w.last.
type walk struct {
	source *Source
	ctx    context.Context // of the one call of Items that the walk lives in
	yield  func(Entry, error) bool
	last   error
}

func (w *walk) run() error {
	s := w.source
	dir, err := s.Root.Dir(s.base)
	if err != nil {
		return err
	}
	if s.file != "" {
		return w.single(dir)
	}
	top := newPlace(s.base, s.Prefix)
	if s.Prefix == "" {
		return w.list(dir, top, s.pattern)
	}
	fi, err := dir.Stat()
	if err != nil {
		return err
	}
	if err := w.emit(top, confine.Stamp(fi), mft.ItemDir, ""); err != nil {
		return err
	}
	return w.failed(top, w.list(dir, top, nil))
}

// single yields the only file.
func (w *walk) single(dir *confine.Dir) error {
	s := w.source
	at := place{full: s.name}
	id, err := dir.Identity(s.file)
	switch {
	case err != nil:
	case id.IsSymlink():
		err = mft.Fail(mft.CodeSymlink, "read", s.Path, errors.New("it has become a symbolic link"))
	case !id.IsRegular():
		err = mft.Fail(mft.CodeNotRegular, "read", s.Path, errors.New("it is no longer a regular file"))
	}
	e := Entry{Item: mft.Item{Path: at.path()}, Rel: joinPath(s.base, s.file)}
	if err == nil {
		e.Item, e.Identity = s.item(at, id, mft.ItemFile, ""), id
		e, err = s.extend(e)
	}
	if !w.yield(e, err) {
		return errStop
	}
	return nil
}

// list walks what is in a directory: all of it, or what only matches and all
// that is below that. An error that is not errStop is one of the listing.
func (w *walk) list(dir *confine.Dir, at place, only *pattern) error {
	return dir.Names(func(name string) error {
		if w.ctx.Err() != nil {
			w.last = mft.Fail(mft.CodeCancelled, "scan", w.source.Path, context.Cause(w.ctx))
			return errStop
		}
		if IsStaging(name) {
			return nil
		}
		child, below := at.child(name), only
		if only != nil && only.matches(child.sub()) {
			below = nil
		} else if only != nil && !only.reaches(child.sub()) {
			return nil
		}
		id, err := dir.Identity(name)
		if mft.CodeOf(err) == mft.CodeNotFound {
			// The name has vanished. But if that is because the directory
			// has, then the listing is incomplete.
			_, err := dir.Stat()
			return err
		}
		if err != nil {
			return w.failed(child, err)
		}
		switch c := w.source.choice(child, &id); c {
		case selection.Kept, selection.Refused:
			_, err := left(child, c)
			return w.failed(child, err)
		case selection.Out:
			return nil
		}
		return w.visit(dir, name, child, id, below)
	})
}

// visit yields one thing in dir, and what is below it. With a pattern, the
// thing is only a directory on the way to what may match.
func (w *walk) visit(dir *confine.Dir, name string, at place, id confine.Identity, only *pattern) error {
	switch {
	case len(at.path()) > maxPath:
	case id.IsDir():
		next, err := dir.Dir(name)
		if mft.CodeOf(err) == mft.CodeNotFound {
			return nil
		}
		if err == nil && only == nil {
			if err := w.emit(at, id, mft.ItemDir, ""); err != nil {
				return err
			}
		}
		if err == nil {
			err = w.list(next, at, only)
		}
		return w.failed(at, err)
	case only != nil:
		return nil
	}
	kind, target := kindOf(&id), ""
	if kind == mft.ItemSymlink {
		var err error
		if target, err = dir.Readlink(name); mft.CodeOf(err) == mft.CodeNotFound {
			return nil
		} else if err != nil {
			return w.failed(at, err)
		}
	}
	if err := travels(at, kind, target); err != nil {
		return w.failed(at, err)
	}
	return w.emit(at, id, kind, target)
}

// emit yields an item.
func (w *walk) emit(at place, id confine.Identity, kind mft.ItemType, target string) error {
	e, err := w.source.extend(Entry{Item: w.source.item(at, id, kind, target), Identity: id, Rel: at.rel()})
	if err != nil {
		return w.failed(at, err)
	}
	if !w.yield(e, nil) {
		return errStop
	}
	return nil
}

// failed yields the error of an item, if there is one.
func (w *walk) failed(at place, err error) error {
	if err == nil || err == errStop {
		return err
	}
	if !w.yield(Entry{Item: mft.Item{Path: at.path()}, Rel: at.rel()}, err) {
		return errStop
	}
	return nil
}

// item describes what was found.
func (s *Source) item(at place, id confine.Identity, kind mft.ItemType, target string) mft.Item {
	it := mft.Item{
		Path: at.path(), Type: kind, Target: target,
		Mode: id.Perm(), MTime: id.MTime, UID: id.UID, GID: id.GID,
	}
	if kind == mft.ItemFile {
		it.Size = id.Size
	}
	it.Owner, it.Group = s.owners.Of(id.UID, id.GID)
	return it
}
