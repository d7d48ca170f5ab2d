package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"mft.dev/mft"
	"mft.dev/mft/internal/durable"
)

// A DB is an open database. Its methods may be called concurrently.
type DB struct {
	path   string
	lock   *os.File
	writer *writer
	reader *sql.DB

	mu      sync.Mutex // guards what follows
	queue   []*call
	leading bool // somebody leads, or has been told to
	closed  bool
	idle    *sync.Cond // on mu: leading became false
}

// Open opens the database at path, makes it (mode 0600, in a directory that
// exists) when there is none, and brings an older schema up to date. It holds
// an exclusive lock on path+".lock" until Close. The error has code
// CodeRunning when somebody else holds that lock, CodeNoSpace when the disk is
// full, and CodeJournal when the file cannot be used: it is damaged, of
// another application, or of a newer version.
func Open(ctx context.Context, path string, form Form) (*DB, error) {
	const op = "open the journal"
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, failure(op, path, err)
	}
	lock, err := acquire(path + ".lock")
	if err != nil {
		return nil, failure(op, path, err)
	}
	d := &DB{path: path, lock: lock}
	d.idle = sync.NewCond(&d.mu)
	if err := d.connect(ctx, form); err != nil {
		return nil, failure(op, path, errors.Join(err, d.release()))
	}
	return d, nil
}

// Lock takes the lock of the database at path without opening it, for whoever
// does something to its files. The error is CodeRunning when somebody else
// has it.
func Lock(path string) (io.Closer, error) {
	f, err := acquire(path + ".lock")
	if err != nil {
		return nil, failure("lock the journal", path, err)
	}
	return f, nil
}

// acquire takes the lock that keeps a second process out. The file stays when
// the lock is given up: removing it would let two processes lock two files of
// one name.
func acquire(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock file: %w", err)
	}
	held, err := lockFile(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("locking %q: %w", path, err), f.Close())
	}
	if held {
		return nil, errors.Join(mft.Fail(mft.CodeRunning, "lock the journal", path, nil), f.Close())
	}
	return f, nil
}

// connect makes the file if there is none, brings its schema up to date and
// prepares the connections.
func (d *DB) connect(ctx context.Context, form Form) error {
	// SQLite would make the file readable to all that the umask lets in; its
	// companions -wal and -shm get the mode of the file.
	f, err := os.OpenFile(d.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("making the file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("making the file: %w", err)
	}
	if err := durable.SyncDir(filepath.Dir(d.path)); err != nil {
		return err
	}
	db, err := pool(d.path, writeCache, 1, "")
	if err != nil {
		return err
	}
	d.writer = &writer{path: d.path, db: db}
	if err := d.writer.connect(ctx); err != nil {
		return err
	}
	if err := migrate(ctx, d.writer.conn, form); err != nil {
		return err
	}
	d.reader, err = pool(d.path, readCache, readers, "&_query_only=1")
	if err != nil {
		return err
	}
	if err := d.reader.PingContext(ctx); err != nil {
		return fmt.Errorf("connecting to read: %w", err)
	}
	return nil
}

// Close waits until the updates that have begun are written, then closes the
// database and gives up its lock. Later calls of any method fail with
// CodeJournal. A second Close does nothing.
func (d *DB) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil
	}
	d.closed = true
	for d.leading {
		d.idle.Wait()
	}
	d.mu.Unlock()
	return failure("close the journal", d.path, d.release())
}

// release closes whatever is open. The writer comes after the readers: the
// last connection to close moves the -wal into the database.
func (d *DB) release() error {
	var errs []error
	if d.reader != nil {
		errs = append(errs, d.reader.Close())
	}
	if d.writer != nil {
		errs = append(errs, d.writer.close())
	}
	return errors.Join(append(errs, d.lock.Close())...)
}

// Row reads one row into dest and reports whether there was one. doing says
// in an error what it was for.
func (d *DB) Row(ctx context.Context, doing, query string, args []any, dest ...any) (bool, error) {
	err := d.reader.QueryRowContext(ctx, query, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, d.Unreadable(doing, err)
}

// Rows calls f for every row of a query, until f returns an error. f must not
// use the database.
func (d *DB) Rows(ctx context.Context, doing, query string, args []any, f func(*sql.Rows) error) error {
	rows, err := d.reader.QueryContext(ctx, query, args...)
	if err == nil {
		err = each(rows, f)
	}
	return d.Unreadable(doing, err)
}

// Unreadable makes of what was wrong with values that were read an error with
// a code; nil stays nil.
func (d *DB) Unreadable(doing string, err error) error {
	if err == nil {
		return nil
	}
	return failure(opRead, d.path, fmt.Errorf("%s: %w", doing, err))
}

// each calls f for every row, and closes rows.
func each(rows *sql.Rows, f func(*sql.Rows) error) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
