package arrival

import (
	"context"
	"slices"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/lookout"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/trigger"
)

// look looks at paths and what is below them, remembers what is stable, and reports
// whether all went well.
func (w *Watcher) look(ctx context.Context, paths map[string]bool) bool {
	l := &looking{Watcher: w, ctx: ctx}
	order := make([]string, 0, len(paths))
	for p := range paths {
		if !aside(p) {
			order = append(order, p)
		}
	}
	slices.Sort(order)
	var err error
	if l.oldest, err = w.oldest(ctx); err == nil {
		err = l.at(order)
	}
	if err == nil {
		err = l.trouble
	}
	w.crowded = l.crowded
	w.mu.Lock()
	w.shown.Settling = len(w.settling)
	if paths[""] {
		w.shown.LastScan = w.Now()
		if err == nil {
			w.shown.Problem = nil
			clear(w.said)
		}
	}
	w.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		w.complain(err)
	}
	return err == nil
}

// A looking is one look at the source.
type looking struct {
	*Watcher
	ctx     context.Context //nolint:containedctx // of one call of look
	oldest  rank            // of the files that move
	sweep   *placing        // of what is not sent, stable or not; nil when it is to become stable
	trouble error           // the first thing that could not be read; the look goes on
	crowded bool            // there was no room for a file
}

// aside reports whether transfers have put a path aside.
func aside(p string) bool {
	for name := range strings.SplitSeq(p, "/") {
		if scan.IsStaging(name) {
			return true
		}
	}
	return false
}

// at looks at paths and at all below them.
func (l *looking) at(paths []string) error {
	h := &hearing{looking: l}
	err := l.At.Look(l.ctx, lookout.Search{Paths: paths, Deep: true, Known: h.known, Key: l.memory.secret},
		func(p string, id confine.Identity, err error) error {
			if err != nil {
				l.gone(p, err)
				return nil
			}
			return h.hear(p, &id)
		})
	if err == nil {
		err = h.cut()
	}
	return err
}

// gone forgets a file that cannot be looked at any more.
func (l *looking) gone(p string, err error) {
	l.forget(p)
	if l.trouble == nil && mft.CodeOf(err) != mft.CodeNotFound {
		l.trouble = err
	}
}

// choose decides about a file, and returns what was sent of its path, nil for nothing.
func (w *Watcher) choose(ctx context.Context, p string, id *confine.Identity, oldest rank) (trigger.Choice, *journal.Sent, error) {
	choice := w.selects(p, id, oldest)
	if !choice.Moves {
		return choice, nil, nil
	}
	if w.Channel.Mirror.On {
		return trigger.Choice{Moves: true, Why: trigger.WhyMirror}, nil, nil
	}
	last, sent, err := w.Journal.Sent(ctx, w.Channel.Name, p)
	if err != nil || !sent {
		return trigger.Since(sighting(id), nil), nil, err
	}
	was := lastSight(last)
	return trigger.Since(sighting(id), &was), &last, nil
}

// file looks at one file.
func (l *looking) file(p string, id *confine.Identity) error {
	choice, _, err := l.choose(l.ctx, p, id, l.oldest)
	if err != nil {
		return err
	}
	return l.chosen(p, sighting(id), choice)
}

// chosen does what was decided about a file.
func (l *looking) chosen(p string, seen trigger.Sighting, choice trigger.Choice) error {
	if !choice.Moves {
		l.forget(p) // it may have settled before it came to be one that does not
		return nil
	}
	now := l.Now()
	if l.sweep != nil {
		return l.sweep.take(arrived{path: p, seen: seen, detected: now})
	}
	if l.ready[p].seen == seen {
		return nil
	}
	delete(l.ready, p)
	s := l.settling[p]
	if s == nil {
		if len(l.settling)+len(l.ready) >= maxSettling {
			l.crowded = true
			return nil // the next scan finds it
		}
		s = &settling{first: now}
		l.settling[p] = s
	}
	v := l.stability.See(p, seen, now)
	s.again = v.Again
	if !v.Stable {
		return nil
	}
	delete(l.settling, p)
	l.stability.Forget(p)
	l.ready[p] = arrived{path: p, seen: seen, detected: s.first}
	l.news = true
	return nil
}

// forget drops what is known of a file that was sent, or is gone.
func (w *Watcher) forget(p string) {
	delete(w.settling, p)
	delete(w.ready, p)
	w.stability.Forget(p)
}

// lastSight is how a file looked that was sent.
func lastSight(s journal.Sent) trigger.Sighting {
	return trigger.Sighting{Size: s.Size, MTime: s.MTime, CTime: s.CTime, Inode: s.Inode}
}

func sighting(id *confine.Identity) trigger.Sighting {
	return trigger.Sighting{Size: id.Size, MTime: id.MTime, CTime: id.CTime, Inode: id.Inode}
}
