package journal

import (
	"context"
	"database/sql"

	"mft.dev/mft"
)

// Transfer returns a transfer and whether there is one of this id.
func (j *Journal) Transfer(ctx context.Context, id mft.TransferID) (mft.Transfer, bool, error) {
	var t transferRow
	ok, err := j.db.Row(ctx, "reading a transfer", "SELECT "+transferColumns+" FROM transfers WHERE id = ?",
		[]any{id[:]}, t.dest()...)
	if err != nil || !ok {
		return mft.Transfer{}, false, err
	}
	out, err := t.transfer()
	return out, err == nil, j.db.Unreadable("reading a transfer", err)
}

// Transfers returns the transfers that f chooses.
func (j *Journal) Transfers(ctx context.Context, f Filter) ([]mft.Transfer, error) {
	query, args := f.Query(transferColumns)
	var out []mft.Transfer
	err := j.db.Rows(ctx, "listing transfers", query, args, func(rows *sql.Rows) error {
		var r transferRow
		if err := rows.Scan(r.dest()...); err != nil {
			return err
		}
		t, err := r.transfer()
		out = append(out, t)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// limited makes of "0 means all" what LIMIT takes.
func limited(n int) int {
	if n <= 0 {
		return -1
	}
	return n
}

// Events returns events with Seq > after, oldest first, at most limit of
// them; 0 means all.
func (j *Journal) Events(ctx context.Context, after int64, limit int) ([]mft.Event, error) {
	return j.events(ctx, "SELECT "+eventColumns+" FROM events WHERE seq > ? ORDER BY seq LIMIT ?", after, limited(limit))
}

// TransferEvents returns all events of one transfer, oldest first.
func (j *Journal) TransferEvents(ctx context.Context, id mft.TransferID) ([]mft.Event, error) {
	return j.events(ctx, "SELECT "+eventColumns+" FROM events WHERE transfer = ? ORDER BY seq", id[:])
}

// Milestones is TransferEvents without those of single items; of more than 2,000, the newest.
func (j *Journal) Milestones(ctx context.Context, id mft.TransferID) ([]mft.Event, error) {
	const newest = "SELECT * FROM events WHERE transfer = ? AND kind <> 'item' ORDER BY seq DESC LIMIT 2000"
	return j.events(ctx, "SELECT "+eventColumns+" FROM ("+newest+") ORDER BY seq", id[:])
}

func (j *Journal) events(ctx context.Context, query string, args ...any) ([]mft.Event, error) {
	var out []mft.Event
	err := j.db.Rows(ctx, "reading events", query, args, func(rows *sql.Rows) error {
		e, err := scanEvent(rows)
		out = append(out, e)
		return err
	})
	return out, err
}

// Stats describes the journal.
func (j *Journal) Stats(ctx context.Context) (Stats, error) {
	s := Stats{Transfers: make(map[mft.State]int64)}
	// One statement reads one state of the database.
	_, err := j.db.Row(ctx, "describing the journal", `SELECT user_version, page_count * page_size, freelist_count * page_size,
		(SELECT count(*) FROM events), (SELECT coalesce(max(seq), 0) FROM events), (SELECT seq FROM forgotten)
		FROM pragma_user_version, pragma_page_count, pragma_page_size, pragma_freelist_count`, nil,
		&s.Version, &s.Size, &s.Free, &s.Events, &s.Newest, &s.Forgotten)
	if err != nil {
		return Stats{}, err
	}
	err = j.db.Rows(ctx, "counting transfers", "SELECT state, count(*) FROM transfers GROUP BY state", nil,
		func(rows *sql.Rows) error {
			var state mft.State
			var n int64
			err := rows.Scan(&state, &n)
			s.Transfers[state] = n
			return err
		})
	if err != nil {
		return Stats{}, err
	}
	return s, nil
}
