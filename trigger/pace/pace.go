// Package pace says how fast a channel may send at what time.
//
//	rules, err := pace.Read(channel.Bandwidth, time.Local)
//	plan := rules.Plan(now)
//	limit, until := plan.At(now)
//
// A [Plan] has moments and limits only, so that a process which knows no calendar can hold
// to it. The package measures and delays nothing.
package pace

import (
	"fmt"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/trigger/schedule"
)

// planDays is how many days ahead a plan goes: longer than a transfer lives.
const planDays = 32

// Rules are what an mft.Bandwidth means. Rules that are nil limit nothing. Several goroutines
// may use them at once.
type Rules struct {
	limit    int64
	hours    []mft.Hours
	zone     *time.Location
	calendar *schedule.Calendar
}

// Read returns the rules of b, nil if it never limits anything; local is the zone of the
// host. CodeConfig says what is wrong with the zone or the calendar.
func Read(b mft.Bandwidth, local *time.Location) (*Rules, error) {
	if !b.Limited() {
		return nil, nil
	}
	r := &Rules{limit: b.Limit, hours: b.Hours, zone: local}
	var err error
	if b.Zone != "" {
		if r.zone, err = time.LoadLocation(b.Zone); err != nil {
			return nil, mft.Fail(mft.CodeConfig, "read the hours of", "bandwidth", fmt.Errorf("there is no time zone %q", b.Zone))
		}
	}
	if b.Calendar.Workdays != "" {
		if r.calendar, err = schedule.ReadCalendar(b.Calendar); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// A Step is a limit in bytes a second, 0 for none, from a moment on, in nanoseconds since
// the Unix epoch.
type Step struct{ From, Limit int64 }

// A Plan has steps in the order of time, of which the first and the last go on for ever.
type Plan []Step

// At returns the limit at a moment, 0 for none, and until when it is that: zero for ever.
func (p Plan) At(now time.Time) (limit int64, until time.Time) {
	n := now.UnixNano()
	for i, s := range p {
		if i > 0 && s.From > n {
			return limit, time.Unix(0, s.From)
		}
		limit = s.Limit
	}
	return limit, time.Time{}
}

// Plan returns the limits from a moment on, for 32 days.
func (r *Rules) Plan(from time.Time) Plan {
	if r == nil {
		return nil
	}
	edges := []int64{from.UnixNano()}
	year, month, day := from.In(r.zone).Date()
	for n := -1; n <= planDays && len(r.hours) > 0; n++ {
		for _, h := range r.hours {
			begin, end := r.span(h, schedule.Date{Year: year, Month: month, Day: day}, n)
			for _, t := range []time.Time{begin, end} {
				if t.After(from) {
					edges = append(edges, t.UnixNano())
				}
			}
		}
	}
	slices.Sort(edges)
	var out Plan
	for _, edge := range edges {
		limit := r.at(time.Unix(0, edge))
		if len(out) == 0 || out[len(out)-1].Limit != limit {
			out = append(out, Step{edge, limit})
		}
	}
	return out
}

// at returns the limit at a moment.
func (r *Rules) at(t time.Time) int64 {
	year, month, day := t.In(r.zone).Date()
	for _, h := range r.hours {
		for n := -1; n <= 0; n++ {
			begin, end := r.span(h, schedule.Date{Year: year, Month: month, Day: day}, n)
			if !t.Before(begin) && t.Before(end) {
				return h.Limit
			}
		}
	}
	return r.limit
}

// span returns when hours begin and end that begin some days after a date; the same moment
// if they do not on that day.
func (r *Rules) span(h mft.Hours, d schedule.Date, days int) (begin, end time.Time) {
	noon := time.Date(d.Year, d.Month, d.Day+days, 12, 0, 0, 0, time.UTC)
	date := schedule.Date{Year: noon.Year(), Month: noon.Month(), Day: noon.Day()}
	begin = r.clock(date, h.From)
	if h.On != "" && r.calendar.Working(date) != (h.On == mft.OnWorkday) {
		return begin, begin
	}
	if h.To <= h.From {
		return begin, r.clock(date, h.To+24*time.Hour)
	}
	return begin, r.clock(date, h.To)
}

// clock returns when the clock of the wall shows so much since midnight. What it skips is
// when it skips it, and of what it shows twice the first counts.
func (r *Rules) clock(d schedule.Date, since time.Duration) time.Time {
	wall := time.Date(d.Year, d.Month, d.Day, 0, 0, int(since/time.Second), 0, time.UTC)
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, r.zone)
	begin, end := t.ZoneBounds()
	if shows := shown(t); shows != wall.Unix() { // there is no such time
		if shows > wall.Unix() {
			return begin
		}
		return end
	}
	if !begin.IsZero() {
		_, was := begin.Add(-time.Nanosecond).Zone()
		_, is := t.Zone()
		if first := t.Add(time.Duration(is-was) * time.Second); first.Before(begin) && shown(first) == wall.Unix() {
			return first
		}
	}
	return t
}

// shown is what the clock of the wall shows, as if it was in UTC.
func shown(t time.Time) int64 {
	_, offset := t.Zone()
	return t.Unix() + int64(offset)
}
