package schedule

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mft.dev/mft"
)

// maxExpression is the most bytes of an expression.
const maxExpression = 1024

// Parse reads an expression. CodeConfig says what is wrong with it, also when there
// is no day such as it names.
func Parse(expression string, zone *time.Location, days Days, calendar *Calendar) (*Schedule, error) {
	s := &Schedule{text: expression, zone: zone}
	err := s.read(expression)
	if err == nil {
		if _, ok := s.nextWall(0); !ok {
			err = errors.New("there is no such day")
		}
	}
	s.days, s.calendar = days, calendar
	if err == nil && !s.meetsWorkingDays() {
		err = errors.New("none of its days is a working day")
	}
	if err != nil {
		return nil, mft.Fail(mft.CodeConfig, "read schedule", expression, err)
	}
	return s, nil
}

// named returns the expression that a name stands for.
func named(name string) (string, bool) {
	switch name {
	case "@hourly":
		return "0 * * * *", true
	case "@daily", "@midnight":
		return "0 0 * * *", true
	case "@weekly":
		return "0 0 * * 0", true
	case "@monthly":
		return "0 0 1 * *", true
	case "@yearly", "@annually":
		return "0 0 1 1 *", true
	}
	return "", false
}

func (s *Schedule) read(text string) error {
	if len(text) > maxExpression {
		return fmt.Errorf("it is longer than %d bytes", maxExpression)
	}
	f := strings.Fields(text)
	if len(f) <= 1 {
		whole, ok := named(text)
		if !ok {
			return errors.New("it is neither five or six fields, nor one of @hourly, @daily, @weekly, @monthly and @yearly")
		}
		f = strings.Fields(whole)
	}
	if len(f) == 5 {
		f = append([]string{"0"}, f...)
	}
	if len(f) != 6 {
		return fmt.Errorf("it has %d fields, and needs five (minutes, hours, day of month, month, day of week), or six with the seconds in front", len(f))
	}
	var err error
	plain := func(i int, what string, of span) (set bits) {
		for item := range strings.SplitSeq(f[i], ",") {
			if err == nil {
				if e := of.add(&set, item); e != nil {
					err = fmt.Errorf("%s: %w", what, e)
				}
			}
		}
		return set
	}
	s.seconds = plain(0, "seconds", span{max: 59})
	s.minutes = plain(1, "minutes", span{max: 59})
	s.hours, s.anyHour = plain(2, "hours", span{max: 23}), f[2] == "*"
	s.months = plain(4, "month", monthSpan())
	if err != nil {
		return err
	}
	if s.day.anyOfMonth = f[3] == "*" || f[3] == "?"; !s.day.anyOfMonth {
		if err := each(f[3], s.day.addOfMonth); err != nil {
			return fmt.Errorf("day of month: %w", err)
		}
	}
	if s.day.anyOfWeek = f[5] == "*" || f[5] == "?"; !s.day.anyOfWeek {
		if err := each(f[5], s.day.addOfWeek); err != nil {
			return fmt.Errorf("day of week: %w", err)
		}
	}
	return nil
}

// each calls add for each item of a list.
func each(list string, add func(item string) error) error {
	for item := range strings.SplitSeq(list, ",") {
		if err := add(item); err != nil {
			return err
		}
	}
	return nil
}

// A span is the values of a field.
type span struct {
	min, max int
	wrap     int      // the value that means min as well, 7 for Sunday
	names    []string // of min and those that follow, in capitals
}

func monthSpan() span {
	return span{min: 1, max: 12, names: []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}}
}

func weekSpan() span {
	return span{max: 6, wrap: 7, names: []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}}
}

// value reads one value.
func (v span) value(s string) (int, error) {
	for i, name := range v.names {
		if strings.EqualFold(s, name) {
			return v.min + i, nil
		}
	}
	n, err := strconv.ParseUint(s, 10, 8)
	top := max(v.max, v.wrap)
	if err != nil || int(n) < v.min || int(n) > top {
		return 0, fmt.Errorf("%q is no value from %d to %d%s", s, v.min, top, v.alternatives())
	}
	return int(n), nil
}

func (v span) alternatives() string {
	if len(v.names) == 0 {
		return ""
	}
	return fmt.Sprintf(" or %s to %s", v.names[0], v.names[len(v.names)-1])
}

// add adds what an item stands for: a value, a range or *, each with a step
// perhaps. A range whose end is before its beginning goes over the end of the span.
func (v span) add(set *bits, item string) error {
	values, every, stepped := strings.Cut(item, "/")
	step := 1
	if stepped {
		n, err := strconv.ParseUint(every, 10, 8)
		if err != nil || n < 1 || int(n) > v.max {
			return fmt.Errorf("%q is no step from 1 to %d", every, v.max)
		}
		step = int(n)
	}
	first, last := v.min, v.max
	if values != "*" {
		from, to, isRange := strings.Cut(values, "-")
		var err error
		if first, err = v.value(from); err != nil {
			return err
		}
		switch {
		case isRange:
			if last, err = v.value(to); err != nil {
				return err
			}
		case !stepped:
			last = first
		}
	}
	size := v.max - v.min + 1
	if last < first {
		last += size
	}
	for n := first; n <= last; n += step {
		set.add(v.min + (n-v.min)%size)
	}
	return nil
}

// addOfMonth reads an item of the days of a month.
func (r *dayRule) addOfMonth(item string) error {
	days := span{min: 1, max: 31}
	upper := strings.ToUpper(item)
	switch before, fromLast := strings.CutPrefix(upper, "L-"); {
	case upper == "L":
		r.beforeLast.add(0)
		return nil
	case upper == "LW":
		r.lastWorking = true
		return nil
	case fromLast:
		n, err := span{min: 1, max: 30}.value(before)
		r.beforeLast.add(n)
		return err
	}
	if day, ok := strings.CutSuffix(upper, "W"); ok {
		n, err := days.value(day)
		r.nearest.add(n)
		return err
	}
	return days.add(&r.ofMonth, item)
}

// addOfWeek reads an item of the days of a week.
func (r *dayRule) addOfWeek(item string) error {
	week := weekSpan()
	if day, ok := strings.CutSuffix(strings.ToUpper(item), "L"); ok {
		n, err := week.value(day)
		r.lastOfWeek.add(n % 7)
		return err
	}
	if day, which, ok := strings.Cut(item, "#"); ok {
		n, err := week.value(day)
		if err != nil {
			return err
		}
		k, err := span{min: 1, max: 5}.value(which)
		r.nth[n%7].add(k)
		return err
	}
	return week.add(&r.ofWeek, item)
}
