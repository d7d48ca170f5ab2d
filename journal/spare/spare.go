// Package spare keeps a copy of a journal for as long as another version of
// mft tries it, so that the version before can go on if the trial changed the
// schema and failed.
//
//	err := spare.Take(ctx, path)                    // the journal is closed
//	… the other version opens the journal, and ends …
//	restored, err := spare.Settle(ctx, path)        // before it is opened for good
//
// A copy would be a danger to exactly-once delivery if anything had been
// delivered since it was made: an agent on trial delivers nothing, begins
// nothing and hears nothing of peers, and every agent that does begins with
// Settle, after which there is no copy. The copy takes the place of the journal
// only if this version cannot open that; else the journal is newer, and right.
//
// The package refuses to touch a journal that somebody has open.
package spare

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"mft.dev/mft"
	"mft.dev/mft/internal/durable"
	"mft.dev/mft/journal/database"
	"mft.dev/mft/journal/form"
)

// What lies beside a journal.
const (
	// suffixSpare is the copy.
	suffixSpare = ".spare"
	// suffixRestore is the copy once it is decided that it takes the place of
	// the journal: from then on there is no way back.
	suffixRestore = ".restore"
	suffixWAL     = "-wal"
	suffixShared  = "-shm"
)

// Take makes a durable copy of the journal at path, which must have been
// closed in order. Of several calls without Settle between them the first
// counts: what it copied is older than any trial.
func Take(ctx context.Context, path string) error {
	const op = "keep a copy of the journal"
	err := locked(path, func() error {
		if there(path+suffixSpare) || there(path+suffixRestore) {
			return nil
		}
		if info, err := os.Stat(path + suffixWAL); err == nil && info.Size() > 0 {
			return errors.New("it was not closed in order")
		}
		return duplicate(ctx, path, path+suffixSpare)
	})
	if err != nil {
		return fail(op, path, err)
	}
	return nil
}

// Settle does away with the copy, if there is one: it takes the place of the
// journal when that has a schema which this version does not know, and is
// removed otherwise. It may be interrupted at any point and run again.
func Settle(ctx context.Context, path string) (restored bool, err error) {
	const op = "settle the copy of the journal"
	if !there(path+suffixSpare) && !there(path+suffixRestore) {
		return false, nil
	}
	err = locked(path, func() error {
		if !there(path + suffixRestore) {
			schema, err := database.Version(ctx, path, form.Steps().ApplicationID)
			if err != nil {
				return err
			}
			if schema <= len(form.Steps().Steps) {
				return remove(path + suffixSpare)
			}
			if err := rename(path+suffixSpare, path+suffixRestore); err != nil {
				return err
			}
		}
		restored = true
		return restore(path)
	})
	if err != nil {
		return false, fail(op, path, err)
	}
	return restored, nil
}

// restore puts the copy in the place of the journal. Its companions go first:
// what they hold belongs to the other file.
func restore(path string) error {
	for _, suffix := range []string{suffixWAL, suffixShared} {
		if err := remove(path + suffix); err != nil {
			return err
		}
	}
	return rename(path+suffixRestore, path)
}

func locked(path string, f func() error) error {
	lock, err := database.Lock(path)
	if err != nil {
		return err
	}
	return errors.Join(f(), lock.Close())
}

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(to))
}

// duplicate makes a durable copy for the owner only; to is whole or not there.
func duplicate(ctx context.Context, from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() // only read from
	out, err := os.CreateTemp(filepath.Dir(to), ".mft-*.part")
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { in.Close() })
	_, err = io.Copy(out, in) // shares the blocks where the file system can
	if !stop() && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err == nil {
		err = out.Sync()
	}
	// A failure to close may be the only report of a lost write.
	if e := out.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = rename(out.Name(), to)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("copying: %w", err), os.Remove(out.Name()))
	}
	return nil
}

func fail(op, path string, err error) error {
	code := mft.CodeOf(err)
	if code == mft.CodeOther {
		code = mft.CodeJournal
		if errors.Is(err, syscall.ENOSPC) {
			code = mft.CodeNoSpace
		}
	}
	return mft.Fail(code, op, path, err)
}
