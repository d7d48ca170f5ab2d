package arrival

import (
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/trigger"
)

// look looks at paths and what is below them, remembers what is stable, and reports
// whether all went well.
func (w *Watcher) look(ctx context.Context, paths map[string]bool) bool {
	l := &looking{Watcher: w, ctx: ctx}
	root, err := confine.Open(w.root)
	if err == nil {
		defer root.Close()
		l.root = root
		order := make([]string, 0, len(paths))
		for p := range paths {
			order = append(order, p)
		}
		slices.Sort(order)
		for _, p := range order {
			if err = l.at(p); err != nil {
				break
			}
		}
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
	root    *confine.Root
	sweep   *placing // of what is not sent, stable or not; nil when it is to become stable
	trouble error    // the first thing that could not be read; the look goes on
	crowded bool     // there was no room for a file
}

// at looks at one path: "" is the root.
func (l *looking) at(p string) error {
	if p == "" {
		return l.tree("")
	}
	for name := range strings.SplitSeq(p, "/") {
		if scan.IsStaging(name) {
			return nil
		}
	}
	info, err := l.root.Lstat(p)
	if err != nil {
		l.gone(p, err)
		return nil
	}
	if info.IsDir() {
		return l.tree(p)
	}
	return l.file(p, info)
}

// gone forgets a file that cannot be looked at any more.
func (l *looking) gone(p string, err error) {
	l.forget(p)
	if l.trouble == nil && mft.CodeOf(err) != mft.CodeNotFound {
		l.trouble = err
	}
}

// tree looks at a directory and all below it.
func (l *looking) tree(top string) error {
	return walk(l.ctx, l.root, top, func(p string, info fs.FileInfo, err error) error {
		if err != nil {
			l.gone(p, err)
			return nil
		}
		return l.file(p, info)
	})
}

// walk calls see for everything below a directory that is no directory itself, and
// for what cannot be looked at. It leaves out what transfers put aside.
func walk(ctx context.Context, root *confine.Root, top string, see func(p string, info fs.FileInfo, err error) error) error {
	todo := []string{top}
	for len(todo) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		rel := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		dir, err := root.Dir(rel)
		var stop error
		if err == nil {
			err = dir.Names(func(name string) error {
				if scan.IsStaging(name) {
					return nil
				}
				p := path.Join(rel, name)
				info, err := dir.Lstat(name)
				if err == nil && info.IsDir() {
					todo = append(todo, p)
					return nil
				}
				stop = see(p, info, err)
				return stop
			})
		}
		if stop == nil && err != nil {
			stop = see(rel, nil, err)
		}
		if stop != nil {
			return stop
		}
	}
	return nil
}

// choose decides about a file, and returns what was sent of its path, nil for nothing.
func (w *Watcher) choose(ctx context.Context, p string, info fs.FileInfo) (trigger.Choice, *journal.Sent, error) {
	choice := w.source.Choose(p, info.Mode().IsRegular())
	if !choice.Moves {
		return choice, nil, nil
	}
	last, sent, err := w.Journal.Sent(ctx, w.Channel.Name, p)
	if err != nil || !sent {
		return trigger.Since(sighting(info), nil), nil, err
	}
	return trigger.Since(sighting(info), &trigger.Sighting{Size: last.Size, MTime: last.MTime, CTime: last.CTime, Inode: last.Inode}), &last, nil
}

// file looks at one file.
func (l *looking) file(p string, info fs.FileInfo) error {
	seen := sighting(info)
	choice, _, err := l.choose(l.ctx, p, info)
	if err != nil {
		return err
	}
	if !choice.Moves {
		if choice.Why == trigger.WhySent {
			l.forget(p)
		}
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

func sighting(info fs.FileInfo) trigger.Sighting {
	id := confine.Stamp(info)
	return trigger.Sighting{Size: id.Size, MTime: id.MTime, CTime: id.CTime, Inode: id.Inode}
}
