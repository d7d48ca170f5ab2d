package arrival

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/lookout"
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
	oldest, err := w.oldest(ctx)
	if err != nil {
		return err
	}
	one := func(p string, id confine.Identity, err error) error {
		if err != nil {
			return see(Explained{Path: p, Err: err})
		}
		choice, last, err := w.choose(ctx, p, &id, oldest)
		if err != nil {
			return err
		}
		return see(Explained{Path: p, Choice: choice, Size: id.Size, MTime: time.Unix(0, id.MTime), Sent: last})
	}
	deep := p == ""
	if !deep {
		err := w.At.Look(ctx, lookout.Search{Paths: []string{p}}, func(p string, id confine.Identity, err error) error {
			if deep = err == nil && id.IsDir() && w.source.Choose(p, true).Why != trigger.WhyAside; deep {
				return nil
			}
			return one(p, id, err)
		})
		if err != nil || !deep {
			return err
		}
	}
	return w.At.Look(ctx, lookout.Search{Paths: []string{p}, Deep: true}, one)
}

// Readable returns why the content of a file below the source cannot be read, nil if it
// can. It may be called by any goroutine.
func (w *Watcher) Readable(ctx context.Context, p string) error { return w.At.Readable(ctx, p) }

// Unstable reports whether a file still has to stay the same before it arrives, and until
// when at least. It is for the goroutine that calls Look.
func (w *Watcher) Unstable(p string) (until time.Time, is bool) {
	if s := w.settling[p]; s != nil {
		return s.again, true
	}
	return time.Time{}, false
}

// Within returns a path, absolute or below the source, as it is below the source; CodeUsage for
// one elsewhere.
func (w *Watcher) Within(path string) (string, error) {
	rel := filepath.Clean(filepath.FromSlash(path))
	if path == "" {
		return "", nil
	}
	if filepath.IsAbs(rel) {
		var err error
		if rel, err = filepath.Rel(w.root, rel); err != nil {
			rel = ".."
		}
	}
	if rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", mft.Fail(mft.CodeUsage, "explain file", path, fmt.Errorf("it does not lie below the source of channel %s, %s", w.Channel.Name, w.root))
	}
	if rel == "." {
		return "", nil
	}
	return filepath.ToSlash(rel), nil
}
