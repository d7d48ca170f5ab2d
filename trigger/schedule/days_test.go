package schedule

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

// inBritain is a calendar with holidays of one year and of every year.
var inBritain = mft.Calendar{Name: "uk", Workdays: "mon-fri", Holidays: []string{"2026-04-03", "2026-04-06", "2026-12-25", "2026-12-28", "01-01"}}

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name, expression, zone string
		days                   mft.Days
		after                  string
		want                   []string
	}{
		{"every day", "0 6 * * *", "UTC", mft.Days{}, "2026-12-24", []string{"Thu 2026-12-24 06:00", "Fri 2026-12-25 06:00"}},
		{"working days of no calendar", "0 6 * * *", "UTC", mft.Days{On: mft.OnWorkday}, "2026-12-25", []string{"Fri 2026-12-25 06:00", "Mon 2026-12-28 06:00"}},
		{"working days", "0 6 * * *", "UTC", mft.Days{On: mft.OnWorkday, Calendar: inBritain}, "2026-12-25", []string{"Tue 2026-12-29 06:00"}},
		{"days off", "0 6 * * MON-FRI", "UTC", mft.Days{On: mft.OnHoliday, Calendar: inBritain}, "2026-12-01", []string{"Fri 2026-12-25 06:00", "Mon 2026-12-28 06:00", "Fri 2027-01-01 06:00"}},
		{"four days off come to one", "0 6 * * *", "UTC", mft.Days{On: mft.OnNext, Calendar: inBritain}, "2026-12-24", []string{"Thu 2026-12-24 06:00", "Tue 2026-12-29 06:00", "Wed 2026-12-30 06:00"}},
		{"the month's end before", "0 6 L * *", "UTC", mft.Days{On: mft.OnPrevious, Calendar: inBritain}, "2026-01-01", []string{"Fri 2026-01-30 06:00", "Fri 2026-02-27 06:00", "Tue 2026-03-31 06:00"}},
		{"the month's end after", "0 6 L * *", "UTC", mft.Days{On: mft.OnNext, Calendar: inBritain}, "2026-01-01", []string{"Mon 2026-02-02 06:00", "Mon 2026-03-02 06:00"}},
		{"a week of its own", "0 6 * * *", "UTC", mft.Days{On: mft.OnWorkday, Calendar: mft.Calendar{Name: "gulf", Workdays: "sun-thu"}}, "2026-12-24", []string{"Thu 2026-12-24 06:00", "Sun 2026-12-27 06:00"}},
		{"the last day of a leap year", "0 6 * * *", "Europe/London", mft.Days{}, "2040-12-30", []string{"Sun 2040-12-30 06:00", "Mon 2040-12-31 06:00", "Tue 2041-01-01 06:00"}},
		{"no day off in the week", "0 6 * * SUN", "UTC", mft.Days{On: mft.OnWorkday, Calendar: mft.Calendar{Name: "all", Workdays: "*"}}, "2026-12-24", []string{"Sun 2026-12-27 06:00"}},
		{"moved into the night clocks are put forward", "30 1 28 3 *", "Europe/London", mft.Days{On: mft.OnNext, Calendar: mft.Calendar{Name: "c", Workdays: "sun,mon"}}, "2026-01-01", []string{"Sun 2026-03-29 02:00"}},
		{"moved into the night clocks are put back", "30 1 24 10 *", "Europe/London", mft.Days{On: mft.OnNext, Calendar: mft.Calendar{Name: "c", Workdays: "sun,mon"}}, "2026-01-01", []string{"Sun 2026-10-25 01:30", "Sun 2027-10-24 01:30"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at, err := time.ParseInLocation(time.DateOnly, tt.after, zone(t, tt.zone))
			if err != nil {
				t.Fatal(err)
			}
			s, err := Read(tt.expression, at.Location(), tt.days)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				next, ok := s.Next(at)
				if got := next.Format("Mon 2006-01-02 15:04"); !ok || got != want {
					t.Fatalf("after %v: %s, %v, want %s", at, got, ok, want)
				}
				at = next
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	week := func(text string) mft.Days {
		return mft.Days{On: mft.OnWorkday, Calendar: mft.Calendar{Name: "c", Workdays: text}}
	}
	for _, tt := range []struct {
		name, expression string
		days             mft.Days
		want             string
	}{
		{"no working day among them", "0 6 * * SAT", mft.Days{On: mft.OnWorkday, Calendar: inBritain}, "none of its days is a working day"},
		{"no rule", "0 6 * * *", mft.Days{On: "sometimes"}, `"sometimes" is no rule for days`},
		{"no day of the week", "0 6 * * *", week("mon-friday"), `"friday" is no value`},
		{"no week", "0 6 * * *", week(""), `"" is no value`},
		{"a long week", "0 6 * * *", week(strings.Repeat("mon,", 300) + "mon"), "too long a list"},
		{"no date", "0 6 * * *", mft.Days{Calendar: mft.Calendar{Name: "c", Workdays: "mon", Holidays: []string{"02-30"}}}, "it is no day like"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Read(tt.expression, time.UTC, tt.days); mft.CodeOf(err) != mft.CodeConfig || !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// TestDaysAgainstAWalk compares each rule, in zones that change clocks in many ways, with a walk
// over all days that asks nothing but which days the expression has and which are off.
func TestDaysAgainstAWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		z, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		begin := Date{rapid.IntRange(2012, 2040).Draw(t, "year"), time.Month(rapid.IntRange(1, 12).Draw(t, "month")), 1}
		on := rapid.SampledFrom([]mft.DayRule{mft.OnEveryDay, mft.OnWorkday, mft.OnHoliday, mft.OnNext, mft.OnPrevious}).Draw(t, "on")
		c := mft.Calendar{Name: "c", Workdays: rapid.SampledFrom([]string{"mon-fri", "sun-thu", "mon,wed", "*", "sat-wed"}).Draw(t, "workdays")}
		for range rapid.IntRange(0, 12).Draw(t, "holidays") {
			day := begin.add(rapid.IntRange(0, 150).Draw(t, "holiday"))
			c.Holidays = append(c.Holidays, day.String())
		}
		fields := rapid.SampledFrom([]string{"* * *", "1,15 * *", "L * *", "L-2 * *", "* * FRI", "* * SAT,SUN", "6 * MON"}).Draw(t, "days")
		expression := fmt.Sprintf("%d %d %s", rapid.IntRange(0, 59).Draw(t, "minute"), rapid.IntRange(0, 23).Draw(t, "hour"), fields)
		s, err := Read(expression, z, mft.Days{On: on, Calendar: c})
		if err != nil {
			if on == mft.OnWorkday && strings.Contains(err.Error(), "none of its days") {
				return
			}
			t.Fatal(err)
		}
		plain, err := Parse(expression, time.UTC, EveryDay, nil)
		if err != nil {
			t.Fatal(err)
		}
		off, err := ReadCalendar(c)
		if err != nil {
			t.Fatal(err)
		}
		var got []Date
		end := begin.add(100)
		for at := time.Date(begin.Year, begin.Month, begin.Day, 0, 0, -1, 0, z); ; {
			next, ok := s.Next(at)
			if !ok || !next.After(at) {
				break
			}
			day := Date{next.Year(), next.Month(), next.Day()}
			if !day.time().Before(end.time()) {
				break
			}
			got, at = append(got, day), next
		}
		if want := walk(plain, off, on, begin, 100); !slices.Equal(got, want) {
			t.Fatalf("%s, %s of %v in %v:\n%v, want\n%v", expression, on, c, z, got, want)
		}
	})
}

// walk returns the days from one on at which something is due.
func walk(plain *Schedule, c *Calendar, on mft.DayRule, begin Date, days int) (out []Date) {
	due := map[Date]bool{}
	for d, n := begin.add(-mostOff), 0; n < days+2*mostOff; d, n = d.add(1), n+1 {
		next, ok := plain.Next(d.time().Add(-time.Second))
		if !ok || dateOf(next.Unix()) != d {
			continue
		}
		to := d
		switch working := c.Working(d); on {
		case mft.OnWorkday:
			due[d] = due[d] || working
			continue
		case mft.OnHoliday:
			due[d] = due[d] || !working
			continue
		case mft.OnNext, mft.OnPrevious:
			step := map[mft.DayRule]int{mft.OnNext: 1, mft.OnPrevious: -1}[on]
			for !c.Working(to) {
				to = to.add(step)
			}
		}
		due[to] = true
	}
	for n := range days {
		if d := begin.add(n); due[d] {
			out = append(out, d)
		}
	}
	return out
}

// BenchmarkNever looks for what is never due again, which takes longest.
func BenchmarkNever(b *testing.B) {
	s, err := Read("0 6 * * MON", time.UTC, mft.Days{On: mft.OnHoliday, Calendar: mft.Calendar{Name: "c", Workdays: "mon-fri", Holidays: []string{"2020-12-25"}}})
	if err != nil {
		b.Fatal(err)
	}
	at := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for b.Loop() {
		if next, ok := s.Next(at); ok {
			b.Fatal(next)
		}
	}
}

func TestLeftOut(t *testing.T) {
	for _, tt := range []struct {
		name, expression, day string
		on                    mft.DayRule
		own                   mft.Calendar
		want                  string
	}{
		{"a working day", "0 6 * * *", "2026-12-24", mft.OnWorkday, inBritain, ""},
		{"a holiday", "0 6 * * *", "2026-12-25", mft.OnWorkday, inBritain, Holiday},
		{"a holiday of every year", "0 6 * * *", "2027-01-01", mft.OnWorkday, inBritain, Holiday},
		{"a holiday from which it moves", "0 6 * * *", "2026-12-25", mft.OnNext, inBritain, Holiday},
		{"the weekend", "0 6 * * *", "2026-12-26", mft.OnWorkday, inBritain, DayOff},
		{"the weekend of no calendar", "0 6 * * *", "2026-12-26", mft.OnPrevious, mft.Calendar{}, DayOff},
		{"a holiday on the weekend", "0 6 * * *", "2028-01-01", mft.OnWorkday, inBritain, DayOff},
		{"not its day anyway", "0 6 24 * *", "2026-12-25", mft.OnWorkday, inBritain, ""},
		{"not its month anyway", "0 6 * 3 *", "2026-12-25", mft.OnWorkday, inBritain, ""},
		{"only on days off", "0 6 * * *", "2026-12-24", mft.OnHoliday, inBritain, WorkingDay},
		{"only on days off, on one", "0 6 * * *", "2026-12-25", mft.OnHoliday, inBritain, ""},
		{"every day", "0 6 * * *", "2026-12-25", mft.OnEveryDay, inBritain, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tokyo := zone(t, "Asia/Tokyo")
			s, err := Read(tt.expression, tokyo, mft.Days{On: tt.on, Calendar: tt.own})
			if err != nil {
				t.Fatal(err)
			}
			for _, clock := range []string{"00:00", "12:00", "23:59"} {
				at, err := time.ParseInLocation("2006-01-02 15:04", tt.day+" "+clock, tokyo)
				if err != nil {
					t.Fatal(err)
				}
				if got := s.LeftOut(at.UTC()); got != tt.want {
					t.Errorf("LeftOut(%v) = %q, want %q", at, got, tt.want)
				}
			}
		})
	}
}
