package when

import (
	"bytes"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/trigger/schedule"
)

// FuzzReadDays: the days of a file make a calendar, are no more than its lines, and an error
// does not repeat what stands there.
func FuzzReadDays(f *testing.F) {
	for _, s := range []string{
		"", "# Britain\n2026-12-25 # Christmas\r\n\n  01-01\n", "2026-12-25\nsecret\n", "02-29", "2025-02-29", "12-25\x00", "\ufeff12-25", "12-25\r", "\r\n\r\n", "#",
		strings.Repeat("12-25\n", 100), "12-25 01-01", "\t12-25\t",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		days, err := readDays(content)
		if err != nil {
			if text := err.Error(); len(text) > 100 || len(days) > 0 {
				t.Fatalf("readDays(%q) = %q, %s", content, days, text)
			}
			return
		}
		if lines := bytes.Count(content, []byte("\n")) + 1; len(days) > lines {
			t.Fatalf("readDays(%q) has %d days in %d lines", content, len(days), lines)
		}
		if _, err := schedule.ReadCalendar(mft.Calendar{Name: "c", Workdays: defaultWorkdays, Holidays: days}); err != nil {
			t.Fatalf("readDays(%q) is no calendar: %v", content, err)
		}
	})
}
