// Package watch tells early that files below a directory may have changed.
//
// A [Watcher] is made with [New] and runs with [Watcher.Run], which blocks and
// calls a function with every path that is worth a look:
//
//	w := watch.New("/srv/out")
//	err := w.Run(ctx, func(path string) { … })
//
// What it reports are hints: a path may be reported for nothing or twice, and
// in trouble a change is not reported at all. Whoever needs the truth scans
// the directory from time to time and uses the hints to look sooner. The
// package refuses to read files, to follow symbolic links, and to interpret
// what has changed.
package watch

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mft.dev/mft"
)

// A Watcher watches one directory tree.
type Watcher struct {
	root string // absolute, in the form of this host
}

// New returns a watcher of the tree below root. It starts nothing.
func New(root string) *Watcher { return &Watcher{root: filepath.Clean(root)} }

// Mechanism names what Run uses on this system: "inotify" or "fsnotify".
func Mechanism() string { return mechanism }

// Run watches until ctx ends, when it returns nil, or until it no longer can:
// then the error is an *mft.Error and only scanning is left. It first calls
// look with "", once every directory is watched: what happened before that was
// not seen.
//
// It calls look, from its own goroutine and never concurrently, with the
// slash-separated path below root of a file that was written and closed or
// moved in, or of a directory that appeared and whose whole content may be
// new; with "" when anything may have changed. Look must not block.
func (w *Watcher) Run(ctx context.Context, look func(path string)) error {
	_, err := w.run(ctx, 0, look)
	return err
}

// RunUntilQuiet is Run until nothing has happened for a while, too. Then it returns what
// keeps watch: see Await. Nothing that happens from then on is lost, whatever becomes of this
// process. It returns nil where the system has no such thing.
func (w *Watcher) RunUntilQuiet(ctx context.Context, quiet time.Duration, look func(path string)) (*os.File, error) {
	return w.run(ctx, quiet, look)
}

// directories calls f with every directory at and below rel, parents first,
// never through a symbolic link. What cannot be read is skipped: it has gone,
// or it is not ours to see.
func (w *Watcher) directories(rel string, f func(rel string) error) error {
	return filepath.WalkDir(w.full(rel), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !d.IsDir() {
			return nil
		}
		below, err := filepath.Rel(w.root, path)
		if err != nil {
			return nil
		}
		if below == "." {
			below = ""
		}
		return f(filepath.ToSlash(below))
	})
}

// full returns the host's path of a path below root.
func (w *Watcher) full(rel string) string { return filepath.Join(w.root, filepath.FromSlash(rel)) }

// join appends a name to a slash-separated path.
func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// within reports whether path is dir or below it.
func within(path, dir string) bool {
	return dir == "" || path == dir || strings.HasPrefix(path, dir+"/")
}

func fail(code mft.Code, subject string, err error) error {
	return mft.Fail(code, "watch directory", subject, err)
}
