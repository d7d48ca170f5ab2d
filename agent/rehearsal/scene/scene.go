// Package scene looks at what the rehearsal of a run is about, and changes nothing: at a
// destination, what would become of what is asked about, and at the source of a mirror, what
// all of it is.
//
//	answers, err := scene.At(ctx, "/srv/in", "books", question)
//	err = scene.Whole(ctx, "books", mirror, place, func(t scene.Thing) error { … })
//
// It is the part that needs the rights of whoever would write or read the files. Who may ask
// is decided before.
package scene

import (
	"context"
	"errors"
	"path"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol/rehearsal"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/trigger/selection"
)

// Limits of one answer.
const (
	// maxListed is how many names of one directory are looked through.
	maxListed = 100_000
	// maxBelow is how many entries are counted below what would be removed.
	maxBelow = 100_000
)

// At answers a question about the destination top, below the directory root. Errors: those
// of package confine, and mft.CodeProtocol for rules that cannot be used.
func At(ctx context.Context, root, top string, q *rehearsal.Question) ([]rehearsal.Answer, error) {
	leave, err := selection.Leaves(q.Rules)
	if err != nil {
		return nil, transfer.Nonsense("the rules cannot be used: %v", err)
	}
	dir, err := confine.Open(root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	l := &look{root: dir, top: top, q: q, leave: leave, below: maxBelow}
	answers := make([]rehearsal.Answer, len(q.Portions))
	for i := range q.Portions {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if answers[i], err = l.portion(&q.Portions[i]); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// A look is one at what a question is about.
type look struct {
	root  *confine.Root
	top   string
	q     *rehearsal.Question
	leave func(path string, dir bool) bool // nil for nothing
	size  int                              // of the extras that are named
	below int                              // how many entries may still be counted
}

// portion answers about the names of a directory.
func (l *look) portion(p *rehearsal.Portion) (a rehearsal.Answer, err error) {
	dir, err := l.root.Dir(path.Join(l.top, p.Dir))
	if err != nil && instead(err) == 0 {
		return a, err
	}
	if err != nil {
		a.Verdicts = slices.Repeat([]rehearsal.Verdict{instead(err)}, len(p.Items))
		return a, nil
	}
	for i := range p.Items {
		v, err := l.verdict(dir, &p.Items[i])
		if err != nil {
			return a, err
		}
		a.Verdicts = append(a.Verdicts, v)
	}
	if l.q.Mirror.On {
		err = l.extras(dir, p, &a)
	}
	return a, err
}

// instead says what becomes of items whose directory is not there, or no directory; 0 for
// other errors.
func instead(err error) rehearsal.Verdict {
	switch mft.CodeOf(err) {
	case mft.CodeNotFound:
		return rehearsal.New
	case mft.CodeWrongType, mft.CodeSymlink:
		return rehearsal.Blocked
	}
	return 0
}

// verdict says what would become of an item.
func (l *look) verdict(dir *confine.Dir, it *mft.Item) (rehearsal.Verdict, error) {
	id, err := dir.Identity(path.Base(it.Path))
	switch {
	case instead(err) != 0:
		return instead(err), nil
	case err != nil:
		return 0, err
	case id.IsDir() != (it.Type == mft.ItemDir):
		return rehearsal.Blocked, nil
	case id.IsDir():
		return rehearsal.Same, nil
	case l.q.Overwrite == mft.OverwriteNever:
		return rehearsal.Kept, nil
	case it.Type == mft.ItemSymlink && id.IsSymlink():
		if target, err := dir.Readlink(path.Base(it.Path)); err == nil && target == it.Target {
			return rehearsal.Same, nil
		}
		return rehearsal.Changed, nil
	case it.Type == mft.ItemSymlink || !id.IsRegular(), l.q.Compare == mft.CompareNone, id.Size != it.Size:
		return rehearsal.Changed, nil
	case l.q.Compare == mft.CompareContent:
		return rehearsal.Unsure, nil
	case id.MTime != it.MTime:
		return rehearsal.Changed, nil
	}
	return rehearsal.Same, nil
}

// errEnough ends a walk.
var errEnough = errors.New("enough")

// extras adds what a mirror would remove of the names that a portion is about.
func (l *look) extras(dir *confine.Dir, p *rehearsal.Portion, a *rehearsal.Answer) error {
	stays := map[string]bool{}
	last := p.After
	for i := range p.Items {
		name := path.Base(p.Items[i].Path)
		stays[name], last = true, max(last, name)
	}
	for _, name := range p.Stays {
		stays[name], last = true, max(last, name)
	}
	var names []string
	seen := 0
	err := dir.Names(func(name string) error {
		if seen++; seen > maxListed {
			return errEnough
		}
		if name > p.After && (p.Last || name <= last) && !stays[name] && !scan.IsStaging(name) {
			names = append(names, name)
		}
		return nil
	})
	switch {
	case errors.Is(err, errEnough):
		a.Unseen = true
		return nil
	case instead(err) != 0: // there is no such directory
		return nil
	case err != nil:
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		e := rehearsal.Extra{Name: name}
		whole, err := l.count(dir, name, path.Join(p.Dir, name), &e)
		if err != nil {
			return err
		}
		a.Unseen = a.Unseen || !whole
		if e.Items == 0 {
			continue
		}
		if size := rehearsal.SizeOfExtra(name); l.size+size <= rehearsal.MaxBytes {
			l.size += size
			a.Extras = append(a.Extras, e)
		} else {
			a.Rest.Add(&e)
		}
	}
	return nil
}

// count counts what of a name would be removed, at is its path below the destination;
// whole is false if that is too much to count.
func (l *look) count(dir *confine.Dir, name, at string, e *rehearsal.Extra) (whole bool, err error) {
	id, err := dir.Identity(name)
	if mft.CodeOf(err) == mft.CodeNotFound {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	e.Dir = id.IsDir()
	if l.leave != nil && l.leave(at, e.Dir) {
		return true, nil
	}
	if !e.Dir {
		e.Items, e.Files, e.Bytes = 1, 1, id.Size
		return true, nil
	}
	kept, err := l.countIn(dir, name, at, e)
	switch {
	case errors.Is(err, errEnough):
		return false, nil
	case err != nil:
		return false, err
	case !kept:
		e.Items++
	}
	return true, nil
}

// countIn counts below a directory, and reports whether something in it stays, with
// which it stays itself.
func (l *look) countIn(parent *confine.Dir, name, at string, e *rehearsal.Extra) (kept bool, err error) {
	dir, err := parent.Dir(name)
	if err != nil {
		return true, unlessGone(err)
	}
	err = dir.Names(func(name string) error {
		if l.below--; l.below < 0 {
			return errEnough
		}
		id, err := dir.Identity(name)
		if err != nil {
			return unlessGone(err)
		}
		p := path.Join(at, name)
		switch {
		case scan.IsStaging(name), l.leave != nil && l.leave(p, id.IsDir()):
			kept = true
		case id.IsDir():
			below, err := l.countIn(dir, name, p, e)
			if err != nil {
				return err
			}
			if kept = kept || below; !below {
				e.Items++
			}
		default:
			e.Add(&rehearsal.Extra{Count: mft.Count{Items: 1, Bytes: id.Size}, Files: 1})
		}
		return nil
	})
	return kept, err
}

// unlessGone is err, but nil for what has gone meanwhile.
func unlessGone(err error) error {
	if mft.CodeOf(err) == mft.CodeNotFound {
		return nil
	}
	return err
}
