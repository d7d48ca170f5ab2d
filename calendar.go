package mft

// A Calendar says which days are working days.
type Calendar struct {
	Name string
	// Workdays are days of the week as a crontab has them, mon-fri for instance, and
	// Holidays days off among them: 2026-12-25, or 12-25 for every year.
	Workdays string
	Holidays []string
	// File, if it is set, has more days off, of which the last InFile Holidays are those
	// that it had when they were read.
	File   string
	InFile int
}

// DayRule says on which days something is due.
type DayRule string

// The rules for days.
const (
	OnEveryDay DayRule = ""         // whatever the schedule says
	OnWorkday  DayRule = "workday"  // of these only the working days
	OnHoliday  DayRule = "holiday"  // of these only the others
	OnNext     DayRule = "next"     // what is due on a day off is due on the first working day after
	OnPrevious DayRule = "previous" // ... or on the last one before
)

// Days are days on which something is due. A calendar without a name has Monday to
// Friday as working days.
type Days struct {
	On       DayRule
	Calendar Calendar
}
