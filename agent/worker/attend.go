package worker

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/lookout"
	"mft.dev/mft/agent/source"
	"mft.dev/mft/agent/worker/errand"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/internal/watch"
	"mft.dev/mft/trigger"
	"mft.dev/mft/trigger/marker"
)

// attend does an errand about what lies at the source of a channel, or about markers.
func (d *doing) attend(ctx context.Context, o *errand.Order) error {
	if o.Task == errand.TaskAttend {
		d.keepWatch(ctx, o.Dirs)
		<-ctx.Done() // heard does the rest
		return context.Cause(ctx)
	}
	if o.Source == nil {
		return errNonsense
	}
	s := o.Source
	if err := d.seat.mayRead(s.Root); err != nil {
		return err
	}
	at := lookout.Local{Root: s.Root}
	switch {
	case o.Task == errand.TaskLook:
		return d.look(ctx, at, s)
	case o.Task == errand.TaskWatch:
		return d.watch(ctx, at)
	case o.Task == errand.TaskSound:
		return at.Sound(ctx, source.Place{Channel: s.Root, Select: s.Select, Guard: s.Guard}, time.Unix(0, s.Now))
	case o.Task == errand.TaskWhole:
		return d.whole(ctx, at, s)
	case o.Task == errand.TaskRead && len(s.Paths) == 1:
		return at.Readable(ctx, s.Paths[0])
	}
	return errNonsense
}

var errNonsense = mft.Fail(mft.CodeInternal, "do an errand", "", errors.New("the order makes no sense"))

// quietFor is how long nothing has to happen at a source until nobody but the kernel keeps
// watch there.
const quietFor = 2 * time.Minute

// watch tells of what changes at a source, until nothing does: then it leaves the rest to the
// agent, which can wait without this process.
func (d *doing) watch(ctx context.Context, at lookout.Local) error {
	reliable := watch.Local(at.Root)
	hint := func(p string) {
		// When the agent is gone, everything ends anyway.
		_ = d.port.Tell(errand.KindHint, errand.Hint{Path: p, Reliable: reliable})
	}
	if !reliable { // somebody has to look from time to time
		return watch.New(at.Root).Run(ctx, hint)
	}
	f, err := watch.New(at.Root).RunUntilQuiet(ctx, d.quiet, hint)
	if err != nil || f == nil {
		return err
	}
	defer f.Close()
	return d.port.Give(ctx, errand.KindWatched, f)
}

// keepWatch gives the agent what keeps watch of the directories of markers, if all of them are
// this process's to look at and the system tells of every change there. Without it the agent
// asks more often.
func (d *doing) keepWatch(ctx context.Context, dirs []string) {
	for _, dir := range dirs {
		if d.seat.mayRead(dir) != nil || !watch.Local(dir) {
			return
		}
	}
	if len(dirs) == 0 {
		return
	}
	f, err := watch.Directories(dirs)
	if err != nil {
		return
	}
	defer f.Close()
	_ = d.port.Give(ctx, errand.KindWatched, f) // an agent that is gone wants nothing
}

// look tells of what there is, page by page, as fast as the agent takes it.
func (d *doing) look(ctx context.Context, at lookout.Local, s *errand.Source) error {
	page := make([]errand.Found, 0, errand.PageSize)
	turn := func() error {
		if len(page) == 0 {
			return nil
		}
		_, err := d.port.Ask(ctx, errand.KindFound, errand.PageOf(page), nil)
		page = page[:0]
		return err
	}
	search := lookout.Search{Paths: s.Paths, Deep: s.Deep}
	if s.Key != nil {
		search.Key = *s.Key
		search.Known = func(parts []trigger.Part) ([]bool, error) {
			if err := turn(); err != nil {
				return nil, err
			}
			var is errand.Known
			_, err := d.port.Ask(ctx, errand.KindParts, errand.Parts{Parts: parts}, &is)
			if err == nil && len(is.Known) != len(parts) {
				err = errNonsense
			}
			return is.Known, err
		}
	}
	err := at.Look(ctx, search, func(p string, id confine.Identity, err error) error {
		page = append(page, errand.FoundOf(p, id, err))
		if len(page) < errand.PageSize {
			return nil
		}
		return turn()
	})
	if err != nil {
		return err
	}
	return turn()
}

// mark carries out an order about a marker and answers it.
func (d *doing) mark(s errand.Said) error {
	var m errand.Mark
	if err := s.Parse(&m); err != nil {
		return err
	}
	if !d.attends {
		return errNonsense
	}
	err := errors.Join(d.seat.mayRead(m.Root), d.seat.mayWrite(filepath.Dir(m.Order.Path)))
	var is bool
	if err == nil {
		is, err = marker.Tree(m.Root).Do(context.Background(), m.Order)
	}
	return d.port.Answer(s.ID, errand.Marked{Is: is}, nil, err)
}
