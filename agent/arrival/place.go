package arrival

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/lookout"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/leaving"
	"mft.dev/mft/trigger"
)

// Sweep looks at the whole source once and makes transfers, for a run of the
// channel, of all that was not sent as it is. It returns of how many files. Doing it
// again for the same run makes no transfer twice. Errors are those of the source; what
// could be read is sent all the same.
func (w *Watcher) Sweep(ctx context.Context, run string) (files int, err error) {
	news, ready := w.news, w.ready
	w.news, w.ready = false, map[string]arrived{}
	to := &placing{Watcher: w, ctx: ctx, run: run}
	l := &looking{Watcher: w, ctx: ctx, sweep: to}
	if l.oldest, err = w.oldest(ctx); err == nil {
		err = l.at([]string{""})
	}
	if err == nil {
		err = to.place()
	}
	if err != nil && to.placed == 0 {
		w.news, w.ready = news, ready // they are to be sent still
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
	if w.crowded { // there is room now
		w.next = w.Now()
	}
	oldest, err := w.oldest(ctx)
	if err != nil {
		return 0, err
	}
	to := &placing{Watcher: w, ctx: ctx, run: run}
	for paths := range slices.Chunk(slices.Sorted(maps.Keys(w.ready)), lookedUp) {
		err := w.At.Look(ctx, lookout.Search{Paths: paths}, func(p string, id confine.Identity, err error) error {
			f, is := w.ready[p]
			if !is {
				return nil
			}
			if err != nil || !id.IsRegular() || sighting(&id) != f.seen {
				delete(w.ready, p)
				w.hint(p)
				return nil
			}
			if oldest != (rank{}) && rankOf(p, &id).compare(oldest) < 0 {
				delete(w.ready, p) // a newer one has come
				return nil
			}
			return to.take(f)
		})
		if err != nil {
			return to.placed, err
		}
	}
	err = to.place()
	return to.placed, err
}

// lookedUp is how many files are looked at together that are about to be sent.
const lookedUp = 1000

// Again has the files of a transfer that came to nothing sent by the next run, for which
// they are no reason by themselves.
func (w *Watcher) Again(tx *journal.Tx, t mft.Transfer) error {
	for _, source := range t.Sources {
		rel, err := filepath.Rel(w.root, source)
		if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			continue
		}
		rel = filepath.ToSlash(rel)
		w.memory.forget(rel)
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

// Forget has a file below the source count as one of which nothing was sent.
func (w *Watcher) Forget(tx *journal.Tx, rel string) error {
	w.memory.forget(rel)
	w.hint(rel)
	_, err := tx.ForgetSent(w.Channel.Name, rel)
	return err
}

// Kept notes that a file which was sent is the same, although it has another time of change.
func (w *Watcher) Kept(tx *journal.Tx, f leaving.File, sentBy mft.TransferID) error {
	rel := string(f.Path)
	w.memory.forget(rel)
	return tx.MarkSent(w.Channel.Name, journal.Sent{
		Path: rel, Size: f.Size, MTime: f.MTime, CTime: f.CTime, Inode: f.Inode, Transfer: sentBy, At: w.Now(),
	})
}

// A placing makes the transfers of a run. It holds files until there is a portion
// of them.
type placing struct {
	*Watcher
	ctx    context.Context //nolint:containedctx // of one call of Sweep or Gather
	run    string
	held   []arrived
	lines  bool // files only stand in line
	placed int  // files of which transfers were made
}

// take adds a file to those that are sent.
func (l *placing) take(f arrived) error {
	l.held = append(l.held, f)
	switch {
	case !l.lines && len(l.held) >= portion:
		return l.place()
	case l.lines && len(l.held) >= 2*maxLine:
		l.held = l.ordered(l.held)
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
		t, err := l.Plan(to.Name(), l.Channel.Overwrite)
		if err != nil {
			return err
		}
		t.Channel, t.Destination, t.Compare = l.Channel.Name, asDirectory(to.Path), l.Channel.Compare
		t.Compress, t.Preserve, t.Run = l.Channel.Compress, l.Channel.Preserve, l.run
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
		l.memory.forget(f.path)
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
		if l.Channel.After.Moves() {
			if err := leaving.Begin(tx.Leaving(), t.ID, rows[0].ID, t.Channel, len(rows)); err != nil {
				return err
			}
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

// Destination returns where transfers to an endpoint of the channel go.
func (w *Watcher) Destination(to mft.Endpoint) string { return asDirectory(to.Path) }

// asDirectory returns the path of a channel's endpoint in the form that means
// a directory. What is below the source keeps its place below it.
func asDirectory(p string) string {
	if strings.HasSuffix(p, "/") {
		return p
	}
	return p + "/"
}
