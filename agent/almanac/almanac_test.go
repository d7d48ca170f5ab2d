package almanac

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
)

func TestFileOfHolidaysChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "holidays")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	b := New(func() time.Time { return now })
	uk := mft.Calendar{Name: "uk", Workdays: "mon-fri", Holidays: []string{"05-01", "12-25"}, File: path, InFile: 1}
	ch := mft.Channel{Name: "c", Days: mft.Days{On: mft.OnWorkday, Calendar: uk}, When: []mft.Trigger{{Kind: mft.TriggerSchedule, Expression: "0 6 * * *", Zone: "UTC"}}}
	for _, step := range []struct {
		name, content string
		later         time.Duration
		days          []string
		changed       bool
		problem       string
		next          string
	}{
		{"not there when the agent begins", "", 0, []string{"05-01", "12-25"}, false, "what it said before holds", "2026-11-24"},
		{"the same as was read", "12-25\n", time.Minute, []string{"05-01", "12-25"}, false, "", "2026-11-24"},
		{"changed, but not asked again for a minute", "11-24\n11-25\n", time.Minute - 1, []string{"05-01", "12-25"}, false, "", "2026-11-24"},
		{"changed", "", 1, []string{"05-01", "11-24", "11-25"}, true, "", "2026-11-26"},
		{"the same again", "", time.Minute, []string{"05-01", "11-24", "11-25"}, false, "", "2026-11-26"},
		{"broken", "11-24\nsecret\n", time.Minute, []string{"05-01", "11-24", "11-25"}, false, "line 2 of the file", "2026-11-26"},
		{"still broken, told from memory", "", 0, []string{"05-01", "11-24", "11-25"}, false, "line 2 of the file", "2026-11-26"},
		{"mended", "11-24\n", time.Minute, []string{"05-01", "11-24"}, true, "", "2026-11-25"},
		{"the clock is put back", "# none\n", -time.Hour, []string{"05-01"}, true, "", "2026-11-24"},
	} {
		if step.content != "" {
			write(step.content)
		}
		now = now.Add(step.later)
		fresh, changed, err := b.Channel(ch)
		if got := fresh.Days.Calendar.Holidays; changed != step.changed || !slices.Equal(got, step.days) {
			t.Fatalf("%s: %q, changed %v, want %q, %v", step.name, got, changed, step.days, step.changed)
		}
		switch {
		case step.problem == "" && err != nil, step.problem != "" && (mft.CodeOf(err) != mft.CodeCalendar || !strings.Contains(err.Error(), step.problem)),
			err != nil && strings.Contains(err.Error(), "secret"):
			t.Fatalf("%s: %v, want %q", step.name, err, step.problem)
		}
		times, err := Read(fresh)
		if err != nil {
			t.Fatal(err)
		}
		if next, ok := times.Clocks[0].Next(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)); !ok || next.Format(time.DateOnly) != step.next {
			t.Fatalf("%s: next %v, want %s", step.name, next, step.next)
		}
		ch = fresh
	}
	if got := uk.Holidays; !slices.Equal(got, []string{"05-01", "12-25"}) {
		t.Errorf("the calendar that came has changed: %q", got)
	}
	ch.Days, ch.Bandwidth = mft.Days{}, mft.Bandwidth{Limit: 1 << 20, Calendar: uk}
	if fresh, changed, err := b.Channel(ch); err != nil || !changed || len(fresh.Bandwidth.Calendar.Holidays) != 1 {
		t.Errorf("the calendar of a bandwidth: %+v, %v, %v", fresh.Bandwidth, changed, err)
	}
	if _, changed, err := (*Book)(nil).Channel(ch); changed || err != nil {
		t.Errorf("without a book: %v, %v", changed, err)
	}
}
