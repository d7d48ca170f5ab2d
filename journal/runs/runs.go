// Package runs is how the journal keeps the runs of channels: a row for each, from when
// content begins to move, so that the last of them are found without a look at all
// events.
//
// It decides nothing; package agent/conduct does. Of each channel the newest
// [Kept] runs stay.
package runs

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal/database"
)

// Kept is how many runs of one channel stay.
const Kept = 1000

// A Run is one of a channel.
type Run struct {
	ID      string
	Channel string
	// Causes are why it was made, words without spaces.
	Causes []string
	// Orders is how many orders of operators to run the channel had been taken up
	// when it began.
	Orders int64
	Began  time.Time
	// Ended is zero while it is under way, and what follows is empty.
	Ended   time.Time
	Outcome string
	Moved   mft.Count
	Code    mft.Code
	Detail  string
}

// A Filter chooses runs. Its zero value chooses all.
type Filter struct {
	Channel, ID string
	// Orders chooses those that began with at least so many.
	Orders int64
	// Oldest returns the oldest first.
	Oldest bool
	Limit  int // 0 means all
}

// Begin adds a run.
func Begin(tx *database.Tx, r Run) error {
	const doing = "note that a run begins"
	_, err := tx.Exec(doing, `INSERT INTO runs (id, channel, causes, orders, began, ended, outcome, files, bytes, code, detail)
		VALUES (?, ?, ?, ?, ?, 0, '', 0, 0, '', x'') ON CONFLICT (id) DO NOTHING`,
		r.ID, r.Channel, strings.Join(r.Causes, " "), r.Orders, r.Began.UnixNano())
	if err != nil {
		return err
	}
	_, err = tx.Exec(doing, fmt.Sprintf(`DELETE FROM runs WHERE channel = ?1 AND n <= (SELECT n FROM runs
		WHERE channel = ?1 ORDER BY n DESC LIMIT 1 OFFSET %d)`, Kept), r.Channel)
	return err
}

// End keeps how the run of an id ended; what Begin was given stays.
func End(tx *database.Tx, r Run) error {
	_, err := tx.Exec("note that a run ends", "UPDATE runs SET ended = ?, outcome = ?, files = ?, bytes = ?, code = ?, detail = ? WHERE id = ?",
		r.Ended.UnixNano(), r.Outcome, r.Moved.Items, r.Moved.Bytes, string(r.Code), []byte(r.Detail), r.ID)
	return err
}

// List returns the runs that f chooses, the newest first.
func List(ctx context.Context, db *database.DB, f Filter) (out []Run, err error) {
	query := `SELECT id, channel, causes, orders, began, ended, outcome, files, bytes, code, detail FROM runs
		WHERE (?1 = '' OR channel = ?1) AND (?2 = '' OR id = ?2) AND orders >= ?3 ORDER BY n DESC LIMIT ?4`
	switch {
	case f.ID != "": // let the planner take the index of ids
		query = strings.Replace(query, "(?2 = '' OR id = ?2)", "id = ?2", 1)
	case f.Channel != "":
		query = strings.Replace(query, "(?1 = '' OR channel = ?1)", "channel = ?1", 1)
	}
	if f.Oldest {
		query = strings.Replace(query, "DESC", "ASC", 1)
	}
	if f.Limit <= 0 {
		f.Limit = -1
	}
	err = db.Rows(ctx, "listing runs", query, []any{f.Channel, f.ID, f.Orders, f.Limit}, func(rows *sql.Rows) error {
		var r Run
		var causes string
		var began, ended int64
		var detail []byte
		err := rows.Scan(&r.ID, &r.Channel, &causes, &r.Orders, &began, &ended, &r.Outcome, &r.Moved.Items, &r.Moved.Bytes, &r.Code, &detail)
		r.Causes, r.Began, r.Detail = strings.Fields(causes), time.Unix(0, began), string(detail)
		if ended != 0 {
			r.Ended = time.Unix(0, ended)
		}
		out = append(out, r)
		return err
	})
	return out, err
}
