//go:build !linux

package watch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"

	"mft.dev/mft"
)

const mechanism = "fsnotify"

func (w *Watcher) run(ctx context.Context, _ time.Duration, look func(string)) (*os.File, error) {
	return nil, w.notice(ctx, look)
}

// Directories is for Linux.
func Directories([]string) (*os.File, error) { return nil, errors.ErrUnsupported }

// Check is for Linux.
func Check(*os.File) error { return errors.ErrUnsupported }

// Happened is for Linux.
func Happened(*os.File) bool { return true }

// Await is for Linux.
func Await(context.Context, *os.File) error { return errors.ErrUnsupported }

func (w *Watcher) notice(ctx context.Context, look func(string)) error {
	fsw, err := fsnotify.NewWatcher()
	if err != nil {
		return fail(mft.CodeOther, w.root, err)
	}
	defer fsw.Close()
	add := func(rel string) error {
		return w.directories(rel, func(rel string) error {
			if err := fsw.Add(w.full(rel)); err != nil {
				if _, gone := os.Lstat(w.full(rel)); gone != nil {
					return filepath.SkipDir
				}
				return fail(mft.CodeOther, w.full(rel), err)
			}
			return nil
		})
	}
	if info, err := os.Lstat(w.root); err != nil || !info.IsDir() {
		return fail(mft.CodeNotFound, w.root, err)
	}
	if err := add(""); err != nil {
		return err
	}
	look("")
	for {
		select {
		case <-ctx.Done():
			return nil
		case err, ok := <-fsw.Errors:
			if !ok {
				return fail(mft.CodeIO, w.root, errors.New("the watcher has ended"))
			}
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return fail(mft.CodeIO, w.root, err)
			}
			if err := add(""); err != nil {
				return err
			}
			look("")
		case ev, ok := <-fsw.Events:
			if !ok {
				return fail(mft.CodeIO, w.root, errors.New("the watcher has ended"))
			}
			if err := w.event(ev, add, look); err != nil {
				return err
			}
		}
	}
}

// event handles one event. Writing is not closed when it is told of: whoever
// looks decides when a file is stable.
func (w *Watcher) event(ev fsnotify.Event, add func(string) error, look func(string)) error {
	if !ev.Has(fsnotify.Create) && !ev.Has(fsnotify.Write) && !ev.Has(fsnotify.Rename) {
		return nil
	}
	rel, err := filepath.Rel(w.root, ev.Name)
	if err != nil || rel == "." {
		return nil
	}
	rel = filepath.ToSlash(rel)
	if info, err := os.Lstat(ev.Name); err == nil && info.IsDir() {
		if !ev.Has(fsnotify.Create) {
			return nil
		}
		if err := add(rel); err != nil {
			return err
		}
	}
	look(rel)
	return nil
}
