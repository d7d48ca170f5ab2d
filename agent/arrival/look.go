package arrival

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/trigger"
)

// look looks at paths and what is below them, makes transfers of what is
// stable, and reports whether all went well.
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
		if err == nil {
			err = l.place()
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

// A looking is one look at the source. It holds stable files until there is a
// portion of them.
type looking struct {
	*Watcher
	ctx     context.Context //nolint:containedctx // of one call of look
	root    *confine.Root
	run     string // of the channel; then it does not matter whether files are stable
	placed  int    // files of which transfers were made
	ready   []arrived
	trouble error // the first thing that could not be read; the look goes on
	crowded bool  // there was no room for a file
}

// An arrived file is stable and has not been sent like this.
type arrived struct {
	path     string // below the root of the channel
	seen     trigger.Sighting
	detected time.Time
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
	delete(l.settling, p)
	l.stability.Forget(p)
	if l.trouble == nil && mft.CodeOf(err) != mft.CodeNotFound {
		l.trouble = err
	}
}

// tree looks at a directory and all below it.
func (l *looking) tree(top string) error {
	todo := []string{top}
	for len(todo) > 0 {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		rel := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		dir, err := l.root.Dir(rel)
		if err != nil {
			l.gone(rel, err)
			continue
		}
		var failed error
		err = dir.Names(func(name string) error {
			if scan.IsStaging(name) {
				return nil
			}
			p := path.Join(rel, name)
			info, err := dir.Lstat(name)
			switch {
			case err != nil:
				l.gone(p, err)
			case info.IsDir():
				todo = append(todo, p)
			default:
				failed = l.file(p, info)
			}
			return failed
		})
		if failed != nil {
			return failed
		}
		if err != nil {
			l.gone(rel, err)
		}
	}
	return nil
}

// file looks at one file.
func (l *looking) file(p string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() || l.markers[p] || !trigger.Matches(l.Channel.Select, p) {
		return nil
	}
	id := confine.Stamp(info)
	seen := trigger.Sighting{Size: id.Size, MTime: id.MTime, CTime: id.CTime, Inode: id.Inode}
	last, sent, err := l.Journal.Sent(l.ctx, l.Channel.Name, p)
	if err != nil {
		return err
	}
	if sent && seen == (trigger.Sighting{Size: last.Size, MTime: last.MTime, CTime: last.CTime, Inode: last.Inode}) {
		delete(l.settling, p)
		l.stability.Forget(p)
		return nil
	}
	now := l.Now()
	if l.run != "" {
		return l.take(arrived{path: p, seen: seen, detected: now})
	}
	s := l.settling[p]
	if s == nil {
		if len(l.settling) >= maxSettling {
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
	return l.take(arrived{path: p, seen: seen, detected: s.first})
}

// take adds a file to those that are sent.
func (l *looking) take(f arrived) error {
	l.ready = append(l.ready, f)
	if len(l.ready) >= portion {
		return l.place()
	}
	return nil
}

// place makes one transfer of the files that are ready for every endpoint of
// the channel.
func (l *looking) place() error {
	if len(l.ready) == 0 {
		return nil
	}
	ready := l.ready
	l.ready = nil
	// What cannot be placed is looked at again with the next scan.
	for _, f := range ready {
		if s := l.settling[f.path]; s != nil {
			s.again = l.Now().Add(l.When.Rescan)
		}
	}
	var rows []mft.Transfer
	for _, to := range l.Channel.To {
		t, err := l.Plan(to.Agent, l.Channel.Overwrite)
		if err != nil {
			return err
		}
		t.Channel, t.Destination, t.Compare = l.Channel.Name, asDirectory(to.Path), l.Channel.Compare
		t.Compress, t.Run = l.Channel.Compress, l.run
		for _, f := range ready {
			t.Sources = append(t.Sources, filepath.Join(l.root.Path(), filepath.FromSlash(f.path)))
		}
		rows = append(rows, t)
	}
	if len(rows) == 0 {
		return mft.Fail(mft.CodeConfig, "send the files of channel", l.Channel.Name, errors.New("it has no destination"))
	}
	if err := l.Journal.Update(l.ctx, func(tx *journal.Tx) error { return l.write(tx, rows, ready) }); err != nil {
		return err
	}
	for _, f := range ready {
		delete(l.settling, f.path)
		l.stability.Forget(f.path)
	}
	for _, t := range rows {
		t.State = mft.StateQueued
		l.Placed(t)
	}
	l.placed += len(ready)
	return nil
}

// write makes the rows with their story, and remembers what they send.
func (l *looking) write(tx *journal.Tx, rows []mft.Transfer, ready []arrived) error {
	now := l.Now()
	for _, t := range rows {
		if err := tx.Create(t); err != nil {
			return err
		}
		for _, f := range ready {
			e := mft.Event{Time: f.detected, Kind: mft.EventDetected, Transfer: t.ID, Channel: t.Channel, Peer: t.Peer, Detail: f.path}
			if err := tx.Append(e); err != nil {
				return err
			}
			e.Time, e.Kind = now, mft.EventStable
			if err := tx.Append(e); err != nil {
				return err
			}
		}
		if err := l.Trail.Tell(tx, t.ID, mft.EventPlanned, "", ""); err != nil {
			return err
		}
		if err := tx.SetState(t.ID, mft.StateQueued, mft.Reason{}, now); err != nil {
			return err
		}
	}
	for _, f := range ready {
		err := tx.MarkSent(l.Channel.Name, journal.Sent{
			Path: f.path, Size: f.seen.Size, MTime: f.seen.MTime, CTime: f.seen.CTime, Inode: f.seen.Inode,
			Transfer: rows[0].ID, At: now,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// asDirectory returns the path of a channel's endpoint in the form that means
// a directory. What is below the source keeps its place below it.
func asDirectory(p string) string {
	if strings.HasSuffix(p, "/") {
		return p
	}
	return p + "/"
}
