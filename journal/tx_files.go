package journal

import (
	"errors"
	"fmt"

	"mft.dev/mft"
)

// SetLanding stores where a receive puts its items, in place of what was
// stored before.
func (tx *Tx) SetLanding(id mft.TransferID, l Landing) error {
	const doing = "store where a transfer lands"
	n, err := tx.number(doing, id)
	if err != nil {
		return err
	}
	_, err = tx.db.Exec(doing, `INSERT INTO landings (transfer, root, dir, name, set_id) VALUES (?1, ?2, ?3, ?4, ?5)
		ON CONFLICT (transfer) DO UPDATE SET root = ?2, dir = ?3, name = ?4, set_id = ?5`,
		n, blob(l.Root), blob(l.Dir), blob(l.Name), l.AllowSetID)
	return err
}

// AddStaging records a staging directory, relative to Landing.Root, that is
// about to be made. Recording one twice does nothing.
func (tx *Tx) AddStaging(id mft.TransferID, dir string) error {
	const doing = "record a staging directory"
	n, err := tx.number(doing, id)
	if err != nil {
		return err
	}
	_, err = tx.db.Exec(doing, "INSERT INTO staging (transfer, dir) VALUES (?, ?) ON CONFLICT DO NOTHING", n, blob(dir))
	return err
}

// ClearStaging forgets what only further attempts would need, of a transfer
// that has ended and removed its staging directories: those directories,
// partial files, and the keys of what was committed. PREPARED batches stay.
func (tx *Tx) ClearStaging(id mft.TransferID) error {
	const doing = "forget the staging of a transfer"
	n, err := tx.number(doing, id)
	if err != nil {
		return err
	}
	if _, err := tx.db.Exec(doing, "DELETE FROM staging WHERE transfer = ?", n); err != nil {
		return err
	}
	if _, err := tx.db.Exec(doing, "DELETE FROM partials WHERE transfer = ?", n); err != nil {
		return err
	}
	_, err = tx.db.Exec(doing, "DELETE FROM batches WHERE transfer = ? AND batch NOT IN (SELECT batch FROM prepared)", n)
	return err
}

// Prepare records a batch of 1 to MaxBatch entries as PREPARED: their content
// is flushed, their renames follow. The paths of an entry have at most 16 KiB
// each, those of a batch 64 MiB.
func (tx *Tx) Prepare(id mft.TransferID, entries []Entry) (batch int64, err error) {
	const doing = "prepare a batch"
	n, err := tx.number(doing, id)
	if err != nil {
		return 0, err
	}
	keys, names, err := tx.blobs.Encode(entries)
	if err != nil {
		return 0, bug(doing, id.String(), "%w", err)
	}
	batch, err = tx.db.Insert(doing, "INSERT INTO batches (transfer, keys) VALUES (?, ?)", n, keys)
	if err != nil {
		return 0, err
	}
	_, err = tx.db.Exec(doing, "INSERT INTO prepared (batch, names) VALUES (?, ?)", batch, names)
	return batch, err
}

// Commit makes a PREPARED batch COMMITTED: its renames are durable. Keys and
// digests stay, names go. The error has code CodeBadState when the transfer
// has no such batch in PREPARED.
func (tx *Tx) Commit(id mft.TransferID, batch int64) error {
	return tx.settle("commit a batch", id, batch,
		"DELETE FROM prepared WHERE batch = ?1 AND EXISTS (SELECT 1 FROM batches WHERE batch = ?1 AND transfer = ?2)")
}

// Drop forgets a PREPARED batch whose temporary files were thrown away. The
// error has code CodeBadState when the transfer has no such batch in PREPARED.
func (tx *Tx) Drop(id mft.TransferID, batch int64) error {
	return tx.settle("drop a batch", id, batch,
		"DELETE FROM batches WHERE batch = ?1 AND transfer = ?2 AND EXISTS (SELECT 1 FROM prepared WHERE batch = ?1)")
}

// settle ends the PREPARED state of a batch by a statement that changes one
// row if the batch is in that state and belongs to the transfer.
func (tx *Tx) settle(doing string, id mft.TransferID, batch int64, query string) error {
	n, err := tx.number(doing, id)
	if err != nil {
		return err
	}
	changed, err := tx.db.Exec(doing, query, batch, n)
	if err == nil && changed == 0 {
		err = mft.Fail(mft.CodeBadState, doing, id.String(), fmt.Errorf("batch %d is not PREPARED", batch))
	}
	return err
}

// SavePartial records how far a file has come, in place of what was recorded
// for its key before.
func (tx *Tx) SavePartial(id mft.TransferID, p Partial) error {
	const doing = "record a partial file"
	n, err := tx.number(doing, id)
	if err != nil {
		return err
	}
	_, err = tx.db.Exec(doing, `INSERT INTO partials (transfer, key, temp, position) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT (transfer, key) DO UPDATE SET temp = ?3, position = ?4`, n, p.Key[:], blob(p.Temp), p.Offset)
	return err
}

// DropPartial forgets a partial file, if it is known.
func (tx *Tx) DropPartial(id mft.TransferID, key [16]byte) error {
	const doing = "forget a partial file"
	n, err := tx.number(doing, id)
	if err != nil {
		return err
	}
	_, err = tx.db.Exec(doing, "DELETE FROM partials WHERE transfer = ? AND key = ?", n, key[:])
	return err
}

// StoreReceipt stores the receipt of a transfer, in place of an earlier one,
// and at the sender the signed envelope that carried it, in its wire form. The
// receiver signs anew whenever it sends its receipt, and stores nil.
func (tx *Tx) StoreReceipt(id mft.TransferID, r mft.Receipt, envelope []byte) error {
	const doing = "store a receipt"
	n, err := tx.number(doing, id)
	if err != nil {
		return err
	}
	_, err = tx.db.Exec(doing, `INSERT INTO receipts (transfer, named, code, detail, items, bytes, failed, manifest, envelope,
			same_items, same_bytes, removed)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
		ON CONFLICT (transfer) DO UPDATE SET named = ?2, code = ?3, detail = ?4, items = ?5, bytes = ?6, failed = ?7,
			manifest = ?8, envelope = ?9, same_items = ?10, same_bytes = ?11, removed = ?12`,
		n, r.Transfer[:], string(r.Code), blob(r.Detail), r.Received.Items, r.Received.Bytes, r.Failed,
		r.Manifest[:], blob(string(envelope)), r.Unchanged.Items, r.Unchanged.Bytes, r.Removed)
	return err
}

// MarkSent remembers what a channel sent from s.Path, in place of what it sent
// from there before.
func (tx *Tx) MarkSent(channel string, s Sent) error {
	const doing = "remember what a channel sent"
	if s.Path == "" {
		return mft.Fail(mft.CodeInternal, doing, channel, errors.New("the path is empty"))
	}
	// The inode number is stored bit for bit; it is only ever compared.
	_, err := tx.db.Exec(doing, `INSERT INTO sent (channel, path, size, mtime, ctime, inode, transfer, at)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
		ON CONFLICT (channel, path) DO UPDATE SET size = ?3, mtime = ?4, ctime = ?5, inode = ?6, transfer = ?7, at = ?8`,
		channel, blob(s.Path), s.Size, s.MTime, s.CTime, int64(s.Inode), s.Transfer[:], nanos(s.At))
	return err
}
