package schedule

import (
	"time"
)

// A Schedule is an expression in a time zone. It does not change; several
// goroutines may use it at once.
type Schedule struct {
	text                    string
	seconds, minutes, hours bits
	months                  bits
	day                     dayRule
	anyHour                 bool // the field of hours is *
	zone                    *time.Location
	days                    Days
	calendar                *Calendar
}

// String returns the expression.
func (s *Schedule) String() string { return s.text }

// horizon is how many days ahead something due is looked for: long enough for the
// 29th of February on the rarest day of week, 40 years.
const horizon = 40*365 + 10

// Next returns the first time after a moment at which the schedule is due, in
// its zone, to the second. There is none when nothing is due for 40 years.
func (s *Schedule) Next(after time.Time) (time.Time, bool) {
	at := after.Unix() + 1
	// An offset from UTC holds for an era, in which wall clocks and time go alike.
	// Zones change theirs a few times a year.
	for range 10 * 40 {
		here := time.Unix(at, 0).In(s.zone)
		_, offset := here.Zone()
		begin, end := here.ZoneBounds()
		if !end.IsZero() && end.Unix() <= at { // on the last day of leap years from 2040 on it is too early
			end = here.Add(24 * time.Hour)
		}
		from := at + int64(offset)
		if !s.anyHour && !begin.IsZero() {
			_, before := begin.Add(-time.Second).Zone()
			from = max(from, begin.Unix()+int64(before)) // earlier ones were shown before
		}
		wall, ok := s.nextWall(from)
		if !ok {
			return time.Time{}, false
		}
		if end.IsZero() || wall-int64(offset) < end.Unix() {
			return time.Unix(wall-int64(offset), 0).In(s.zone), true
		}
		_, later := end.Zone()
		if !s.anyHour && wall < end.Unix()+int64(later) {
			return end, true // left out by the clock
		}
		at = end.Unix()
	}
	return time.Time{}, false
}

// nextWall returns the first time from one on at which the schedule is due on the
// wall: seconds since 1970 if there were no offsets.
func (s *Schedule) nextWall(from int64) (int64, bool) {
	const perDay = 24 * 60 * 60
	midnight := from - (from%perDay+perDay)%perDay
	for range horizon {
		d := dateOf(midnight)
		if s.due(d) {
			if second, ok := s.nextOfDay(int(max(from-midnight, 0))); ok {
				return midnight + int64(second), true
			}
		}
		midnight += perDay
	}
	return 0, false
}

// nextOfDay returns the first second of a day, from one on, at which the schedule
// is due if the day fits.
func (s *Schedule) nextOfDay(from int) (int, bool) {
	for hour := from / 3600; hour < 24; hour++ {
		if !s.hours.has(hour) {
			continue
		}
		for minute := max(from-hour*3600, 0) / 60; minute < 60; minute++ {
			if !s.minutes.has(minute) {
				continue
			}
			at := hour*3600 + minute*60
			for second := max(from-at, 0); second < 60; second++ {
				if s.seconds.has(second) {
					return at + second, true
				}
			}
		}
	}
	return 0, false
}

// meetsWorkingDays reports whether a schedule for working days is due on any, but for
// holidays: a calendar without holidays to come, or with many, makes no mistake of it.
func (s *Schedule) meetsWorkingDays() bool {
	if s.days != WorkingDays {
		return true
	}
	week := *s
	if s.calendar != nil {
		week.calendar = &Calendar{weekend: s.calendar.weekend}
	}
	_, ok := week.nextWall(0)
	return ok
}

// What a day is because of which a schedule is not due on it.
const (
	Holiday    = "a holiday"
	DayOff     = "not a working day"
	WorkingDay = "a working day"
)

// LeftOut returns what the day of a moment, in the zone of the schedule, is because of which
// the schedule is not due on it although its expression says so; nothing if that is not why.
func (s *Schedule) LeftOut(at time.Time) string {
	year, month, day := at.In(s.zone).Date()
	d := Date{year, month, day}
	switch {
	case !s.months.has(int(d.Month)) || !s.day.fits(d, s.calendar) || s.due(d):
		return ""
	case s.calendar.Working(d):
		return WorkingDay
	case s.calendar.holiday(d):
		return Holiday
	}
	return DayOff
}

// due reports whether the schedule is due on a day.
func (s *Schedule) due(d Date) bool {
	said := func(d Date) bool { return s.months.has(int(d.Month)) && s.day.fits(d, s.calendar) }
	switch s.days {
	case WorkingDays:
		return said(d) && s.calendar.Working(d)
	case DaysOff:
		return said(d) && !s.calendar.Working(d)
	case NextWorkingDay, PreviousWorkingDay:
		if !s.calendar.Working(d) {
			return false
		}
		back := -1 // where what was moved to this day comes from
		if s.days == PreviousWorkingDay {
			back = 1
		}
		for range mostOff {
			if said(d) {
				return true
			}
			if d = d.add(back); s.calendar.Working(d) {
				return false
			}
		}
		return false
	}
	return said(d)
}
