package staging

import (
	"errors"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/transfer/staging/publish"
)

// atHome reports whether a temporary name is on the file system that flushing
// the landing covers.
func (a *Area) atHome(temp string) bool { return publish.DirOf(temp) == a.home.Rel() }

// release closes a staged file that flushing the landing will cover.
func (a *Area) release(it *Item) {
	if it.File != nil && a.atHome(it.temp()) {
		it.close()
	}
}

// flush makes a batch's content, attributes and temporary names durable. Few
// files are flushed by themselves, many by one flush of the file system, and so
// is what was built aside, if whole says that it is due.
func (a *Area) flush(b *Batch, whole bool) error {
	if b.files > fewFiles || whole {
		switch err := a.land.SyncFS(); {
		case err == nil:
			return a.flushFiles(b, func(it *Item) bool { return it.temp() != "" && !a.atHome(it.temp()) })
		case !errors.Is(err, errors.ErrUnsupported):
			return err
		}
	}
	return a.flushFiles(b, func(it *Item) bool { return it.temp() != "" })
}

// flushFiles flushes the chosen items one by one, and their staging
// directories.
func (a *Area) flushFiles(b *Batch, chosen func(*Item) bool) error {
	dirs := make(map[string]bool)
	for i := range b.items {
		it := &b.items[i]
		if !chosen(it) {
			continue
		}
		dirs[publish.DirOf(it.Entry.Temp)] = true
		if it.Entry.Type != mft.ItemFile {
			continue
		}
		if it.File == nil {
			f, err := a.reopen(it.Entry.Temp)
			if err != nil {
				return err
			}
			it.File = f
		}
		err := confine.Flush(it.File)
		it.close()
		if err != nil {
			return err
		}
	}
	return publish.SyncDirs(a.root, dirs)
}

// syncNames makes the final names of a batch durable. Few directories are
// synced one by one, many by one flush of the file system, unless some of them
// are on another.
func (a *Area) syncNames(entries []journal.Entry) error {
	dirs := publish.FinalDirs(entries)
	if len(dirs) > fewDirs && !a.crossed.Load() {
		if err := a.land.SyncFS(); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return publish.SyncDirs(a.root, dirs)
}
