package transfer

import (
	"errors"
	"path"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
)

// dirOf is path.Dir with "" for the landing's root itself.
func dirOf(p string) string {
	if d := path.Dir(p); d != "." {
		return d
	}
	return ""
}

// onLanding reports whether a temporary name is on the file system that
// flushing the landing covers.
func (p *place) onLanding(temp string) bool {
	return dirOf(temp) == p.home.Rel()
}

// release closes a staged file that flushing the landing will cover.
func (p *place) release(s *staged) {
	if s.file != nil && p.onLanding(s.entry.Temp) {
		s.close()
	}
}

// flush makes a batch's content, attributes and temporary names durable. Few
// files are flushed by themselves, many by one flush of the file system.
func (p *place) flush(b *batch) error {
	if b.open > fewFiles {
		switch err := p.land.SyncFS(); {
		case err == nil:
			return p.flushFiles(b, func(s *staged) bool { return s.entry.Temp != "" && !p.onLanding(s.entry.Temp) })
		case !errors.Is(err, errors.ErrUnsupported):
			return err
		}
	}
	return p.flushFiles(b, func(s *staged) bool { return s.entry.Temp != "" })
}

// flushFiles flushes the chosen items one by one, and the staging directories.
func (p *place) flushFiles(b *batch, chosen func(*staged) bool) error {
	dirs := make(map[string]bool)
	for i := range b.items {
		s := &b.items[i]
		if !chosen(s) {
			continue
		}
		dirs[dirOf(s.entry.Temp)] = true
		if s.entry.Type != mft.ItemFile {
			continue
		}
		if s.file == nil {
			f, err := p.reopen(s.entry.Temp)
			if err != nil {
				return err
			}
			s.file = f
		}
		err := confine.Flush(s.file)
		s.close()
		if err != nil {
			return err
		}
	}
	return syncDirs(p.root, dirs)
}

// syncStaging makes the name of a temporary file durable.
func (p *place) syncStaging(temp string) error {
	return syncDirs(p.root, map[string]bool{dirOf(temp): true})
}

// syncNames makes the final names of a batch durable. Few directories are
// synced one by one, many by one flush of the file system, unless some of them
// are on another.
func (p *place) syncNames(entries []journal.Entry) error {
	dirs := finalDirs(entries)
	if len(dirs) > fewDirs && !p.crossed.Load() {
		if err := p.land.SyncFS(); !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return syncDirs(p.root, dirs)
}

func finalDirs(entries []journal.Entry) map[string]bool {
	dirs := make(map[string]bool)
	for i := range entries {
		dirs[dirOf(entries[i].Final)] = true
	}
	return dirs
}

// syncDirs syncs directories. One that is gone has nothing left to lose: a
// consumer took it away with what was in it.
func syncDirs(root *confine.Root, dirs map[string]bool) error {
	for dir := range dirs {
		d, err := root.Dir(dir)
		if notThere(err) {
			continue
		}
		if err == nil {
			err = d.Sync()
		}
		if err != nil {
			return err
		}
	}
	return nil
}
