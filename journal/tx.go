package journal

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal/batch"
	"mft.dev/mft/journal/database"
)

// A Tx is what the function given to Journal.Update writes through. It is
// valid until that function returns, on that goroutine.
//
// A method that needs a transfer fails with CodeNotFound when there is none
// of that id.
type Tx struct {
	db     *database.Tx
	blobs  *batch.Codec
	window int   // ReplayWindow, less in tests
	newest int64 // Seq of the newest event
}

// number returns the row number of a transfer.
func (tx *Tx) number(doing string, id mft.TransferID) (int64, error) {
	var n int64
	ok, err := tx.db.Row(doing, "SELECT n FROM transfers WHERE id = ?", []any{id[:]}, &n)
	if err == nil && !ok {
		err = unknown(doing, id)
	}
	return n, err
}

func unknown(doing string, id mft.TransferID) error {
	return mft.Fail(mft.CodeNotFound, doing, id.String(), errors.New("the journal has no such transfer"))
}

// bug is the answer to values that only a defect of the caller can produce.
func bug(doing, subject, why string, args ...any) error {
	return mft.Fail(mft.CodeInternal, doing, subject, fmt.Errorf(why, args...))
}

// Create adds a transfer. The error has code CodeBadState when the journal
// has one of that id already. Events that were appended for it before now
// belong to it.
func (tx *Tx) Create(t mft.Transfer) error {
	const doing = "add a transfer"
	switch {
	case t.ID.IsZero():
		return bug(doing, "", "the transfer has no id")
	case !slices.Contains(mft.States(), t.State):
		return bug(doing, t.ID.String(), "unknown state %q", t.State)
	}
	added, err := tx.db.Exec(doing, "INSERT INTO transfers ("+transferColumns+
		") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING",
		t.ID[:], string(t.Role), string(t.Peer), t.Channel, string(t.State), string(t.Reason.Code),
		blob(t.Reason.Detail), encodeStrings(t.Sources), blob(t.Destination), string(t.Overwrite), t.Requested,
		t.Totals.Items, t.Totals.Bytes, t.Moved.Items, t.Moved.Bytes, nanos(t.Created), nanos(t.Updated), t.Attempts,
		string(t.Compare), t.Mirror.On, t.Mirror.MaxFiles, t.Mirror.MaxPercent, t.Unchanged.Items, t.Unchanged.Bytes, t.Removed,
		string(t.Compress), t.Run, uint8(t.Preserve))
	if err != nil {
		return err
	}
	if added == 0 {
		return mft.Fail(mft.CodeBadState, doing, t.ID.String(), errors.New("the journal already has a transfer of this id"))
	}
	_, err = tx.db.Exec(doing, "UPDATE events SET loose = 0 WHERE transfer = ? AND loose = 1", t.ID[:])
	return err
}

// Transfer returns a transfer as this transaction sees it, and whether there
// is one of this id.
func (tx *Tx) Transfer(id mft.TransferID) (mft.Transfer, bool, error) {
	var t transferRow
	ok, err := tx.db.Row("read a transfer", "SELECT "+transferColumns+" FROM transfers WHERE id = ?",
		[]any{id[:]}, t.dest()...)
	if err != nil || !ok {
		return mft.Transfer{}, false, err
	}
	out, err := t.transfer()
	if err != nil {
		return mft.Transfer{}, false, tx.db.Break("reading a transfer", err)
	}
	return out, true, nil
}

// SetState moves a transfer to state s with reason r at a time, which becomes
// its Updated. The error has code CodeBadState when State.CanBecome forbids
// that.
func (tx *Tx) SetState(id mft.TransferID, s mft.State, r mft.Reason, at time.Time) error {
	const doing = "change the state of a transfer"
	var now string
	ok, err := tx.db.Row(doing, "SELECT state FROM transfers WHERE id = ?", []any{id[:]}, &now)
	switch {
	case err != nil:
		return err
	case !ok:
		return unknown(doing, id)
	case !mft.State(now).CanBecome(s):
		return mft.Fail(mft.CodeBadState, doing, id.String(), fmt.Errorf("it is %s and cannot become %s", now, s))
	}
	_, err = tx.db.Exec(doing, "UPDATE transfers SET state = ?, code = ?, detail = ?, updated = ? WHERE id = ?",
		string(s), string(r.Code), blob(r.Detail), nanos(at), id[:])
	return err
}

// SetProgress stores how much a transfer has and how much of it is committed.
func (tx *Tx) SetProgress(id mft.TransferID, totals, moved mft.Count) error {
	const doing = "store the progress of a transfer"
	n, err := tx.db.Exec(doing, `UPDATE transfers SET total_items = ?, total_bytes = ?, moved_items = ?, moved_bytes = ?
		WHERE id = ?`, totals.Items, totals.Bytes, moved.Items, moved.Bytes, id[:])
	if err == nil && n == 0 {
		err = unknown(doing, id)
	}
	return err
}

// SetUnchanged stores how much of a transfer was at the destination before,
// and how many entries there a mirror removed.
func (tx *Tx) SetUnchanged(id mft.TransferID, same mft.Count, removed int64) error {
	const doing = "store what was unchanged"
	n, err := tx.db.Exec(doing, "UPDATE transfers SET same_items = ?, same_bytes = ?, removed = ? WHERE id = ?",
		same.Items, same.Bytes, removed, id[:])
	if err == nil && n == 0 {
		err = unknown(doing, id)
	}
	return err
}

// AddAttempt counts one more offer to the peer.
func (tx *Tx) AddAttempt(id mft.TransferID) error {
	const doing = "count an attempt"
	n, err := tx.db.Exec(doing, "UPDATE transfers SET attempts = attempts + 1 WHERE id = ?", id[:])
	if err == nil && n == 0 {
		err = unknown(doing, id)
	}
	return err
}

// Append adds an event. The journal gives it the Seq that follows the last
// one; e.Seq is ignored. The transfer of an event need not exist.
func (tx *Tx) Append(e mft.Event) error {
	var transfer []byte
	if !e.Transfer.IsZero() {
		transfer = e.Transfer[:]
	}
	seq, err := tx.db.Insert("append an event", `INSERT INTO events (at, kind, transfer, channel, peer, code, detail, loose)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, NOT EXISTS (SELECT 1 FROM transfers WHERE id = ?3))`,
		nanos(e.Time), string(e.Kind), transfer, e.Channel, string(e.Peer), string(e.Code), blob(e.Detail))
	if err == nil {
		tx.newest = seq
	}
	return err
}
