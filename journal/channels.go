package journal

import (
	"context"
	"database/sql"

	"mft.dev/mft"
)

// Channel returns what SetChannel has kept of a channel, nothing at first.
func (j *Journal) Channel(ctx context.Context, name string) (state []byte, err error) {
	_, err = j.db.Row(ctx, "reading the state of a channel", "SELECT state FROM channels WHERE name = ?", []any{name}, &state)
	return state, err
}

// SetChannel keeps the state of a channel in place of the one before.
func (tx *Tx) SetChannel(name string, state []byte) error {
	_, err := tx.db.Exec("keep the state of a channel", `INSERT INTO channels (name, state) VALUES (?1, ?2)
		ON CONFLICT (name) DO UPDATE SET state = ?2`, name, state)
	return err
}

// ForgetSent forgets that a channel sent anything from path, and returns what it last
// sent from there; the path in it is empty if that was nothing.
func (tx *Tx) ForgetSent(channel, path string) (Sent, error) {
	var s Sent
	var inode int64
	ok, err := tx.db.Row("forget what a channel sent", `DELETE FROM sent WHERE channel = ? AND path = ?
		RETURNING size, mtime, ctime, inode`, []any{channel, blob(path)}, &s.Size, &s.MTime, &s.CTime, &inode)
	if err != nil || !ok {
		return Sent{}, err
	}
	s.Path, s.Inode = path, uint64(inode)
	return s, nil
}

// RunCounts returns how many transfers of a run are in each state, and what they
// have moved.
func (j *Journal) RunCounts(ctx context.Context, run string) (states map[mft.State]int64, moved mft.Count, err error) {
	states = map[mft.State]int64{}
	err = j.db.Rows(ctx, "counting the transfers of a run", `SELECT state, COUNT(*), SUM(moved_items), SUM(moved_bytes)
		FROM transfers WHERE run = ? AND run <> '' GROUP BY state`, []any{run}, func(rows *sql.Rows) error {
		var state mft.State
		var n, items, bytes int64
		err := rows.Scan(&state, &n, &items, &bytes)
		states[state] = n
		moved.Items, moved.Bytes = moved.Items+items, moved.Bytes+bytes
		return err
	})
	return states, moved, err
}
