package pace

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

const (
	kib = 1 << 10
	mib = 1 << 20
)

var office = mft.Hours{From: 8 * time.Hour, To: 18 * time.Hour, On: mft.OnWorkday, Limit: 2 * mib}

func read(t interface{ Fatal(...any) }, b mft.Bandwidth) *Rules {
	r, err := Read(b, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAt(t *testing.T) {
	night := mft.Hours{From: 22 * time.Hour, To: 6 * time.Hour, Limit: 0}
	uk := mft.Calendar{Name: "uk", Workdays: "mon-fri", Holidays: []string{"12-25"}}
	for _, tt := range []struct {
		name  string
		b     mft.Bandwidth
		at    string // RFC 3339
		want  int64
		until string
	}{
		{"always", mft.Bandwidth{Limit: mib}, "2026-11-23T04:00:00Z", mib, ""},
		{"in hours", mft.Bandwidth{Limit: 20 * mib, Hours: []mft.Hours{office}}, "2026-11-23T08:00:00Z", 2 * mib, "2026-11-23T18:00:00Z"},
		{"before them", mft.Bandwidth{Limit: 20 * mib, Hours: []mft.Hours{office}}, "2026-11-23T07:59:59.999Z", 20 * mib, "2026-11-23T08:00:00Z"},
		{"when they end", mft.Bandwidth{Limit: 20 * mib, Hours: []mft.Hours{office}}, "2026-11-23T18:00:00Z", 20 * mib, "2026-11-24T08:00:00Z"},
		{"over a weekend", mft.Bandwidth{Hours: []mft.Hours{office}}, "2026-11-21T12:00:00Z", 0, "2026-11-23T08:00:00Z"},
		{"on a holiday", mft.Bandwidth{Hours: []mft.Hours{office}, Calendar: uk}, "2026-12-25T12:00:00Z", 0, "2026-12-28T08:00:00Z"},
		{"holidays only", mft.Bandwidth{Hours: []mft.Hours{{From: 0, To: 0, On: mft.OnHoliday, Limit: kib}}, Calendar: uk}, "2026-12-25T23:59:59Z", kib, "2026-12-28T00:00:00Z"},
		{"a night, of the day before", mft.Bandwidth{Limit: mib, Hours: []mft.Hours{night}}, "2026-11-23T05:59:00Z", 0, "2026-11-23T06:00:00Z"},
		{"a night begins", mft.Bandwidth{Limit: mib, Hours: []mft.Hours{night}}, "2026-11-23T22:00:00Z", 0, "2026-11-24T06:00:00Z"},
		{"the first counts", mft.Bandwidth{Hours: []mft.Hours{{From: 12 * time.Hour, To: 13 * time.Hour, Limit: kib}, office}}, "2026-11-23T12:30:00Z", kib, "2026-11-23T13:00:00Z"},
		{"in a zone", mft.Bandwidth{Hours: []mft.Hours{office}, Zone: "Europe/Berlin"}, "2026-11-23T07:00:00Z", 2 * mib, "2026-11-23T17:00:00Z"},
		// London, 2026: the clock goes from 01:00 to 02:00 on 29 March, and from 02:00 to 01:00 on 25 October.
		{"begins in what is skipped", mft.Bandwidth{Hours: []mft.Hours{{From: 90 * time.Minute, To: 3 * time.Hour, Limit: kib}}, Zone: "Europe/London"}, "2026-03-29T01:00:00Z", kib, "2026-03-29T02:00:00Z"},
		{"ends in what is skipped", mft.Bandwidth{Hours: []mft.Hours{{From: 0, To: 90 * time.Minute, Limit: kib}}, Zone: "Europe/London"}, "2026-03-29T00:59:59Z", kib, "2026-03-29T01:00:00Z"},
		{"is skipped", mft.Bandwidth{Limit: mib, Hours: []mft.Hours{{From: 70 * time.Minute, To: 80 * time.Minute, Limit: kib}}, Zone: "Europe/London"}, "2026-03-29T00:30:00Z", mib, "2026-03-30T00:10:00Z"},
		{"begins in what comes twice", mft.Bandwidth{Hours: []mft.Hours{{From: 90 * time.Minute, To: 3 * time.Hour, Limit: kib}}, Zone: "Europe/London"}, "2026-10-25T00:30:00Z", kib, "2026-10-25T03:00:00Z"},
		{"ends in what comes twice", mft.Bandwidth{Hours: []mft.Hours{{From: 0, To: 90 * time.Minute, Limit: kib}}, Zone: "Europe/London"}, "2026-10-25T00:00:00Z", kib, "2026-10-25T00:30:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339Nano, tt.at)
			if err != nil {
				t.Fatal(err)
			}
			got, until := read(t, tt.b).Plan(at).At(at)
			end := ""
			if !until.IsZero() {
				end = until.UTC().Format(time.RFC3339Nano)
			}
			if got != tt.want || end != tt.until {
				t.Errorf("%d until %q, want %d until %q", got, end, tt.want, tt.until)
			}
		})
	}
}

func TestNoLimit(t *testing.T) {
	r := read(t, mft.Bandwidth{Hours: []mft.Hours{{From: 0, To: time.Hour}}})
	if limit, until := r.Plan(time.Now()).At(time.Now()); r != nil || limit != 0 || !until.IsZero() {
		t.Errorf("%v: %d until %v", r, limit, until)
	}
}

func TestMistakes(t *testing.T) {
	for name, b := range map[string]mft.Bandwidth{
		"zone":     {Limit: 1, Zone: "Nowhere/At_all"},
		"calendar": {Limit: 1, Calendar: mft.Calendar{Workdays: "someday"}},
	} {
		if _, err := Read(b, time.UTC); mft.CodeOf(err) != mft.CodeConfig {
			t.Errorf("%s: %v, want BAD_CONFIG", name, err)
		}
	}
}

// TestPlanAgainstAWalk: a plan has at each moment the limit that the clock of the wall says,
// read at that moment in another way, away from the days on which that clock changes.
func TestPlanAgainstAWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{"UTC", "Europe/London", "America/New_York", "Asia/Kolkata", "Pacific/Apia"}).Draw(t, "zone")
		b := mft.Bandwidth{Zone: zone, Limit: int64(rapid.IntRange(0, 3).Draw(t, "limit"))}
		for n := range rapid.IntRange(1, 4).Draw(t, "many") {
			b.Hours = append(b.Hours, mft.Hours{
				From: time.Duration(rapid.IntRange(0, 23).Draw(t, "from")) * time.Hour, To: time.Duration(rapid.IntRange(0, 24).Draw(t, "to")) * time.Hour,
				On: rapid.SampledFrom([]mft.DayRule{"", mft.OnWorkday, mft.OnHoliday}).Draw(t, "on"), Limit: int64(10 + n),
			})
		}
		from := time.Date(2026, time.Month(rapid.IntRange(5, 8).Draw(t, "month")), rapid.IntRange(1, 28).Draw(t, "day"), 0, rapid.IntRange(0, 1439).Draw(t, "minute"), 0, 0, time.UTC)
		r := read(t, b)
		plan := r.Plan(from)
		for i := 1; i < len(plan); i++ {
			if plan[i].From <= plan[i-1].From || plan[i].Limit == plan[i-1].Limit {
				t.Fatalf("a plan of %v", plan)
			}
		}
		for n := range 200 {
			at := from.Add(time.Duration(n) * 37 * time.Minute)
			if got, _ := plan.At(at); got != walked(b, at.In(r.zone)) {
				t.Fatalf("%v: %d, want %d", at.In(r.zone), got, walked(b, at.In(r.zone)))
			}
		}
	})
}

// walked is the limit at a time on the wall, from what that shows.
func walked(b mft.Bandwidth, at time.Time) int64 {
	since := time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute + time.Duration(at.Second())*time.Second
	on := func(h mft.Hours, day time.Weekday) bool {
		work := day != time.Saturday && day != time.Sunday
		return h.On == "" || work == (h.On == mft.OnWorkday)
	}
	today, before := at.Weekday(), at.AddDate(0, 0, -1).Weekday()
	for _, h := range b.Hours {
		switch {
		case h.From < h.To && on(h, today) && h.From <= since && since < h.To,
			h.To <= h.From && on(h, today) && h.From <= since,
			h.To <= h.From && on(h, before) && since < h.To:
			return h.Limit
		}
	}
	return b.Limit
}
