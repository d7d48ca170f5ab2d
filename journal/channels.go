package journal

import (
	"context"
	"database/sql"

	"mft.dev/mft"
	"mft.dev/mft/journal/database"
	"mft.dev/mft/journal/leaving"
	"mft.dev/mft/journal/runs"
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

// Orders returns what SetOrders has kept of a channel, nothing at first.
func (j *Journal) Orders(ctx context.Context, channel string) (orders []byte, err error) {
	_, err = j.db.Row(ctx, "reading orders about a channel", "SELECT orders FROM channels WHERE name = ?", []any{channel}, &orders)
	return orders, err
}

// SetOrders keeps what operators have ordered of a channel.
func (tx *Tx) SetOrders(channel string, orders []byte) error {
	_, err := tx.db.Exec("keep orders about a channel", `INSERT INTO channels (name, state, orders) VALUES (?1, x'', ?2)
		ON CONFLICT (name) DO UPDATE SET orders = ?2`, channel, orders)
	return err
}

// BeginRun keeps that a run has begun; see runs.Begin.
func (tx *Tx) BeginRun(r runs.Run) error { return runs.Begin(tx.db, r) }

// EndRun keeps how a run ended; see runs.End.
func (tx *Tx) EndRun(r runs.Run) error { return runs.End(tx.db, r) }

// Runs returns the runs that f chooses, the newest first.
func (j *Journal) Runs(ctx context.Context, f runs.Filter) ([]runs.Run, error) {
	return runs.List(ctx, j.db, f)
}

// Leaving is for package leaving.
func (tx *Tx) Leaving() *database.Tx { return tx.db }

// Leaves returns the portions of a channel that are due; see leaving.Due.
func (j *Journal) Leaves(ctx context.Context, channel string, skip func(mft.TransferID) bool) ([]leaving.Portion, error) {
	return leaving.Due(ctx, j.db, channel, skip)
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
