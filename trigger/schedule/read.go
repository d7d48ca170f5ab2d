package schedule

import (
	"errors"
	"fmt"
	"time"

	"mft.dev/mft"
)

// Read reads an expression as Parse does, for days as a channel names them.
func Read(expression string, zone *time.Location, days mft.Days) (*Schedule, error) {
	var calendar *Calendar
	if days.Calendar.Name != "" {
		var err error
		if calendar, err = ReadCalendar(days.Calendar); err != nil {
			return nil, err
		}
	}
	rules := map[mft.DayRule]Days{
		mft.OnEveryDay: EveryDay, mft.OnWorkday: WorkingDays, mft.OnHoliday: DaysOff,
		mft.OnNext: NextWorkingDay, mft.OnPrevious: PreviousWorkingDay,
	}
	rule, ok := rules[days.On]
	if !ok {
		return nil, mft.Fail(mft.CodeConfig, "read schedule", expression, fmt.Errorf("%q is no rule for days", days.On))
	}
	return Parse(expression, zone, rule, calendar)
}

// ReadCalendar makes the calendar that c describes. CodeConfig says what is wrong with it.
func ReadCalendar(c mft.Calendar) (*Calendar, error) {
	week, err := readWeek(c.Workdays)
	if err != nil {
		return nil, mft.Fail(mft.CodeConfig, "read calendar", c.Name, err)
	}
	weekend := []time.Weekday{} // none, which is not nil
	for day := time.Sunday; day <= time.Saturday; day++ {
		if !week.has(int(day)) {
			weekend = append(weekend, day)
		}
	}
	holidays := make([]Date, 0, len(c.Holidays))
	for _, s := range c.Holidays {
		d, err := ParseDate(s)
		if err != nil {
			return nil, err
		}
		holidays = append(holidays, d)
	}
	return NewCalendar(weekend, holidays, nil)
}

// readWeek reads days of the week.
func readWeek(list string) (week bits, err error) {
	if len(list) > maxExpression {
		return 0, errors.New("the days of the week are too long a list")
	}
	err = each(list, func(item string) error { return weekSpan().add(&week, item) })
	return week, err
}
