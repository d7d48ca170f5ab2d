package journal

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"mft.dev/mft"
)

// MaxExitRuns is how many commands of one transfer are remembered when it is
// no longer watched, those that failed first.
const MaxExitRuns = 1000

// An ExitRun is one command on behalf of a transfer, and how far it is.
type ExitRun struct {
	// Key names it within its transfer.
	Key   [16]byte
	Phase mft.ExitPhase
	// Path is what it is about, absolute; Command what ran, for people.
	Path, Command string
	// Running says that it has begun and no end of it is known: it runs, or was
	// interrupted. Ended says that it is over, well or badly. A command with
	// neither has failed and is to be run again.
	Running, Ended bool
	// Runs is how often it was begun, Failures how often it is known to have
	// failed.
	Runs, Failures int
	// Status is the exit status of the last run, -1 when it had none. Code is
	// set when that failed, and Detail says how it ended.
	Status int
	Code   mft.Code
	Detail string
	// Output is what the last run wrote, or its beginning and end.
	Output []byte
	// At is when the last run began, or ended if it has.
	At time.Time
}

// Watch has a transfer kept until Unwatch, and with listed the names of what it
// delivers from now on. A second time it can only add to that.
func (tx *Tx) Watch(id mft.TransferID, listed bool) error {
	const doing = "watch a transfer"
	n, err := tx.number(doing, id)
	if err != nil {
		return err
	}
	_, err = tx.db.Exec(doing, "INSERT INTO watched (transfer, listed) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET listed = max(listed, ?2)", n, listed)
	return err
}

// Unwatch forgets what a transfer delivered, and all but MaxExitRuns of the
// commands that ran for it.
func (tx *Tx) Unwatch(id mft.TransferID) error {
	const doing = "forget what a transfer delivered"
	n, err := tx.number(doing, id)
	if err != nil {
		return err
	}
	if _, err := tx.db.Exec(doing, "DELETE FROM watched WHERE transfer = ?", n); err != nil {
		return err
	}
	_, err = tx.db.Exec(doing, `DELETE FROM exits WHERE transfer = ?1 AND n NOT IN
		(SELECT n FROM exits WHERE transfer = ?1 ORDER BY failures = 0, n LIMIT ?2)`, n, MaxExitRuns)
	return err
}

// SetExit records a command of a transfer: that it begins, or how it ended.
func (tx *Tx) SetExit(id mft.TransferID, r ExitRun) error {
	const doing = "record a command"
	n, err := tx.number(doing, id)
	if err != nil {
		return err
	}
	_, err = tx.db.Exec(doing, `INSERT INTO exits
		(transfer, key, phase, path, command, running, ended, runs, failures, status, code, detail, output, at)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
		ON CONFLICT (transfer, key) DO UPDATE SET running = ?6, ended = ?7, runs = ?8, failures = ?9, status = ?10,
			code = ?11, detail = ?12, output = ?13, at = ?14`,
		n, r.Key[:], string(r.Phase), blob(r.Path), blob(r.Command), r.Running, r.Ended, r.Runs, r.Failures, r.Status,
		string(r.Code), blob(r.Detail), blob(string(r.Output)), nanos(r.At))
	return err
}

// Remark gives a transfer that is done a reason for people, when something
// that followed it went wrong. It does nothing to others.
func (tx *Tx) Remark(id mft.TransferID, r mft.Reason) error {
	_, err := tx.db.Exec("remark on a transfer", "UPDATE transfers SET code = ?2, detail = ?3 WHERE id = ?1 AND state = ?4",
		id[:], string(r.Code), blob(r.Detail), string(mft.StateDone))
	return err
}

const exitColumns = "key, phase, path, command, running, ended, runs, failures, status, code, detail, output, at"

// An exitRow receives a row of exitColumns.
type exitRow struct {
	r                          ExitRun
	key, path, command, detail []byte
	at                         int64
}

func (e *exitRow) dest() []any {
	r := &e.r
	return []any{
		&e.key, &r.Phase, &e.path, &e.command, &r.Running, &r.Ended, &r.Runs, &r.Failures, &r.Status, &r.Code, &e.detail,
		&r.Output, &e.at,
	}
}

func (e *exitRow) run() ExitRun {
	r := e.r
	copy(r.Key[:], e.key)
	r.Path, r.Command, r.Detail, r.At = string(e.path), string(e.command), string(e.detail), moment(e.at)
	return r
}

// Exit returns what is known of one command, and whether it ever began.
func (j *Journal) Exit(ctx context.Context, id mft.TransferID, key [16]byte) (ExitRun, bool, error) {
	var e exitRow
	ok, err := j.db.Row(ctx, "reading how far a command is", "SELECT "+exitColumns+` FROM exits
		WHERE transfer = (SELECT n FROM transfers WHERE id = ?) AND key = ?`, []any{id[:], key[:]}, e.dest()...)
	if err != nil || !ok {
		return ExitRun{}, false, err
	}
	return e.run(), true, nil
}

// Exits returns the commands that began for a transfer, in the order in which
// they did, at most MaxExitRuns.
func (j *Journal) Exits(ctx context.Context, id mft.TransferID) ([]ExitRun, error) {
	var out []ExitRun
	err := j.db.Rows(ctx, "listing commands", "SELECT "+exitColumns+` FROM exits
		WHERE transfer = (SELECT n FROM transfers WHERE id = ?) ORDER BY n LIMIT ?`, []any{id[:], MaxExitRuns},
		func(rows *sql.Rows) error {
			var e exitRow
			err := rows.Scan(e.dest()...)
			out = append(out, e.run())
			return err
		})
	return out, err
}

// Watched reports whether a transfer is watched, and whether what it delivers
// has to be on record by name.
func (j *Journal) Watched(ctx context.Context, id mft.TransferID) (watched, listed bool, err error) {
	watched, err = j.db.Row(ctx, "reading whether a transfer is watched",
		"SELECT listed FROM watched JOIN transfers ON n = transfer WHERE id = ?", []any{id[:]}, &listed)
	return watched, listed, err
}

// WatchedEnded returns the watched transfers that have ended, oldest first, at
// most limit of those after the one that is numbered after; last is the number
// of the last of them.
func (j *Journal) WatchedEnded(ctx context.Context, after int64, limit int) (list []mft.TransferID, last int64, err error) {
	last = after
	err = j.db.Rows(ctx, "listing watched transfers", `SELECT n, id FROM watched JOIN transfers ON n = transfer
		WHERE n > ? AND state IN ('done', 'rejected', 'failed', 'cancelled') ORDER BY n LIMIT ?`, []any{after, limited(limit)},
		func(rows *sql.Rows) error {
			var b []byte
			if err := rows.Scan(&last, &b); err != nil {
				return err
			}
			id, err := decodeID(b)
			list = append(list, id)
			return err
		})
	return list, last, err
}

// Delivered calls f for each batch that a watched transfer has delivered, in
// the order of their commits; its Entries are f's to keep. An error of f ends
// that and is returned as it is. f may call other methods of the journal.
func (j *Journal) Delivered(ctx context.Context, id mft.TransferID, f func(Batch) error) error {
	const doing = "reading what was delivered"
	for after := int64(0); ; {
		var keys, names []byte
		ok, err := j.db.Row(ctx, doing, `SELECT n, keys, names FROM deliveries
			WHERE transfer = (SELECT n FROM transfers WHERE id = ?) AND n > ? ORDER BY n LIMIT 1`,
			[]any{id[:], after}, &after, &keys, &names)
		if err != nil || !ok {
			return err
		}
		entries, err := j.blobs.Decode(keys, names)
		if err != nil {
			return j.db.Unreadable(doing, fmt.Errorf("delivery %d: %w", after, err))
		}
		if err := f(Batch{N: after, Entries: entries}); err != nil {
			return err
		}
	}
}
