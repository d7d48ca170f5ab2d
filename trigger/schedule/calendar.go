package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"mft.dev/mft"
)

// Days limits a schedule to some days, or moves what is due on others.
type Days uint8

// The rules for days.
const (
	EveryDay           Days = iota // whatever the expression says
	WorkingDays                    // of these only the working days
	DaysOff                        // of these only the others
	NextWorkingDay                 // what is due on a day off is due on the first working day after
	PreviousWorkingDay             // ... or on the last one before
)

// mostOff is over how many days off in a row something is moved.
const mostOff = 60

// A Date is a day of a calendar. With the year 0 it is that day of every year.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// ParseDate reads 2026-12-25, or 12-25 for every year. CodeConfig says that there
// is no such day.
func ParseDate(s string) (Date, error) {
	f := strings.Split(s, "-")
	wrong := mft.Fail(mft.CodeConfig, "read date", s, fmt.Errorf("it is no day like 2026-12-25, or 12-25 for every year"))
	var n [3]int
	if len(f) != 2 && len(f) != 3 {
		return Date{}, wrong
	}
	for i, digits := range f {
		v, err := strconv.ParseUint(digits, 10, 16)
		if size := len(digits); err != nil || size != 2 && (size != 4 || i+3 != len(f)) || len(f) == 3 && i == 0 && (size != 4 || v == 0) {
			return Date{}, wrong
		}
		n[i+3-len(f)] = int(v)
	}
	d := Date{n[0], time.Month(n[1]), n[2]}
	year := d.Year
	if year == 0 {
		year = 2000 // has all days
	}
	if t := time.Date(year, d.Month, d.Day, 0, 0, 0, 0, time.UTC); t.Month() != d.Month || t.Day() != d.Day {
		return Date{}, wrong
	}
	return d, nil
}

// String returns the day as ParseDate reads it.
func (d Date) String() string {
	if d.Year == 0 {
		return fmt.Sprintf("%02d-%02d", d.Month, d.Day)
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}

// A Calendar says which days are working days. A nil one says that those from
// Monday to Friday are. It does not change; several goroutines may use it at once.
type Calendar struct {
	weekend [7]bool
	off     map[Date]bool // true for days off, false for working days all the same
}

// NewCalendar makes a calendar: days of week that are off (nil for Saturday and
// Sunday), holidays, and days on which people work although they are one or the
// other. A day with a year wins over the same day of every year. CodeConfig says
// that the whole week is off.
func NewCalendar(weekend []time.Weekday, holidays, working []Date) (*Calendar, error) {
	if weekend == nil {
		weekend = []time.Weekday{time.Saturday, time.Sunday}
	}
	c := &Calendar{off: make(map[Date]bool, len(holidays)+len(working))}
	for _, day := range weekend {
		c.weekend[day] = true
	}
	if !slices.Contains(c.weekend[:], false) {
		return nil, mft.Fail(mft.CodeConfig, "read calendar", "", errors.New("no day of the week is a working day"))
	}
	for _, d := range holidays {
		c.off[d] = true
	}
	for _, d := range working {
		c.off[d] = false
	}
	return c, nil
}

// Working reports whether a day, with its year, is a working day.
func (c *Calendar) Working(d Date) bool {
	day := d.weekday()
	if c == nil {
		return day != time.Saturday && day != time.Sunday
	}
	if off, said := c.off[d]; said {
		return !off
	}
	if off, said := c.off[Date{Month: d.Month, Day: d.Day}]; said {
		return !off
	}
	return !c.weekend[day]
}

// holiday reports whether a day is off that is a working day of the week.
func (c *Calendar) holiday(d Date) bool {
	return c != nil && !c.weekend[d.weekday()] && !c.Working(d)
}

// dateOf returns the day of a time on the wall.
func dateOf(wall int64) Date {
	year, month, day := time.Unix(wall, 0).UTC().Date()
	return Date{year, month, day}
}

func (d Date) time() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }

func (d Date) weekday() time.Weekday { return d.time().Weekday() }

// add returns the day some days later.
func (d Date) add(days int) Date { return dateOf(d.time().AddDate(0, 0, days).Unix()) }

// last returns the last day of the month.
func (d Date) last() int { return time.Date(d.Year, d.Month+1, 0, 0, 0, 0, 0, time.UTC).Day() }
