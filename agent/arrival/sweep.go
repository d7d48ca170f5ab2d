package arrival

import (
	"context"
	"path/filepath"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
)

// Sweep looks at the whole source once and makes transfers, for a run of the
// channel, of all that was not sent as it is. It returns of how many files. Doing it
// again for the same run makes no transfer twice. It may not be called while Run
// runs. Errors are those of the source; what could be read is sent all the same.
func (w *Watcher) Sweep(ctx context.Context, run string) (files int, err error) {
	root, err := confine.Open(w.root)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	l := &looking{Watcher: w, ctx: ctx, root: root, run: run}
	if err = l.tree(""); err == nil {
		err = l.place()
	}
	if err == nil {
		err = l.trouble
	}
	w.mu.Lock()
	w.shown.LastScan, w.shown.Problem = w.Now(), err
	w.mu.Unlock()
	return l.placed, err
}

// Again has the files of a transfer that came to nothing sent by the next sweep.
func (w *Watcher) Again(tx *journal.Tx, t mft.Transfer) error {
	for _, source := range t.Sources {
		rel, err := filepath.Rel(w.root, source)
		if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			continue
		}
		if err := tx.ForgetSent(w.Channel.Name, filepath.ToSlash(rel)); err != nil {
			return err
		}
	}
	return nil
}
