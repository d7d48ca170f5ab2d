package schedule

import (
	"strings"
	"testing"

	"mft.dev/mft"
)

// FuzzParseDate: what is a day is written as it was read, and there is such a day.
func FuzzParseDate(f *testing.F) {
	for _, s := range []string{
		"2026-12-25", "12-25", "02-29", "2024-02-29", "2025-02-29", "0000-01-01", "0001-01-01", "9999-12-31", "65536-01-01", "12-25-2026",
		"+1-01", "-12-25", "1-1", "2026-1-01", "", "-", "--", "2026-00-10", "2026-13-01", "04-31", "２０２６-12-25", "2026-12-25\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDate(s)
		if err != nil {
			if mft.CodeOf(err) != mft.CodeConfig || d != (Date{}) {
				t.Fatalf("ParseDate(%q) = %v, %v", s, d, err)
			}
			return
		}
		if d.String() != s {
			t.Fatalf("ParseDate(%q) is written %s", s, d)
		}
		if d.Year == 0 {
			d.Year = 2000
		}
		if d.add(0) != d {
			t.Fatalf("ParseDate(%q) is the day %v", s, d.add(0))
		}
	})
}

// FuzzReadCalendar: a calendar that was read has a working day of the week, and its holidays are
// off.
func FuzzReadCalendar(f *testing.F) {
	for _, s := range [][2]string{
		{"mon-fri", "2026-12-25 01-01"},
		{"sun-thu", ""},
		{"*", "02-29"},
		{"mon,wed,5", "12-25 12-25"},
		{"6-1", "2026-02-30"},
		{"*/7", ""},
		{"0-7", ""},
		{"7", ""},
		{"", ""},
		{"mon-friday", ""},
		{"MON-FRI/2", "x"},
		{strings.Repeat("mon,", 300) + "mon", ""},
		{"?", ""},
		{"L", ""},
		{"fri#2", ""},
	} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, week, days string) {
		holidays := strings.Fields(days)
		c, err := ReadCalendar(mft.Calendar{Name: "c", Workdays: week, Holidays: holidays})
		if err != nil {
			if mft.CodeOf(err) != mft.CodeConfig || c != nil {
				t.Fatalf("ReadCalendar(%q, %q) = %v, %v", week, days, c, err)
			}
			return
		}
		for _, s := range holidays {
			d, err := ParseDate(s)
			if err != nil {
				t.Fatalf("ReadCalendar(%q, %q) took %q for a day: %v", week, days, s, err)
			}
			if d.Year == 0 {
				d.Year = 2000
			}
			if c.Working(d) {
				t.Fatalf("ReadCalendar(%q, %q) works on %s", week, days, s)
			}
		}
		for day, n := (Date{1999, 1, 1}), 0; n < 7*(len(holidays)+1); n++ {
			if c.Working(day.add(n)) {
				return
			}
		}
		if len(holidays) == 0 {
			t.Fatalf("ReadCalendar(%q) has no working day", week)
		}
	})
}
