package store

import (
	"context"
	"time"

	"mft.dev/mft/journal/database"
)

// A clock counts how long the relay has run, all of its runs together. Leases and
// ages are told by it, so that neither a wall clock that is set nor a host that was
// off lets anything end that nobody had a chance to fetch.
type clock struct {
	now    func() time.Time
	before time.Duration // in earlier runs
	since  time.Time     // the beginning of this one
}

func newClock(now func() time.Time, before time.Duration) clock {
	return clock{now: now, before: before, since: now()}
}

// ran returns the time in nanoseconds. It never goes back within one run; after a
// crash it may, by as much as passes between two savings.
func (c *clock) ran() int64 {
	return int64(c.before + max(0, c.now().Sub(c.since)))
}

// saveClock has the next run go on from here.
func (s *Store) saveClock(ctx context.Context) error {
	return s.db.Update(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec("saving the clock", "UPDATE clock SET ran = ?", s.clock.ran())
		return err
	})
}
