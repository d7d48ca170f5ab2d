package arrival

import (
	"cmp"
	"context"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/agent/lookout"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/trigger"
)

// maxLine bounds the files that stand in line for one run; the others are for the next.
const maxLine = 100000

// Batch makes the transfers of the next batch of a run, of a channel that sends its files in
// an order, and returns of how many files. The first batch of a run has the files stand
// in line that are there, or stable if only those are wanted; that is done anew after a crash.
// While transfers of the run have not ended it makes none, and none when some of the source cannot
// be looked at: nobody knows what is next. Errors are those of Sweep.
func (w *Watcher) Batch(ctx context.Context, run string, stable bool) (files int, err error) {
	states, _, err := w.Journal.RunCounts(ctx, run)
	if err != nil {
		return 0, err
	}
	for state := range states {
		if !state.Terminal() {
			return 0, nil
		}
	}
	if w.lined != run {
		if err = w.lineUp(ctx, run, stable); err != nil {
			return 0, err
		}
	}
	to := &placing{Watcher: w, ctx: ctx, run: run}
	for len(w.line) > 0 && len(to.held) < w.Channel.Order.Batch {
		n := min(len(w.line), w.Channel.Order.Batch-len(to.held))
		same, err := w.same(ctx, w.line[:n])
		if err != nil {
			return 0, err
		}
		to.held, w.line = append(to.held, same...), w.line[n:]
	}
	if err := to.place(); err != nil {
		w.lined = ""
		return to.placed, err
	}
	return to.placed, nil
}

// same returns those of some files that are as they were seen. The others stand in line
// for another run as they are now.
func (w *Watcher) same(ctx context.Context, files []arrived) (out []arrived, err error) {
	now := map[string]trigger.Sighting{}
	paths := make([]string, 0, len(files))
	for _, f := range files {
		paths = append(paths, f.path)
	}
	err = w.At.Look(ctx, lookout.Search{Paths: paths}, func(p string, id confine.Identity, err error) error {
		if err == nil && id.IsRegular() {
			now[p] = sighting(&id)
		}
		return nil
	})
	for _, f := range files {
		if seen, is := now[f.path]; is && seen == f.seen {
			out = append(out, f)
		} else if err == nil {
			w.hint(f.path)
		}
	}
	return out, err
}

// lineUp has files stand in line.
func (w *Watcher) lineUp(ctx context.Context, run string, stable bool) error {
	oldest, err := w.oldest(ctx)
	if err != nil {
		return err
	}
	w.news, w.line = false, nil
	if stable {
		for _, f := range w.ready {
			if oldest == (rank{}) || f.rank().compare(oldest) >= 0 {
				w.line = append(w.line, f)
			}
		}
	} else {
		clear(w.ready)
		to := &placing{Watcher: w, ctx: ctx, run: run, lines: true}
		l := &looking{Watcher: w, ctx: ctx, sweep: to, oldest: oldest}
		if err = l.at([]string{""}); err == nil {
			err = l.trouble
		}
		w.line = to.held
		w.mu.Lock()
		w.shown.LastScan, w.shown.Problem = w.Now(), err
		w.mu.Unlock()
	}
	if err == nil {
		w.line, w.lined = w.ordered(w.line), run
	}
	return err
}

// ordered returns the first of some files in the order of the channel.
func (w *Watcher) ordered(files []arrived) []arrived {
	byTime := w.Channel.Order.By == mft.OrderByTime
	slices.SortFunc(files, func(x, y arrived) int {
		if byTime {
			return x.rank().compare(y.rank())
		}
		return cmp.Compare(x.path, y.path)
	})
	return files[:min(len(files), maxLine)]
}

func (f arrived) rank() rank { return rank{f.seen.MTime, f.path} }
