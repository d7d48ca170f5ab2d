package arrival

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/trigger"
)

// Sweep looks at the whole source once and makes transfers, for a run of the
// channel, of all that was not sent as it is. It returns of how many files. Doing it
// again for the same run makes no transfer twice. Errors are those of the source; what
// could be read is sent all the same.
func (w *Watcher) Sweep(ctx context.Context, run string) (files int, err error) {
	root, err := confine.Open(w.root)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	w.news = false
	clear(w.ready)
	to := &placing{Watcher: w, ctx: ctx, run: run}
	l := &looking{Watcher: w, ctx: ctx, root: root, sweep: to}
	if err = l.tree(""); err == nil {
		err = to.place()
	}
	if err == nil {
		err = l.trouble
	}
	w.mu.Lock()
	w.shown.LastScan, w.shown.Problem = w.Now(), err
	w.mu.Unlock()
	return to.placed, err
}

// Gather makes transfers, for a run of the channel, of the files that Look has found to
// be stable and that still are as it found them. It returns of how many.
func (w *Watcher) Gather(ctx context.Context, run string) (files int, err error) {
	w.news = false
	if len(w.ready) == 0 {
		return 0, nil
	}
	root, err := confine.Open(w.root)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	if w.crowded { // there is room now
		w.next = w.Now()
	}
	to := &placing{Watcher: w, ctx: ctx, run: run}
	for _, p := range slices.Sorted(maps.Keys(w.ready)) {
		f := w.ready[p]
		info, err := root.Lstat(p)
		if err != nil || !info.Mode().IsRegular() || sighting(info) != f.seen {
			delete(w.ready, p)
			w.hint(p)
			continue
		}
		if err := to.take(f); err != nil {
			return to.placed, err
		}
	}
	err = to.place()
	return to.placed, err
}

// Again has the files of a transfer that came to nothing sent by the next run, for which
// they are no reason by themselves.
func (w *Watcher) Again(tx *journal.Tx, t mft.Transfer) error {
	for _, source := range t.Sources {
		rel, err := filepath.Rel(w.root, source)
		if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			continue
		}
		rel = filepath.ToSlash(rel)
		last, err := tx.ForgetSent(w.Channel.Name, rel)
		if err != nil {
			return err
		}
		if last.Path != "" && len(w.ready) < maxSettling {
			seen := trigger.Sighting{Size: last.Size, MTime: last.MTime, CTime: last.CTime, Inode: last.Inode}
			w.ready[rel] = arrived{path: rel, seen: seen, detected: w.Now()}
		}
	}
	return nil
}

// A placing makes the transfers of a run. It holds files until there is a portion
// of them.
type placing struct {
	*Watcher
	ctx    context.Context //nolint:containedctx // of one call of Sweep or Gather
	run    string
	held   []arrived
	placed int // files of which transfers were made
}

// take adds a file to those that are sent.
func (l *placing) take(f arrived) error {
	l.held = append(l.held, f)
	if len(l.held) >= portion {
		return l.place()
	}
	return nil
}

// place makes one transfer of the files that are held for every endpoint of
// the channel.
func (l *placing) place() error {
	if len(l.held) == 0 {
		return nil
	}
	files := l.held
	l.held = nil
	var rows []mft.Transfer
	for _, to := range l.Channel.To {
		t, err := l.Plan(to.Agent, l.Channel.Overwrite)
		if err != nil {
			return err
		}
		t.Channel, t.Destination, t.Compare = l.Channel.Name, asDirectory(to.Path), l.Channel.Compare
		t.Compress, t.Run = l.Channel.Compress, l.run
		for _, f := range files {
			t.Sources = append(t.Sources, filepath.Join(l.root, filepath.FromSlash(f.path)))
		}
		rows = append(rows, t)
	}
	if len(rows) == 0 {
		return mft.Fail(mft.CodeConfig, "send the files of channel", l.Channel.Name, errors.New("it has no destination"))
	}
	if err := l.Journal.Update(l.ctx, func(tx *journal.Tx) error { return l.write(tx, rows, files) }); err != nil {
		return err
	}
	for _, f := range files {
		l.forget(f.path)
	}
	for _, t := range rows {
		t.State = mft.StateQueued
		l.Placed(t)
	}
	l.placed += len(files)
	return nil
}

// write makes the rows with their story, and remembers what they send.
func (l *placing) write(tx *journal.Tx, rows []mft.Transfer, ready []arrived) error {
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
