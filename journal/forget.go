package journal

import (
	"database/sql"
	"fmt"
	"time"

	"mft.dev/mft"
)

// Forget drops terminal transfers whose Updated is before a time, oldest
// first, with everything that is known of them; their receipts and committed
// keys go with them, not earlier. It spares the newest keep terminal
// transfers, and those that still have staging directories to remove,
// commands to run or sources to clear. It also drops events of that age that belong to no
// transfer. The newest event always stays.
//
// It returns how many transfers it dropped, ForgetAtMost at most: call it in
// a new Update for as long as it returns that many. What was sent, sequences
// and replay windows are never forgotten.
func (tx *Tx) Forget(before time.Time, keep int) (int, error) {
	const doing = "forget old transfers"
	list, err := tx.endedBefore(doing, before, keep)
	if err != nil {
		return 0, err
	}
	var last int64 // the newest event
	if _, err := tx.db.Row(doing, "SELECT coalesce(max(seq), 0) FROM events", nil, &last); err != nil {
		return 0, err
	}
	var gone int64 // the newest event dropped
	for _, t := range list {
		if err := tx.drop(doing, t, last, &gone); err != nil {
			return 0, err
		}
	}
	var loose int64
	if _, err := tx.db.Row(doing, fmt.Sprintf(`SELECT coalesce(max(seq), 0) FROM (SELECT seq FROM events
		WHERE loose = 1 AND at < ? AND seq < ? ORDER BY at LIMIT %d)`, ForgetAtMost),
		[]any{nanos(before), last}, &loose); err != nil {
		return 0, err
	}
	if _, err := tx.db.Exec(doing, fmt.Sprintf(`DELETE FROM events WHERE seq IN (SELECT seq FROM events
		WHERE loose = 1 AND at < ? AND seq < ? ORDER BY at LIMIT %d)`, ForgetAtMost), nanos(before), last); err != nil {
		return 0, err
	}
	_, err = tx.db.Exec(doing, "UPDATE forgotten SET seq = max(seq, ?)", max(gone, loose))
	return len(list), err
}

// An oldTransfer is a transfer to be dropped.
type oldTransfer struct {
	n  int64
	id mft.TransferID
}

// endedBefore chooses what to drop.
func (tx *Tx) endedBefore(doing string, before time.Time, keep int) (list []oldTransfer, err error) {
	// Left alone the planner takes the index of states, and sorts them all.
	const ended = "transfers INDEXED BY transfers_ended WHERE state IN ('done', 'rejected', 'failed', 'cancelled')"
	query := fmt.Sprintf(`SELECT n, id FROM %s AND updated < ?
		AND n NOT IN (SELECT n FROM %s ORDER BY updated DESC, n DESC LIMIT ?)
		AND NOT EXISTS (SELECT 1 FROM staging WHERE transfer = transfers.n)
		AND NOT EXISTS (SELECT 1 FROM watched WHERE transfer = transfers.n)
		AND NOT EXISTS (SELECT 1 FROM leaving WHERE transfer = transfers.n)
		ORDER BY updated, n LIMIT %d`, ended, ended, ForgetAtMost)
	err = tx.db.Rows(doing, query, []any{nanos(before), max(keep, 0)}, func(rows *sql.Rows) error {
		var t oldTransfer
		var id []byte
		err := rows.Scan(&t.n, &id)
		copy(t.id[:], id)
		list = append(list, t)
		return err
	})
	return list, err
}

// drop removes a transfer with its events, and raises gone to the newest of
// those. The event last stays, since the next Seq follows from it; it belongs
// to nobody then.
func (tx *Tx) drop(doing string, t oldTransfer, last int64, gone *int64) error {
	var seq int64
	if _, err := tx.db.Row(doing, "SELECT coalesce(max(seq), 0) FROM events WHERE transfer = ? AND seq < ?",
		[]any{t.id[:], last}, &seq); err != nil {
		return err
	}
	*gone = max(*gone, seq)
	if _, err := tx.db.Exec(doing, "DELETE FROM events WHERE transfer = ? AND seq < ?", t.id[:], last); err != nil {
		return err
	}
	if _, err := tx.db.Exec(doing, "UPDATE events SET loose = 1 WHERE transfer = ?", t.id[:]); err != nil {
		return err
	}
	_, err := tx.db.Exec(doing, "DELETE FROM transfers WHERE n = ?", t.n) // takes the rest with it
	return err
}
