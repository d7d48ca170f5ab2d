package foreman

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/lookout"
	"mft.dev/mft/agent/seat"
	"mft.dev/mft/agent/source"
	"mft.dev/mft/agent/worker/errand"
	"mft.dev/mft/internal/watch"
	"mft.dev/mft/trigger/marker"
)

// Lookout returns what looks at the source of a channel: a worker, nil where there is
// none for it.
func (f *Foreman) Lookout(channel, root string) lookout.Lookout {
	if f.c.Workers == nil {
		return nil
	}
	r, ok := f.c.Table.Channel(channel)
	if !ok {
		return nil
	}
	return &remote{f: f, r: r, root: root}
}

// Hand returns what carries out orders about the markers of a grant: a worker, nil where
// there is none for it.
func (f *Foreman) Hand(peer mft.AgentName, root string) marker.Hand {
	r, ok := f.files(peer, root)
	if !ok {
		return nil
	}
	return &remote{f: f, r: r, root: root}
}

// A remote lookout is the worker of a channel or grant. It is taken at its word about what
// lies below its own root, and about nothing else.
type remote struct {
	f    *Foreman
	r    seat.Request
	root string
}

func (r *remote) have(ctx context.Context, d *desk, task errand.Task, s *errand.Source) error {
	s.Root = r.root
	_, err := r.f.have(ctx, r.r, d, errand.Order{Task: task, Source: s})
	return err
}

// Look is that of lookout.Lookout.
func (r *remote) Look(ctx context.Context, s lookout.Search, see lookout.See) error {
	d, at := quiet(mft.TransferID{}), &errand.Source{Paths: s.Paths, Deep: s.Deep}
	if s.Known != nil {
		at.Key, d.known = &s.Key, s.Known
	}
	var stop error
	d.found = func(f errand.Found) error {
		if stop == nil {
			stop = see(f.Path, f.Identity(), f.Failure.Err())
		}
		return stop
	}
	err := r.have(ctx, d, errand.TaskLook, at)
	if stop != nil {
		return stop
	}
	return err
}

// finds hears of a page of what was found.
func (d *desk) finds(s *errand.Said) error {
	var page errand.Page
	if err := s.Parse(&page); err != nil {
		return err
	}
	if d.found == nil {
		return errNotHere
	}
	list, err := page.List()
	if err != nil {
		return err
	}
	d.finding.Lock()
	defer d.finding.Unlock()
	for i := range list {
		if !below(list[i].Path) {
			return errAstray
		}
		if err := d.found(list[i]); err != nil {
			return err
		}
	}
	return nil
}

// knows says of which parts nobody wants to hear.
func (d *desk) knows(s *errand.Said) (errand.Known, error) {
	var list errand.Parts
	if err := s.Parse(&list); err != nil {
		return errand.Known{}, err
	}
	if d.known == nil {
		return errand.Known{}, errNotHere
	}
	if len(list.Parts) > lookout.MaxParts {
		return errand.Known{}, errAstray
	}
	d.finding.Lock()
	defer d.finding.Unlock()
	known, err := d.known(list.Parts)
	return errand.Known{Known: known}, err
}

// hinted hears that something has changed.
func (d *desk) hinted(s *errand.Said) error {
	var h errand.Hint
	if err := s.Parse(&h); err != nil {
		return err
	}
	if d.hint == nil {
		return errNotHere
	}
	if !below(h.Path) {
		return errAstray
	}
	d.hint(h)
	return nil
}

var errAstray = mft.Fail(mft.CodeInternal, "hear of a path", "", errors.New("it is not below the source"))

// maxPath is longer than any path below a source.
const maxPath = 16 << 10

// below reports whether a path that a worker names is one below its root, or "" for that.
func below(p string) bool {
	return p == "" || len(p) <= maxPath && path.Clean(p) == p && p != "." && filepath.IsLocal(filepath.FromSlash(p))
}

// Readable is that of lookout.Lookout.
func (r *remote) Readable(ctx context.Context, p string) error {
	return r.have(ctx, quiet(mft.TransferID{}), errand.TaskRead, &errand.Source{Paths: []string{p}})
}

// takes takes what keeps watch instead of a worker.
func (d *desk) takes(s *errand.Said) error {
	if d.watched == nil {
		s.File.Close()
		return errNotHere
	}
	if err := watch.Check(s.File); err != nil {
		s.File.Close()
		return err
	}
	d.watched(s.File)
	return nil
}

// rewatch is how soon after a worker began to watch the next does, at least.
const rewatch = time.Second

// Watch is that of lookout.Lookout. While nothing changes there is no worker: the agent waits
// for the kernel to tell of something, and then has a worker watch again, which begins with
// looking at everything.
func (r *remote) Watch(ctx context.Context, hint func(p string, reliable bool)) error {
	for ctx.Err() == nil {
		begun := time.Now()
		f, err := r.watch(ctx, hint)
		if f == nil || err != nil || ctx.Err() != nil {
			if f != nil {
				f.Close()
			}
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		err = watch.Await(ctx, f)
		f.Close()
		if err != nil {
			return err
		}
		select {
		case <-time.After(rewatch - time.Since(begun)):
		case <-ctx.Done():
		}
	}
	return nil
}

// watch has a worker watch, and returns what keeps watch when it has ended because nothing
// happened.
func (r *remote) watch(ctx context.Context, hint func(p string, reliable bool)) (*os.File, error) {
	rests := make(chan *os.File, 1)
	d := quiet(mft.TransferID{})
	d.hint = func(h errand.Hint) { hint(h.Path, h.Reliable) }
	d.watched = func(f *os.File) {
		select {
		case rests <- f:
		default:
			f.Close() // one is enough
		}
	}
	err := r.have(ctx, d, errand.TaskWatch, &errand.Source{})
	select {
	case f := <-rests:
		return f, err
	default:
		return nil, err
	}
}

// Sound is that of lookout.Lookout.
func (r *remote) Sound(ctx context.Context, p source.Place, now time.Time) error {
	if !p.Guard.MountPoint && !p.Guard.NotEmpty {
		return nil
	}
	return r.have(ctx, quiet(mft.TransferID{}), errand.TaskSound, &errand.Source{Select: p.Select, Guard: p.Guard, Now: now.UnixNano()})
}

// Do is that of marker.Hand.
func (r *remote) Do(ctx context.Context, o marker.Order) (bool, error) {
	return r.f.attendant(r.r).do(ctx, errand.Mark{Root: r.root, Order: o})
}
