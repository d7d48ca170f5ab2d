package journal

import (
	"context"
	"errors"
	"sync"

	"mft.dev/mft"
	"mft.dev/mft/journal/batch"
	"mft.dev/mft/journal/database"
	"mft.dev/mft/journal/form"
)

var errClosed = errors.New("the journal is closed")

// A Journal is an open journal. Its methods may be called concurrently.
type Journal struct {
	path    string
	db      *database.DB
	blobs   *batch.Codec
	window  int           // ReplayWindow, less in tests
	closing chan struct{} // closed by Close

	mu     sync.Mutex // guards what follows
	closed bool
	newest int64         // Seq of the newest committed event
	grown  chan struct{} // closed and replaced when newest grows
}

// Open opens the journal at path, makes it (mode 0600, in a directory that
// exists) when there is none, and brings an older schema up to date. It holds
// an exclusive lock on path+".lock" until Close. The error has code
// CodeRunning when somebody else holds that lock, CodeNoSpace when the disk is
// full, and CodeJournal when the file cannot be used: it is damaged, not a
// journal, or of a newer mft.
func Open(ctx context.Context, path string) (*Journal, error) {
	blobs, err := batch.New()
	if err != nil {
		return nil, mft.Fail(mft.CodeInternal, "open the journal", path, err)
	}
	db, err := database.Open(ctx, path, form.Steps())
	if err != nil {
		return nil, errors.Join(err, blobs.Close())
	}
	j := &Journal{
		path: path, db: db, blobs: blobs, window: ReplayWindow,
		closing: make(chan struct{}), grown: make(chan struct{}),
	}
	_, err = db.Row(ctx, "reading the newest event", "SELECT coalesce(max(seq), 0) FROM events", nil, &j.newest)
	if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

// Close waits until the updates that have begun are written, then closes the
// journal and gives up its lock. Later calls of any method fail with
// CodeJournal, and so does a Wait that is under way. A second Close does
// nothing.
func (j *Journal) Close() error {
	j.mu.Lock()
	closed := j.closed
	j.closed = true
	if !closed {
		close(j.closing)
	}
	j.mu.Unlock()
	if closed {
		return nil
	}
	return errors.Join(j.db.Close(), j.blobs.Close())
}

// Update runs f at most once, in a transaction that is on stable storage when
// Update returns nil. If f returns an error, or a method of its Tx failed
// with CodeJournal or CodeNoSpace, nothing of f has happened and that is the
// error returned. When the transaction cannot be committed the error is
// CodeJournal or CodeNoSpace; then, after a crash, f may or may not turn out
// to have happened.
//
// Concurrent calls share one transaction and one flush but not their fate: an
// f that fails does not harm the others. f may therefore run on another
// caller's goroutine. It must be quick, must not call methods of Journal, and
// must not keep its Tx.
//
// A ctx that is done before f has begun withdraws it: the error wraps
// ctx.Err() and f has not run. After that ctx has no effect.
func (j *Journal) Update(ctx context.Context, f func(*Tx) error) error {
	var newest int64
	err := j.db.Update(ctx, func(db *database.Tx) error {
		tx := &Tx{db: db, blobs: j.blobs, window: j.window}
		err := f(tx)
		newest = tx.newest
		return err
	})
	if err == nil {
		j.announce(newest)
	}
	return err
}

// announce wakes those who wait for events up to newest.
func (j *Journal) announce(newest int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if newest > j.newest {
		j.newest = newest
		close(j.grown)
		j.grown = make(chan struct{})
	}
}

// Newest returns the Seq of the last event that was appended, 0 before the
// first.
func (j *Journal) Newest() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.newest
}

// Wait blocks until an event with Seq > after is committed and returns nil.
// Its error wraps ctx.Err() when ctx is done first, with code CodeTimeout or
// CodeCancelled, and has code CodeJournal when the journal is closed first.
func (j *Journal) Wait(ctx context.Context, after int64) error {
	const op = "wait for events"
	for {
		j.mu.Lock()
		newest, grown := j.newest, j.grown
		j.mu.Unlock()
		if newest > after {
			return nil
		}
		select {
		case <-grown:
		case <-j.closing:
			return mft.Fail(mft.CodeJournal, op, j.path, errClosed)
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return mft.Fail(mft.CodeTimeout, op, j.path, ctx.Err())
			}
			return mft.Fail(mft.CodeCancelled, op, j.path, ctx.Err())
		}
	}
}
