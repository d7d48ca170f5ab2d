package arrival

import (
	"context"
	"io/fs"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/trigger"
)

// An Explained file is why it moves, or does not.
type Explained struct {
	Path   string // below the source
	Choice trigger.Choice
	Size   int64
	MTime  time.Time
	// Sent is what was sent last from there, nil for nothing.
	Sent *journal.Sent
	// Err is why it cannot be looked at; nothing else is known then.
	Err error
}

// Explain calls see for every file at a path below the source, "" for all: what a run
// would decide now about each. Unlike the other methods it may be called by any
// goroutine.
func (w *Watcher) Explain(ctx context.Context, p string, see func(Explained) error) error {
	root, err := confine.Open(w.root)
	if err != nil {
		return err
	}
	defer root.Close()
	one := func(p string, info fs.FileInfo, err error) error {
		if err != nil {
			return see(Explained{Path: p, Err: err})
		}
		choice, last, err := w.choose(ctx, p, info)
		if err != nil {
			return err
		}
		return see(Explained{Path: p, Choice: choice, Size: info.Size(), MTime: info.ModTime(), Sent: last})
	}
	if p == "" {
		return walk(ctx, root, "", one)
	}
	info, err := root.Lstat(p)
	if c := w.source.Choose(p, true); err == nil && (!info.IsDir() || c.Why == trigger.WhyAside) || err != nil {
		return one(p, info, err)
	}
	return walk(ctx, root, p, one)
}

// Readable returns why the content of a file below the source cannot be read, nil if it
// can. It may be called by any goroutine.
func (w *Watcher) Readable(p string) error {
	root, err := confine.Open(w.root)
	if err != nil {
		return err
	}
	defer root.Close()
	f, _, err := root.OpenFile(p)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return mft.Fail(mft.CodeIO, "close", p, err)
	}
	return nil
}

// Unstable reports whether a file still has to stay the same before it arrives, and until
// when at least. It is for the goroutine that calls Look.
func (w *Watcher) Unstable(p string) (until time.Time, is bool) {
	if s := w.settling[p]; s != nil {
		return s.again, true
	}
	return time.Time{}, false
}
