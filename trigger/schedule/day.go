package schedule

// bits is a set of the numbers 0 to 63.
type bits uint64

func (b bits) has(n int) bool { return b>>n&1 == 1 }

func (b *bits) add(n int) { *b |= 1 << n }

// A dayRule is the two fields of days.
type dayRule struct {
	anyOfMonth, anyOfWeek bool
	ofMonth               bits // 1 to 31
	beforeLast            bits // days before the last: 0 is L
	nearest               bits // working days nearest to these
	lastWorking           bool // LW
	ofWeek                bits // 0 to 6
	nth                   [7]bits
	lastOfWeek            bits
}

// fits reports whether a day is one of the rule.
func (r dayRule) fits(d Date, c *Calendar) bool {
	switch {
	case r.anyOfMonth:
		return r.anyOfWeek || r.fitsWeek(d)
	case r.anyOfWeek:
		return r.fitsMonth(d, c)
	}
	return r.fitsMonth(d, c) || r.fitsWeek(d)
}

func (r dayRule) fitsWeek(d Date) bool {
	day := int(d.weekday())
	return r.ofWeek.has(day) || r.nth[day].has((d.Day+6)/7) || r.lastOfWeek.has(day) && d.Day+7 > d.last()
}

func (r dayRule) fitsMonth(d Date, c *Calendar) bool {
	last := d.last()
	if r.ofMonth.has(d.Day) || r.beforeLast.has(last-d.Day) {
		return true
	}
	if r.nearest == 0 && !r.lastWorking || !c.Working(d) {
		return false
	}
	if r.lastWorking && !r.workingBetween(d, d.Day+1, last, c) {
		return true
	}
	for day := 1; day <= last; day++ {
		if r.nearest.has(day) && r.isNearest(d, day, c) {
			return true
		}
	}
	return false
}

// isNearest reports whether no working day of the month is nearer to a day than
// d, which is one. Of two that are as near the one before counts.
func (r dayRule) isNearest(d Date, to int, c *Calendar) bool {
	away := d.Day - to
	if away < 0 {
		return !r.workingBetween(d, to+away+1, to-away-1, c)
	}
	return !r.workingBetween(d, to-away, to+away-1, c)
}

// workingBetween reports whether a day of the month, from one to another, is a working day.
func (r dayRule) workingBetween(d Date, from, to int, c *Calendar) bool {
	for day := max(from, 1); day <= min(to, d.last()); day++ {
		if c.Working(Date{d.Year, d.Month, day}) {
			return true
		}
	}
	return false
}
