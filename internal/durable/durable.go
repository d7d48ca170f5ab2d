// Package durable puts small files on stable storage whole: after a crash the
// name holds either the old content or the new, never a part, and what a call
// has reported as written is still there.
//
// It is for files that fit in memory and belong to this agent. It never
// retries a flush that failed, does not create directories, and does not
// defend against other users who may write to the directory.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// WriteFile replaces the file at path by one with this content and mode perm
// (not narrowed by the umask). On return of nil content and name are on
// stable storage; after an error path is untouched, or, when only the flush of
// the directory failed, holds the new content without promise. The error
// wraps the cause from os.
func WriteFile(path string, content []byte, perm fs.FileMode) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".mft-*.tmp")
	if err != nil {
		return fmt.Errorf("making a temporary file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := fill(f, content, perm); err != nil {
		return errors.Join(err, f.Close())
	}
	// A failure to close may be the only report of a lost write.
	if err := f.Close(); err != nil {
		return fmt.Errorf("closing a temporary file: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("giving a file its name: %w", err)
	}
	return SyncDir(dir)
}

func fill(f *os.File, content []byte, perm fs.FileMode) error {
	if _, err := f.Write(content); err != nil {
		return fmt.Errorf("writing a temporary file: %w", err)
	}
	if err := f.Chmod(perm); err != nil {
		return fmt.Errorf("setting the mode of a temporary file: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("flushing a temporary file: %w", err)
	}
	return nil
}

// SyncDir makes the names in the directory at path durable: what was created,
// renamed or removed there before the call stays so after a crash. Where
// directories cannot be flushed (Windows) it does nothing, since the system
// keeps names in its own log.
func SyncDir(path string) error { return syncDir(path) }
