package arrival

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// Mirror makes one transfer of the whole source to each endpoint of the channel, for a
// run, and returns how many it made. Doing it again for the same run makes no transfer
// twice.
func (w *Watcher) Mirror(ctx context.Context, run string) (made int, err error) {
	// They are written at once, so there are all of them or none.
	have, err := w.Journal.Transfers(ctx, journal.Filter{Run: run, Limit: 1})
	if err != nil || len(have) > 0 {
		return 0, err
	}
	var rows []mft.Transfer
	for _, to := range w.Channel.To {
		t, err := w.Plan(to.Name(), w.Channel.Overwrite)
		if err != nil {
			return 0, err
		}
		t.Channel, t.Run, t.Destination = w.Channel.Name, run, asDirectory(to.Path)
		t.Compare, t.Compress, t.Mirror, t.Preserve = w.Channel.Compare, w.Channel.Compress, w.Channel.Mirror, w.Channel.Preserve
		t.Sources = []string{asDirectory(w.root)}
		rows = append(rows, t)
	}
	l := &placing{Watcher: w, ctx: ctx, run: run}
	if err := w.Journal.Update(ctx, func(tx *journal.Tx) error { return l.write(tx, rows, nil) }); err != nil {
		return 0, err
	}
	for _, t := range rows {
		t.State = mft.StateQueued
		w.Placed(t)
	}
	w.mu.Lock()
	w.shown.LastScan, w.shown.Problem = w.Now(), nil
	w.mu.Unlock()
	return len(rows), nil
}
