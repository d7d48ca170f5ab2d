package journal

import (
	"context"
	"database/sql"
	"fmt"

	"mft.dev/mft"
)

// ExitStep is how far one command on behalf of a transfer is.
type ExitStep int

// The steps of a command, in their order.
const (
	ExitNever   ExitStep = iota // it has not begun
	ExitStarted                 // it has begun; whether it ended is not known
	ExitEnded                   // it is over, well or badly
)

// Watch has the names of what a transfer delivers from now on kept until
// Unwatch. Watching twice does nothing.
func (tx *Tx) Watch(id mft.TransferID) error {
	const doing = "watch a transfer"
	n, err := tx.number(doing, id)
	if err != nil {
		return err
	}
	_, err = tx.db.Exec(doing, "INSERT INTO watched (transfer) VALUES (?) ON CONFLICT DO NOTHING", n)
	return err
}

// Unwatch forgets what a transfer delivered and which commands ran for it.
func (tx *Tx) Unwatch(id mft.TransferID) error {
	_, err := tx.db.Exec("forget what a transfer delivered",
		"DELETE FROM watched WHERE transfer = (SELECT n FROM transfers WHERE id = ?)", id[:])
	return err
}

// SetExit records how far the command is that key stands for within a watched
// transfer. It never goes back.
func (tx *Tx) SetExit(id mft.TransferID, key [16]byte, s ExitStep) error {
	const doing = "record a command"
	n, err := tx.number(doing, id)
	if err != nil {
		return err
	}
	_, err = tx.db.Exec(doing, `INSERT INTO exits (transfer, key, ended) VALUES (?1, ?2, ?3)
		ON CONFLICT (transfer, key) DO UPDATE SET ended = max(ended, ?3)`, n, key[:], s == ExitEnded)
	return err
}

// Remark gives a transfer that is done a reason for people, when something
// that followed it went wrong. It does nothing to others.
func (tx *Tx) Remark(id mft.TransferID, r mft.Reason) error {
	_, err := tx.db.Exec("remark on a transfer", "UPDATE transfers SET code = ?2, detail = ?3 WHERE id = ?1 AND state = ?4",
		id[:], string(r.Code), blob(r.Detail), string(mft.StateDone))
	return err
}

// Exit returns how far a command is.
func (j *Journal) Exit(ctx context.Context, id mft.TransferID, key [16]byte) (ExitStep, error) {
	var ended bool
	ok, err := j.db.Row(ctx, "reading how far a command is", `SELECT ended FROM exits
		WHERE transfer = (SELECT n FROM transfers WHERE id = ?) AND key = ?`, []any{id[:], key[:]}, &ended)
	switch {
	case err != nil || !ok:
		return ExitNever, err
	case ended:
		return ExitEnded, nil
	}
	return ExitStarted, nil
}

// Watched reports whether a transfer is watched.
func (j *Journal) Watched(ctx context.Context, id mft.TransferID) (bool, error) {
	var n int64
	return j.db.Row(ctx, "reading whether a transfer is watched",
		"SELECT n FROM watched JOIN transfers ON n = transfer WHERE id = ?", []any{id[:]}, &n)
}

// WatchedEnded returns the watched transfers that have ended, oldest first, at
// most limit of them.
func (j *Journal) WatchedEnded(ctx context.Context, limit int) ([]mft.TransferID, error) {
	var out []mft.TransferID
	err := j.db.Rows(ctx, "listing watched transfers", `SELECT id FROM watched JOIN transfers ON n = transfer
		WHERE state IN ('done', 'rejected', 'failed', 'cancelled') ORDER BY n LIMIT ?`, []any{limited(limit)},
		func(rows *sql.Rows) error {
			var b []byte
			err := rows.Scan(&b)
			out = append(out, mft.TransferID(b))
			return err
		})
	return out, err
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
