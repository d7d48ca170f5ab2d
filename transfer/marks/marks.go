// Package marks remembers the marks of big files between transfers, so that the
// next delta of a file begins without reading the version that is there.
//
//	store := marks.Open(dir, slog.Default())
//	store.Keep(path, identity, record)      // a file has come to its final name
//	record := store.Find(path, identity)    // it is to be replaced
//	err := store.Forget(path)               // its marks turned out to be wrong
//
// What is remembered is a hint, and worth no flush: each file of a store has
// its digest, and is removed when that does not fit. It belongs to a path and is
// found only for the file that was there, by everything the kernel tells of it:
// device, inode, size, times, mode, owner and links. So a file that somebody
// else has written or touched is not known. Somebody who writes without leaving
// a trace in these is found out by the user of the package, who verifies what is
// made with the marks.
//
// A sender that has no connection to its receiver remembers what it has sent in
// the same way, in a store of its own: KeepSent, FindSent.
//
// A store is bounded by number and size; what was kept longest ago makes room. It
// removes nothing from its directory but files that it named.
package marks

import (
	"cmp"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"mft.dev/mft/internal/blake3"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/transfer/delta"
)

// Bounds of a store. The marks of a file of 2 GiB take 320 KiB, those of one of
// 16 TiB 20 MiB.
const (
	maxEntries = 1024
	maxBytes   = 64 << 20
)

// Names of the files of a store.
const (
	suffix  = ".marks"
	tempFor = "new-*.part"
)

// A Store is a directory of marks. Its methods may be called by several
// goroutines. One process at a time uses it.
type Store struct {
	dir string
	log *slog.Logger

	mu      sync.Mutex
	opened  bool
	entries map[string]entry // by file name
	bytes   int64
	last    uint64 // order of the newest
	bounds  bounds
}

type bounds struct {
	entries int
	bytes   int64
}

// An entry is a file of the store.
type entry struct {
	size  int64
	order uint64 // larger is newer
}

// Open returns the store in a directory, which is made when it is needed. What
// fails is logged, and no error: then less is remembered.
func Open(dir string, log *slog.Logger) *Store {
	return &Store{dir: dir, log: log, entries: make(map[string]entry), bounds: bounds{maxEntries, maxBytes}}
}

// Find returns the marks of the file at an absolute path, or nil if that is not
// the file they were made of, or they are not to be had. What is of no use any
// more is removed.
func (s *Store) Find(path string, id confine.Identity) *delta.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *delta.Record
	s.find(path, func(content []byte) (err error) {
		found, err = parse(content, path, id)
		return err
	})
	return found
}

// find has the entry of a path parsed, if there is one, and removes what cannot
// be. The caller holds mu.
func (s *Store) find(path string, parse func([]byte) error) {
	if !s.ready() {
		return
	}
	name := nameOf(path)
	if _, ok := s.entries[name]; !ok {
		return
	}
	content, err := s.read(name)
	if err == nil {
		err = parse(content)
	}
	if err == nil {
		return
	}
	s.log.Debug("marks are of no use", "path", path, "err", err)
	if err := s.drop(name); err != nil {
		s.log.Warn("cannot remove marks", "path", path, "err", err)
	}
}

// Keep remembers the marks of the file at an absolute path, in place of those of
// an earlier one.
func (s *Store) Keep(path string, id confine.Identity, r *delta.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ready() {
		return
	}
	content := encode(path, id, r)
	if err := s.keep(nameOf(path), content); err != nil {
		s.log.Warn("cannot remember marks", "path", path, "err", err)
	}
}

func (s *Store) keep(name string, content []byte) error {
	size := int64(len(content))
	if err := s.drop(name); err != nil || size > s.bounds.bytes {
		return err
	}
	for s.bytes+size > s.bounds.bytes || len(s.entries) >= s.bounds.entries {
		if err := s.drop(s.oldest()); err != nil {
			return err
		}
	}
	if err := s.write(name, content); err != nil {
		return err
	}
	s.add(name, size)
	return nil
}

// Forget removes the marks of the file at a path. They are not found again by
// this process in any case.
func (s *Store) Forget(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ready() {
		return nil
	}
	return s.drop(nameOf(path))
}

// ready reads the directory once, and reports whether there is one.
func (s *Store) ready() bool {
	if !s.opened {
		if err := s.load(); err != nil {
			s.log.Warn("marks are not remembered", "dir", s.dir, "err", err)
			return false
		}
		s.opened = true
	}
	return true
}

// load takes stock, and removes what was left half written.
func (s *Store) load() error {
	list, err := os.ReadDir(s.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	type found struct {
		name string
		size int64
		when time.Time
	}
	var all []found
	for _, e := range list {
		if half, _ := filepath.Match(tempFor, e.Name()); half {
			if err := os.Remove(filepath.Join(s.dir, e.Name())); err != nil {
				return err
			}
			continue
		}
		fi, err := e.Info()
		if err != nil || !fi.Mode().IsRegular() || !isName(e.Name()) {
			continue
		}
		all = append(all, found{e.Name(), fi.Size(), fi.ModTime()})
	}
	slices.SortFunc(all, func(a, b found) int {
		return cmp.Or(a.when.Compare(b.when), strings.Compare(a.name, b.name))
	})
	for _, f := range all {
		s.add(f.name, f.size)
	}
	for s.bytes > s.bounds.bytes || len(s.entries) > s.bounds.entries {
		if err := s.drop(s.oldest()); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) add(name string, size int64) {
	s.last++
	s.bytes += size - s.entries[name].size
	s.entries[name] = entry{size, s.last}
}

// drop removes an entry, if it is there.
func (s *Store) drop(name string) error {
	e, ok := s.entries[name]
	if !ok {
		return nil
	}
	delete(s.entries, name)
	s.bytes -= e.size
	if err := os.Remove(filepath.Join(s.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s *Store) oldest() string {
	var name string
	least := s.last + 1
	for n, e := range s.entries {
		if e.order < least {
			name, least = n, e.order
		}
	}
	return name
}

// read reads an entry, which is no larger than it was when it was written.
func (s *Store) read(name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(s.dir, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, s.entries[name].size)
	_, err = io.ReadFull(f, b)
	return b, err
}

// write puts a file into place as a whole. It need not survive a crash.
func (s *Store) write(name string, content []byte) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil { // it may have been removed
		return err
	}
	f, err := os.CreateTemp(s.dir, tempFor) // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(s.dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// nameOf returns the name of the file for the marks of the one at a path.
func nameOf(path string) string {
	d := blake3.Sum([]byte(path))
	return hex.EncodeToString(d[:16]) + suffix
}

func isName(name string) bool {
	digits, ok := strings.CutSuffix(name, suffix)
	raw, err := hex.DecodeString(digits)
	return ok && err == nil && len(raw) == 16
}
