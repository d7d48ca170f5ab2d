// Package almanac has what a channel does by the clock, by calendars as their files say
// today.
//
//	b := almanac.New(time.Now)
//	fresh, changed, err := b.Channel(channel)
//	times, err := almanac.Read(fresh)
//
// Files are read when they are asked for, each at most once a minute. One that cannot be
// read changes nothing: what it said before holds on.
package almanac

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/when"
	"mft.dev/mft/trigger/expectation"
	"mft.dev/mft/trigger/firing"
	"mft.dev/mft/trigger/pace"
	"mft.dev/mft/trigger/schedule"
)

// Times are what a channel does by the clock.
type Times struct {
	// Clocks are those of its schedules and polls, in their order.
	Clocks []firing.Clock
	// Due is by when content has to have moved, nil if nobody says.
	Due expectation.Clock
	// Pace is how fast it may send, nil without a limit.
	Pace *pace.Rules
}

// Read returns the times of a channel. CodeConfig says what is wrong with them.
func Read(ch mft.Channel) (out Times, err error) {
	if out.Pace, err = pace.Read(ch.Bandwidth, time.Local); err != nil {
		return Times{}, err
	}
	if e := ch.Expect; e.DueBy != "" {
		due, err := schedule.ParseIn(ch.Name, e.DueBy, e.Zone, ch.Days)
		if err != nil {
			return Times{}, err
		}
		out.Due = due
	}
	for _, t := range ch.When {
		switch t.Kind {
		case mft.TriggerSchedule:
			clock, err := schedule.ParseIn(ch.Name, t.Expression, t.Zone, ch.Days)
			if err != nil {
				return Times{}, err
			}
			out.Clocks = append(out.Clocks, clock)
		case mft.TriggerPoll:
			out.Clocks = append(out.Clocks, schedule.Poll(t.Every))
		}
	}
	return out, nil
}

// readEvery is the shortest time between two looks at a file.
const readEvery = time.Minute

// A Book has the files of calendars. A nil one has none. It is safe for concurrent use.
type Book struct {
	now func() time.Time

	mu    sync.Mutex // guards what follows; held while a file is read
	files map[string]*file
}

type file struct {
	looked time.Time
	good   bool // it was read once
	days   []string
	err    error // why it could not be read the last time
}

// New returns a book that has read nothing.
func New(now func() time.Time) *Book { return &Book{now: now, files: map[string]*file{}} }

// Channel returns a channel with its calendars as they are now, and whether they are others
// than it came with. The error has code mft.CodeCalendar: a file could not be read, and what
// it said before holds.
func (b *Book) Channel(ch mft.Channel) (fresh mft.Channel, changed bool, err error) {
	if b == nil {
		return ch, false, nil
	}
	for _, c := range []*mft.Calendar{&ch.Days.Calendar, &ch.Bandwidth.Calendar} {
		if c.File == "" {
			continue
		}
		days, why := b.days(*c)
		if why != nil {
			err = mft.Fail(mft.CodeCalendar, "read calendar "+c.Name+" of channel "+ch.Name+" from", c.File, fmt.Errorf("the file %s of calendar %s: %w; what it said before holds", c.File, c.Name, why))
		}
		said := len(c.Holidays) - c.InFile
		if !slices.Equal(c.Holidays[said:], days) {
			c.Holidays, c.InFile = append(slices.Clone(c.Holidays[:said]), days...), len(days)
			changed = true
		}
	}
	return ch, changed, err
}

// days returns those of the file of a calendar, which has some of them already.
func (b *Book) days(c mft.Calendar) ([]string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, now := b.files[c.File], b.now()
	if f == nil {
		f = &file{}
		b.files[c.File] = f
	}
	if f.looked.IsZero() || now.Before(f.looked) || now.Sub(f.looked) >= readEvery {
		f.looked = now
		var days []string
		if days, f.err = when.ReadFile(c.File); f.err == nil {
			f.good, f.days = true, days
		}
	}
	if !f.good { // not since the agent began
		return c.Holidays[len(c.Holidays)-c.InFile:], f.err
	}
	return f.days, f.err
}
