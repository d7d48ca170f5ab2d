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

	"mft.dev/mft"
	"mft.dev/mft/internal/confine/filesys"
)

// WriteFile replaces what is at path by a file with this content and mode perm
// (not narrowed by the umask). A symbolic link at path is replaced, not
// followed. On return of nil content and name are on stable storage. After an
// error path is untouched; only when the flush of the directory failed it
// holds the new content, without promise. The error wraps the cause from os.
//
// A crash may leave a file .mft-*.part beside path.
func WriteFile(path string, content []byte, perm fs.FileMode) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, unfinished)
	if err != nil {
		return fmt.Errorf("making a temporary file: %w", err)
	}
	err = fill(f, content, perm)
	// A failure to close may be the only report of a lost write.
	if e := f.Close(); err == nil && e != nil {
		err = fmt.Errorf("closing a temporary file: %w", e)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
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

// Code returns the code for a failure of the file system, or the code that err
// already has; CodeIO when nothing more is known.
func Code(err error) mft.Code {
	if code := filesys.CodeFor(err); code != mft.CodeOther {
		return code
	}
	return mft.CodeIO
}

// unfinished is the pattern of the names of files that are not whole yet.
const unfinished = ".mft-*.part"

// Sweep removes what a crash left behind in a directory where nobody writes now.
// What cannot be removed does no harm.
func Sweep(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if ours, _ := filepath.Match(unfinished, e.Name()); ours {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// SyncDir makes the names in the directory at path durable: what was created,
// renamed or removed there before the call stays so after a crash. Where
// directories cannot be flushed (Windows) it does nothing, since the system
// keeps names in its own log.
func SyncDir(path string) error { return syncDir(path) }
