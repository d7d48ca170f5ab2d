// Package leaving is how the journal knows what is to leave the source of a channel, and
// whether it may.
//
// A portion is files that a channel sends to each of its destinations, by a transfer
// each: [Begin] is called for all of them in the transaction that makes them. [Read] keeps
// which version of each file a transfer has read, before the transfer can be delivered. A portion is [Due] when each
// destination has given its receipt, or one never will; what was done about it ends with [End].
//
// It decides nothing about files; package agent/departure does.
package leaving

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/journal/database"
)

// atOnce is how many portions Due returns at most.
const atOnce = 20

// A File is one version of a file. Times are in nanoseconds since the Unix epoch.
type File struct {
	Path         []byte `json:"p"` // below the source, with slashes
	Size         int64  `json:"s"`
	MTime, CTime int64
	Inode        uint64
}

// A Portion is due.
type Portion struct {
	ID mft.TransferID
	// Transfers are those that have given their receipt.
	Transfers []mft.TransferID
	// Delivered says that these are one for each destination. Otherwise nothing of the portion
	// may leave.
	Delivered bool
	// Files are those that every transfer has read, in the same version; Apart are the paths
	// of the others that one has read.
	Files []File
	Apart []string
}

// Begin has the files of a transfer leave with a portion that has so many ends.
func Begin(tx *database.Tx, id, portion mft.TransferID, channel string, ends int) error {
	_, err := tx.Exec("note what leaves", `INSERT INTO leaving (transfer, portion, channel, ends, files)
		SELECT n, ?2, ?3, ?4, x'' FROM transfers WHERE id = ?1`, id[:], portion[:], channel, ends)
	return err
}

// Succeed has a transfer take the place of another in its portion.
func Succeed(tx *database.Tx, old, next mft.TransferID) error {
	_, err := tx.Exec("note what leaves", `INSERT INTO leaving (transfer, portion, channel, ends, files)
		SELECT (SELECT n FROM transfers WHERE id = ?2), portion, channel, ends, x'' FROM leaving
		WHERE transfer = (SELECT n FROM transfers WHERE id = ?1)`, old[:], next[:])
	return err
}

// Read keeps what a transfer has read, in place of what it had before.
func Read(tx *database.Tx, id mft.TransferID, files []File) error {
	b, err := json.Marshal(files)
	if err != nil {
		return fmt.Errorf("what transfer %s has read: %w", id, err)
	}
	_, err = tx.Exec("note what was read", "UPDATE leaving SET files = ?2 WHERE transfer = (SELECT n FROM transfers WHERE id = ?1)", id[:], b)
	return err
}

// Rest keeps that only these files of a portion are still to leave.
func Rest(tx *database.Tx, portion mft.TransferID, files []File) error {
	b, err := json.Marshal(files)
	if err != nil {
		return fmt.Errorf("what is left of portion %s: %w", portion, err)
	}
	_, err = tx.Exec("note what is left", "UPDATE leaving SET files = ?2 WHERE portion = ?1", portion[:], b)
	return err
}

// End forgets a portion.
func End(tx *database.Tx, portion mft.TransferID) error {
	_, err := tx.Exec("note what has left", "DELETE FROM leaving WHERE portion = ?", portion[:])
	return err
}

// Abandon forgets the portions of a channel.
func Abandon(tx *database.Tx, channel string) error {
	_, err := tx.Exec("note what stays", "DELETE FROM leaving WHERE channel = ?", channel)
	return err
}

// Due returns portions of a channel with which something is to be done, the oldest first,
// but those that skip names. It returns a few; there are more if there are any.
func Due(ctx context.Context, db *database.DB, channel string, skip func(portion mft.TransferID) bool) (out []Portion, err error) {
	// A transfer that was left by a fail-over has a successor, or will have one.
	const query = `SELECT portion, SUM(t.state = 'done') >= MAX(ends) FROM leaving JOIN transfers t ON t.n = leaving.transfer
		WHERE leaving.channel = ? GROUP BY portion
		HAVING SUM(t.state = 'done') >= MAX(ends) OR SUM(t.state IN ('failed', 'rejected') OR t.state = 'cancelled' AND t.code <> ?) > 0
		ORDER BY MIN(transfer)`
	err = db.Rows(ctx, "looking for what leaves", query, []any{channel, string(mft.CodeFailedOver)}, func(rows *sql.Rows) error {
		var p Portion
		var id []byte
		err := rows.Scan(&id, &p.Delivered)
		copy(p.ID[:], id)
		if len(out) < atOnce && !skip(p.ID) {
			out = append(out, p)
		}
		return err
	})
	for i := range out {
		if err == nil && out[i].Delivered {
			err = out[i].load(ctx, db)
		}
	}
	return out, err
}

// load fills in the transfers and files of a portion.
func (p *Portion) load(ctx context.Context, db *database.DB) error {
	seen, first := map[string][]File{}, []string{}
	err := db.Rows(ctx, "looking for what leaves", `SELECT t.id, files FROM leaving JOIN transfers t ON t.n = leaving.transfer
		WHERE portion = ? AND t.state = 'done' ORDER BY transfer`, []any{p.ID[:]}, func(rows *sql.Rows) error {
		var id, b []byte
		if err := rows.Scan(&id, &b); err != nil {
			return err
		}
		var t mft.TransferID
		copy(t[:], id)
		p.Transfers = append(p.Transfers, t)
		var files []File
		if len(b) > 0 {
			if err := json.Unmarshal(b, &files); err != nil {
				return err
			}
		}
		for _, f := range files {
			name := string(f.Path)
			if seen[name] == nil {
				first = append(first, name)
			}
			seen[name] = append(seen[name], f)
		}
		return nil
	})
	for _, name := range first {
		of := seen[name]
		if len(of) == len(p.Transfers) && !slices.ContainsFunc(of, func(f File) bool { return !f.Same(of[0]) }) {
			p.Files = append(p.Files, of[0])
		} else {
			p.Apart = append(p.Apart, name)
		}
	}
	return err
}

// Same reports whether another is the same version of the same file.
func (f File) Same(o File) bool {
	return string(o.Path) == string(f.Path) && o.Size == f.Size && o.MTime == f.MTime && o.CTime == f.CTime && o.Inode == f.Inode
}
