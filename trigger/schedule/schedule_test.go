package schedule

import (
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/robfig/cron/v3"
	"pgregory.net/rapid"

	"mft.dev/mft"
)

const form = "2006-01-02 15:04:05 -07:00"

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func parse(t testing.TB, expression string, z *time.Location, days Days, c *Calendar) *Schedule {
	t.Helper()
	s, err := Parse(expression, z, days, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// dates makes days of text.
func dates(t *testing.T, list ...string) (out []Date) {
	t.Helper()
	for _, s := range list {
		d, err := ParseDate(s)
		if err != nil || d.String() != s {
			t.Fatalf("ParseDate(%q) = %v, %v", s, d, err)
		}
		out = append(out, d)
	}
	return out
}

func calendar(t *testing.T, weekend []time.Weekday, holidays, working []Date) *Calendar {
	t.Helper()
	c, err := NewCalendar(weekend, holidays, working)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNext(t *testing.T) {
	uk := calendar(t, nil, dates(t, "12-25", "12-26", "01-01", "2026-04-03", "2026-04-06"), dates(t, "2026-01-01"))
	gulf := calendar(t, []time.Weekday{time.Friday, time.Saturday}, nil, nil)
	for _, tt := range []struct {
		name, expression string
		days             Days
		calendar         *Calendar
		after            string // in UTC
		want             []string
	}{
		{"a minute", "* * * * *", EveryDay, nil, "2026-03-01 10:00:30", []string{"2026-03-01 10:01:00", "2026-03-01 10:02:00"}},
		{"not the moment itself", "0 2 * * *", EveryDay, nil, "2026-03-01 02:00:00", []string{"2026-03-02 02:00:00"}},
		{"seconds", "*/20 0 2 * * *", EveryDay, nil, "2026-03-01 02:00:20", []string{"2026-03-01 02:00:40", "2026-03-02 02:00:00"}},
		{"over the end of the day", "0 22-1 * * *", EveryDay, nil, "2026-03-01 22:00:00", []string{"2026-03-01 23:00:00", "2026-03-02 00:00:00", "2026-03-02 01:00:00", "2026-03-02 22:00:00"}},
		{"a list", "5,35 8,20 * * *", EveryDay, nil, "2026-03-01 08:05:00", []string{"2026-03-01 08:35:00", "2026-03-01 20:05:00"}},
		{"a step from a value", "50/5 0 * * *", EveryDay, nil, "2026-03-01 00:50:00", []string{"2026-03-01 00:55:00", "2026-03-02 00:50:00"}},
		{"names", "0 0 * FEB-mar sun", EveryDay, nil, "2026-02-22 12:00:00", []string{"2026-03-01 00:00:00", "2026-03-08 00:00:00"}},
		{"both Sundays", "0 0 * * 7", EveryDay, nil, "2026-02-28 12:00:00", []string{"2026-03-01 00:00:00"}},
		{"over the end of the week", "0 0 * * FRI-MON", EveryDay, nil, "2026-03-05 00:00:00", []string{"2026-03-06 00:00:00", "2026-03-07 00:00:00", "2026-03-08 00:00:00", "2026-03-09 00:00:00", "2026-03-13 00:00:00"}},
		{"one of two days", "0 0 13 * FRI", EveryDay, nil, "2026-03-07 00:00:00", []string{"2026-03-13 00:00:00", "2026-03-20 00:00:00", "2026-03-27 00:00:00", "2026-04-03 00:00:00", "2026-04-10 00:00:00", "2026-04-13 00:00:00"}},
		{"leap day", "0 0 29 2 *", EveryDay, nil, "2026-03-01 00:00:00", []string{"2028-02-29 00:00:00", "2032-02-29 00:00:00"}},
		{"the last", "0 0 L * ?", EveryDay, nil, "2026-01-31 00:00:00", []string{"2026-02-28 00:00:00", "2026-03-31 00:00:00"}},
		{"three before the last", "0 0 L-3 * *", EveryDay, nil, "2026-02-01 00:00:00", []string{"2026-02-25 00:00:00", "2026-03-28 00:00:00"}},
		{"nearest: Saturday and Sunday", "0 0 15W * *", EveryDay, nil, "2026-02-01 00:00:00", []string{"2026-02-16 00:00:00", "2026-03-16 00:00:00", "2026-04-15 00:00:00", "2026-05-15 00:00:00", "2026-06-15 00:00:00", "2026-07-15 00:00:00", "2026-08-14 00:00:00"}},
		{"nearest stays in the month", "0 0 1W * *", EveryDay, nil, "2026-07-15 00:00:00", []string{"2026-08-03 00:00:00", "2026-09-01 00:00:00"}},
		{"nearest of a day that is not", "0 0 31W * *", EveryDay, nil, "2026-04-01 00:00:00", []string{"2026-05-29 00:00:00", "2026-07-31 00:00:00"}},
		{"nearest to a holiday", "0 0 25W 12 *", EveryDay, uk, "2026-04-01 00:00:00", []string{"2026-12-24 00:00:00"}},
		{"last working day", "0 0 LW * *", EveryDay, nil, "2026-01-31 00:00:00", []string{"2026-02-27 00:00:00", "2026-03-31 00:00:00", "2026-04-30 00:00:00", "2026-05-29 00:00:00"}},
		{"second Friday", "0 0 * * FRI#2", EveryDay, nil, "2026-03-01 00:00:00", []string{"2026-03-13 00:00:00", "2026-04-10 00:00:00"}},
		{"fifth Sunday", "0 0 * * 7#5", EveryDay, nil, "2026-03-01 00:00:00", []string{"2026-03-29 00:00:00", "2026-05-31 00:00:00"}},
		{"last Friday", "0 0 * * 5L", EveryDay, nil, "2026-03-01 00:00:00", []string{"2026-03-27 00:00:00", "2026-04-24 00:00:00"}},
		{"only working days", "0 6 * * *", WorkingDays, uk, "2026-04-02 07:00:00", []string{"2026-04-07 06:00:00", "2026-04-08 06:00:00"}},
		{"a holiday on which people work", "0 6 1 1 *", WorkingDays, uk, "2025-06-01 00:00:00", []string{"2026-01-01 06:00:00"}},
		{"only days off", "0 6 * 4 *", DaysOff, uk, "2026-04-02 07:00:00", []string{"2026-04-03 06:00:00", "2026-04-04 06:00:00", "2026-04-05 06:00:00", "2026-04-06 06:00:00", "2026-04-11 06:00:00"}},
		{"moved to the next working day", "0 6 25 12 *", NextWorkingDay, uk, "2026-01-01 00:00:00", []string{"2026-12-28 06:00:00"}},
		{"moved into the next month", "0 6 31 1,5 *", NextWorkingDay, nil, "2026-01-01 00:00:00", []string{"2026-02-02 06:00:00", "2026-06-01 06:00:00"}},
		{"moved to the working day before", "0 6 25 * *", PreviousWorkingDay, uk, "2026-04-01 00:00:00", []string{"2026-04-24 06:00:00", "2026-05-25 06:00:00"}},
		{"two that fall on one day", "0 6 * * SAT,SUN,MON", NextWorkingDay, nil, "2026-03-06 00:00:00", []string{"2026-03-09 06:00:00", "2026-03-16 06:00:00"}},
		{"another weekend", "0 6 * * *", WorkingDays, gulf, "2026-03-05 07:00:00", []string{"2026-03-08 06:00:00"}},
		{"by name", "@monthly", EveryDay, nil, "2026-03-05 07:00:00", []string{"2026-04-01 00:00:00"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := parse(t, tt.expression, time.UTC, tt.days, tt.calendar)
			at, err := time.Parse(time.DateTime, tt.after)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				next, ok := s.Next(at)
				if got := next.Format(time.DateTime); !ok || got != want {
					t.Fatalf("after %v: %s, %v; want %s", at, got, ok, want)
				}
				at = next
			}
		})
	}
}

// TestClocksChange follows schedules through nights on which clocks are changed.
func TestClocksChange(t *testing.T) {
	for _, tt := range []struct {
		name, zone, expression, after string
		want                          []string
	}{
		{"left out: first moment after", "Europe/London", "30 1 * * *", "2026-03-28 02:00:00 +00:00", []string{
			"2026-03-29 02:00:00 +01:00", "2026-03-30 01:30:00 +01:00",
		}},
		{"left out, several: once", "Europe/London", "*/15 1 * * *", "2026-03-28 02:00:00 +00:00", []string{
			"2026-03-29 02:00:00 +01:00", "2026-03-30 01:00:00 +01:00",
		}},
		{"left out, and due at the first moment after: once", "Europe/London", "0,30 1,2 * * *", "2026-03-28 03:00:00 +00:00", []string{
			"2026-03-29 02:00:00 +01:00", "2026-03-29 02:30:00 +01:00", "2026-03-30 01:00:00 +01:00",
		}},
		{"shown twice: the first time", "Europe/London", "30 1 * * *", "2026-10-24 12:00:00 +01:00", []string{
			"2026-10-25 01:30:00 +01:00", "2026-10-26 01:30:00 +00:00",
		}},
		{"shown twice, asked in between", "Europe/London", "15,45 1 * * *", "2026-10-25 01:20:00 +00:00", []string{
			"2026-10-26 01:15:00 +00:00",
		}},
		{"time that passes goes on in spring", "Europe/London", "*/30 * * * *", "2026-03-29 00:30:00 +00:00", []string{
			"2026-03-29 02:00:00 +01:00", "2026-03-29 02:30:00 +01:00",
		}},
		{"time that passes makes up for nothing", "Europe/London", "20 * * * *", "2026-03-29 00:20:00 +00:00", []string{
			"2026-03-29 02:20:00 +01:00", "2026-03-29 03:20:00 +01:00",
		}},
		{"time that passes goes on in autumn", "Europe/London", "*/30 * * * *", "2026-10-25 01:00:00 +01:00", []string{
			"2026-10-25 01:30:00 +01:00", "2026-10-25 01:00:00 +00:00", "2026-10-25 01:30:00 +00:00", "2026-10-25 02:00:00 +00:00",
		}},
		{"midnight left out", "America/Sao_Paulo", "0 0 * * *", "2017-10-14 12:00:00 -03:00", []string{
			"2017-10-15 01:00:00 -02:00", "2017-10-16 00:00:00 -02:00",
		}},
		{"midnight shown twice", "America/Sao_Paulo", "30 23 * * *", "2018-02-17 12:00:00 -02:00", []string{
			"2018-02-17 23:30:00 -02:00", "2018-02-18 23:30:00 -03:00",
		}},
		{"half an hour", "Australia/Lord_Howe", "15 2 * * *", "2026-10-03 12:00:00 +10:30", []string{
			"2026-10-04 02:30:00 +11:00", "2026-10-05 02:15:00 +11:00",
		}},
		{"a day left out", "Pacific/Apia", "0 12 30 12 *", "2011-12-01 00:00:00 -10:00", []string{
			"2011-12-31 00:00:00 +14:00", "2012-12-30 12:00:00 +14:00",
		}},
		{"a day left out, asked the evening before", "Pacific/Apia", "0 9 * * *", "2011-12-29 10:00:00 -10:00", []string{
			"2011-12-31 00:00:00 +14:00", "2011-12-31 09:00:00 +14:00",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := parse(t, tt.expression, zone(t, tt.zone), EveryDay, nil)
			at, err := time.Parse(form, tt.after)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				next, ok := s.Next(at)
				if got := next.Format(form); !ok || got != want {
					t.Fatalf("after %v: %s, %v; want %s", at, got, ok, want)
				}
				at = next
			}
		})
	}
}

// zones change clocks in many ways: at midnight, by half an hour, four times a year.
var zones = []string{
	"UTC", "Europe/London", "Europe/Berlin", "America/New_York", "America/St_Johns", "America/Santiago", "Australia/Lord_Howe",
	"Africa/Casablanca", "Africa/Cairo", "Asia/Tehran", "Asia/Beirut", "Asia/Gaza", "Antarctica/Troll", "Pacific/Apia",
}

// TestTenYears is due once on every day of ten years, whatever clocks do.
func TestTenYears(t *testing.T) {
	begin, end := time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, name := range zones {
		t.Run(name, func(t *testing.T) {
			z := zone(t, name)
			for hour := range 24 {
				s := parse(t, fmt.Sprintf("30 %d * * *", hour), z, EveryDay, nil)
				at, days := begin, 0
				for {
					next, ok := s.Next(at)
					if !ok || !next.After(at) {
						t.Fatalf("%v, after %v: %v, %v", s, at, next, ok)
					}
					if next.After(end) {
						break
					}
					if first, shown := due(next, hour); shown && !next.Equal(first) {
						t.Errorf("%v: %v, want %v", s, next, first)
					}
					at = next
					days++
				}
				if want := int(end.Sub(begin).Hours() / 24); days < want-1 || days > want+1 {
					t.Errorf("%v: due %d times in %d days", s, days, want)
				}
			}
		})
	}
}

// due returns the first moment of the day of t at which a clock shows half past an
// hour, if it does.
func due(t time.Time, hour int) (first time.Time, shown bool) {
	midnight := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
	for at := midnight.Add(-2 * time.Hour); at.Before(midnight.Add(30 * time.Hour)); at = at.Add(time.Minute * 30) {
		if at.Day() == t.Day() && at.Hour() == hour && at.Minute() == 30 {
			return at, true
		}
	}
	return time.Time{}, false
}

// someExpression draws an expression that robfig/cron reads the same way.
func someExpression(t *rapid.T) string {
	field := func(what string, low, high int) string {
		if rapid.IntRange(0, 2).Draw(t, what+" any") == 0 {
			return "*"
		}
		var items []string
		for range rapid.IntRange(1, 3).Draw(t, what+" items") {
			a := rapid.IntRange(low, high).Draw(t, what)
			b := rapid.IntRange(a, high).Draw(t, what+" to")
			step := rapid.IntRange(1, high-low).Draw(t, what+" step")
			items = append(items, rapid.SampledFrom([]string{
				fmt.Sprint(a), fmt.Sprintf("%d-%d", a, b), fmt.Sprintf("%d-%d/%d", a, b, step), fmt.Sprintf("%d/%d", a, step), fmt.Sprintf("*/%d", max(step, 2)),
			}).Draw(t, what+" item"))
		}
		return strings.Join(items, ",")
	}
	return strings.Join([]string{
		field("second", 0, 59), field("minute", 0, 59), field("hour", 0, 23), field("day", 1, 31), field("month", 1, 12), field("weekday", 0, 6),
	}, " ")
}

// TestAgainstCron compares with robfig/cron, where clocks are not changed.
func TestAgainstCron(t *testing.T) {
	reader := cron.NewParser(cron.Second | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	rapid.Check(t, func(t *rapid.T) {
		expression := someExpression(t)
		z, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := reader.Parse("TZ=" + z.String() + " " + expression)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(rapid.Int64Range(1_450_000_000, 1_780_000_000).Draw(t, "after"), 0).In(z)
		want := theirs.Next(at)
		ours, err := Parse(expression, z, EveryDay, nil)
		if err != nil {
			if want.IsZero() {
				return // the 31st of February
			}
			t.Fatal(err)
		}
		for range 20 {
			want := theirs.Next(at)
			got, ok := ours.Next(at)
			if !ok {
				t.Fatalf("%s after %v: nothing", expression, at)
			}
			if changes(z, at, got) {
				at = got
				continue
			}
			if !got.Equal(want) {
				t.Fatalf("%s after %v: %v, want %v", expression, at, got, want)
			}
			at = got
		}
	})
}

// changes reports whether clocks change on a day between two moments, or on those
// around.
func changes(z *time.Location, from, to time.Time) bool {
	if to.Sub(from) > 366*24*time.Hour {
		return false // robfig/cron walks through days there
	}
	_, offset := from.AddDate(0, 0, -1).In(z).Zone()
	for at := from.AddDate(0, 0, -1); at.Before(to.AddDate(0, 0, 2)); at = at.Add(6 * time.Hour) {
		if _, o := at.In(z).Zone(); o != offset {
			return true
		}
	}
	return false
}

func TestMistakes(t *testing.T) {
	for expression, want := range map[string]string{
		"":                                      "neither five or six fields",
		"@noon":                                 "neither five or six fields",
		"0 2 * *":                               "it has 4 fields",
		"0 0 2 * * * *":                         "it has 7 fields",
		"60 2 * * *":                            `minutes: "60" is no value from 0 to 59`,
		"0 24 * * *":                            `hours: "24" is no value from 0 to 23`,
		"0 2 0 * *":                             `day of month: "0" is no value from 1 to 31`,
		"0 2 * 13 *":                            `month: "13" is no value from 1 to 12 or JAN to DEC`,
		"0 2 * * 8":                             `day of week: "8" is no value from 0 to 7 or SUN to SAT`,
		"0 2 * * FRI#6":                         `day of week: "6" is no value from 1 to 5`,
		"0 2 L-31 * *":                          `day of month: "31" is no value from 1 to 30`,
		"0 2 xW * *":                            `day of month: "X" is no value`,
		"0 2 ? * XL":                            `day of week: "X" is no value`,
		"*/0 2 * * *":                           `minutes: "0" is no step from 1 to 59`,
		"1- 2 * * *":                            `minutes: "" is no value`,
		"1,,2 2 * * *":                          `minutes: "" is no value`,
		"-1 2 * * *":                            `minutes: "" is no value`,
		"? 2 * * *":                             `minutes: "?" is no value`,
		"0 2 30 2 *":                            "there is no such day",
		"0 2 31 4,6,9,11 *":                     "there is no such day",
		strings.Repeat("1,", 600) + "1 * * * *": "longer than 1024 bytes",
	} {
		_, err := Parse(expression, time.UTC, EveryDay, nil)
		if mft.CodeOf(err) != mft.CodeConfig || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%q: %v, want %q", expression, err, want)
		}
	}
	for _, s := range []string{"", "2026", "2026-02-29", "02-30", "13-01", "1-1", "26-01-01", "0000-01-01", "2026-1-01", "2026-01-01-01", "+1-01", "12-2500"} {
		if d, err := ParseDate(s); mft.CodeOf(err) != mft.CodeConfig {
			t.Errorf("ParseDate(%q) = %v, %v", s, d, err)
		}
	}
	if _, err := NewCalendar([]time.Weekday{0, 1, 2, 3, 4, 5, 6}, nil, nil); mft.CodeOf(err) != mft.CodeConfig {
		t.Errorf("a calendar without working days: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"* * * * *", "0 0 2 ? JAN-DEC/2 FRI#2,5L", "5/20 22-4 L-3,LW,15W * *", "@daily", "0 2 30 2 *"} {
		f.Add(s, int64(1_774_746_000))
	}
	berlin := zone(f, "Europe/Berlin")
	f.Fuzz(func(t *testing.T, expression string, after int64) {
		s, err := Parse(expression, berlin, NextWorkingDay, nil)
		if err != nil {
			if mft.CodeOf(err) != mft.CodeConfig {
				t.Errorf("%q: %v", expression, err)
			}
			return
		}
		at := time.Unix(after%4_000_000_000, 0)
		if next, ok := s.Next(at); ok && !next.After(at) || s.String() != expression {
			t.Errorf("%q after %v: %v", expression, at, next)
		}
	})
}
