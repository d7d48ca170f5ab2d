package mft

import "time"

// A Bandwidth is how fast a channel may send, all of its transfers together.
type Bandwidth struct {
	// Limit is in bytes a second, 0 for none.
	Limit int64
	// Hours are times of day with a limit of their own; the first that fits counts.
	Hours []Hours
	// Zone is that of Hours, empty for that of the host, and Calendar has their working days.
	Zone     string
	Calendar Calendar
}

// Limited reports whether there ever is a limit.
func (b Bandwidth) Limited() bool {
	for _, h := range b.Hours {
		if h.Limit > 0 {
			return true
		}
	}
	return b.Limit > 0
}

// Hours are a time of day with a limit.
type Hours struct {
	// From and To are on the clock of the wall, since midnight. Hours that end where they begin, or
	// before, end on the next day.
	From, To time.Duration
	// On is OnWorkday or OnHoliday for hours that begin on such a day, empty for every day.
	On DayRule
	// Limit is in bytes a second, 0 for none.
	Limit int64
}
