package database

import (
	"context"
	"slices"

	"mft.dev/mft"
)

// This file is group commit. Callers of Update queue up. Whoever finds nobody
// writing becomes the leader: it takes what is queued, runs every function in
// one SQLite transaction, each inside a savepoint of its own, commits, tells
// the others, and hands the lead to the first of those who queued up
// meanwhile. While the leader waits for the disk the next group grows, so the
// number of flushes falls as load rises, and nobody ever waits to be joined.

// maxGroup bounds how long one transaction gets.
const maxGroup = 256

// A call is one caller of Update.
type call struct {
	f    func(*Tx) error
	gone func() error // why the caller has gone, nil while it waits
	err  error
	// taken says that a leader has the call, so that it can no longer be
	// withdrawn. Guarded by DB.mu.
	taken bool
	// turn receives true when the call is to lead, false when it is done.
	turn chan bool
}

// Update runs f exactly once, in a transaction that is on stable storage when
// Update returns nil. If f returns an error, or a method of its Tx failed
// with CodeJournal or CodeNoSpace, nothing of f has happened and that is the
// error returned. When the transaction cannot be committed the error is
// CodeJournal or CodeNoSpace; then, after a crash, f may or may not turn out
// to have happened.
//
// Concurrent calls share one transaction and one flush but not their fate: an
// f that fails does not harm the others. f may therefore run on another
// caller's goroutine. It must be quick, must not call methods of DB, and
// must not keep its Tx.
//
// A ctx that is done before f has begun withdraws it: the error wraps
// ctx.Err() and f has not run. After that ctx has no effect.
func (d *DB) Update(ctx context.Context, f func(*Tx) error) error {
	c := &call{f: f, gone: ctx.Err, turn: make(chan bool, 1)}
	lead, err := d.enqueue(c)
	if err != nil {
		return err
	}
	if !lead {
		select {
		case lead = <-c.turn:
		case <-ctx.Done():
			if d.withdraw(c) {
				return failure(opWrite, d.path, ctx.Err())
			}
			lead = <-c.turn
		}
	}
	if lead {
		d.lead(c)
	}
	return c.err
}

// enqueue adds c to the queue and reports whether c is to lead.
func (d *DB) enqueue(c *call) (lead bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false, mft.Fail(mft.CodeJournal, opWrite, d.path, errClosed)
	}
	d.queue = append(d.queue, c)
	if d.leading {
		return false, nil
	}
	d.leading, c.taken = true, true
	return true, nil
}

// withdraw takes c out of the queue unless a leader has it already.
func (d *DB) withdraw(c *call) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c.taken {
		return false
	}
	d.queue = slices.DeleteFunc(d.queue, func(q *call) bool { return q == c })
	return true
}

// lead writes the group that begins with own and hands the lead over.
func (d *DB) lead(own *call) {
	d.mu.Lock()
	n := min(len(d.queue), maxGroup)
	group := slices.Clone(d.queue[:n])
	d.queue = slices.Delete(d.queue, 0, n)
	for _, c := range group {
		c.taken = true
		c.err = mft.Fail(mft.CodeInternal, opWrite, d.path, errAbrupt)
	}
	d.mu.Unlock()

	// Deferred, so that a panic inside one function leaves nobody waiting.
	defer func() {
		for _, c := range group {
			if c != own {
				c.turn <- false
			}
		}
		d.handOver()
	}()
	d.writer.run(group)
}

// handOver makes the first of the queue the leader, if there is a queue.
func (d *DB) handOver() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.queue) == 0 {
		d.leading = false
		d.idle.Broadcast()
		return
	}
	d.queue[0].taken = true
	d.queue[0].turn <- true
}
