package when

import (
	"errors"
	"fmt"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/agent/config/strict"
)

// Bandwidth is the section `bandwidth:` of a channel, or only its limit.
//
//	bandwidth: {limit: 20MiB, hours: [{from: "08:00", to: "18:00", on: workday, limit: 2MiB}]}
type Bandwidth struct {
	strict.Place
	Limit    Rate             `yaml:"limit" doc:"Bytes a second that all transfers of the channel send together, after compression, such as 20MiB; at least 1KiB. Default: none."`
	Hours    []Hours          `yaml:"hours" doc:"Times of day with a limit of their own; the first that fits counts."`
	Timezone leaf.Zone        `yaml:"timezone" doc:"Time zone of the hours, such as Europe/London. Default: that of the host."`
	Calendar leaf.ChannelName `yaml:"calendar" doc:"Calendar of the hours, one of the section calendars of the agent at which the channel begins. Default: Monday to Friday are working days."`
}

// Hours are a time of day.
type Hours struct {
	strict.Place
	From  Clock   `yaml:"from" need:"yes" doc:"When they begin, such as 08:00."`
	To    Clock   `yaml:"to" need:"yes" doc:"When they end, up to 24:00; on the next day if that is not after from."`
	On    HoursOn `yaml:"on" doc:"Days on which they begin: workday or holiday. Default: every day."`
	Limit Rate    `yaml:"limit" need:"yes" doc:"Bytes a second in these hours, or none."`
}

// maxHours is how many hours a section may have.
const maxHours = 16

// ReadShort accepts `bandwidth: 20MiB`.
func (e *Bandwidth) ReadShort(s string) error { return e.Limit.ReadText(s) }

// ShortSchema implements strict.Short.
func (*Bandwidth) ShortSchema() map[string]any { return (*Rate)(nil).Schema() }

// A Rate is bytes a second, 0 for no limit.
type Rate int64

const (
	rates = `^([1-9][0-9]* *([KMGT]iB)?|none)$`
	// leastRate is what protocol and its patience need.
	leastRate = 1 << 10
)

// ReadText implements strict.Leaf.
func (v *Rate) ReadText(s string) error {
	if s == "none" {
		*v = 0
		return nil
	}
	var b storage.Bytes
	if err := b.ReadText(s); err != nil || b < leastRate {
		return errors.New("want bytes a second such as 20MiB, at least 1KiB, or none; a block marker or a schedule keeps a channel from sending at all")
	}
	*v = Rate(b)
	return nil
}

// Schema implements strict.Leaf.
func (*Rate) Schema() map[string]any {
	return map[string]any{"type": []string{"integer", "string"}, "pattern": rates, "minimum": leastRate}
}

// A Clock is a time of day since midnight.
type Clock time.Duration

// ReadText implements strict.Leaf.
func (v *Clock) ReadText(s string) error {
	t, err := time.Parse("15:04", s)
	*v = Clock(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute)
	if s == "24:00" {
		*v, err = Clock(24*time.Hour), nil
	}
	if err != nil || len(s) != len("15:04") {
		return errors.New(`want a time of day in quotes, such as "08:00"`)
	}
	return nil
}

// Schema implements strict.Leaf.
func (*Clock) Schema() map[string]any { return leaf.Text(`^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$`) }

// HoursOn is the mft.DayRule of hours.
type HoursOn mft.DayRule

// ReadText implements strict.Leaf.
func (v *HoursOn) ReadText(s string) error {
	if *v = HoursOn(s); mft.DayRule(s) != mft.OnWorkday && mft.DayRule(s) != mft.OnHoliday {
		return errors.New("want workday or holiday")
	}
	return nil
}

// Schema implements strict.Leaf.
func (*HoursOn) Schema() map[string]any {
	return map[string]any{"enum": []mft.DayRule{mft.OnWorkday, mft.OnHoliday}}
}

// Bandwidth returns what the section says; without it there is no limit. Its calendar is one
// of those known, unless the channel begins elsewhere.
func (e *Bandwidth) Bandwidth(d *strict.Decoder, known []mft.Calendar, elsewhere bool) (out mft.Bandwidth) {
	if e == nil {
		return out
	}
	wrong := func(key, format string, args ...any) { d.Mistake(e.Line, e.Key+key, format, args...) }
	out = mft.Bandwidth{Limit: int64(e.Limit), Zone: string(e.Timezone)}
	if len(e.Hours) > maxHours {
		wrong(".hours", "more than %d", maxHours)
	}
	if len(e.Hours) == 0 && (e.Timezone != "" || e.Calendar != "") {
		wrong("", "timezone and calendar are those of hours, and there are none")
	}
	for _, h := range e.Hours {
		if h.From == Clock(24*time.Hour) {
			d.Mistake(h.Line, h.Key+".from", "the day ends at 24:00; hours may begin at 00:00")
		}
		out.Hours = append(out.Hours, mft.Hours{From: time.Duration(h.From), To: time.Duration(h.To), On: mft.DayRule(h.On), Limit: int64(h.Limit)})
	}
	if e.Calendar != "" {
		calendar, ok := find(known, string(e.Calendar))
		if !ok && !elsewhere {
			wrong(".calendar", "the agent's own file has no calendar %s", e.Calendar)
		}
		out.Calendar = calendar
	}
	return out
}

// DocumentOfBandwidth returns what Bandwidth reads; nil of nothing.
func DocumentOfBandwidth(b mft.Bandwidth) map[string]any {
	out := map[string]any{}
	if b.Limit > 0 {
		out["limit"] = storage.Bytes(b.Limit).String()
	}
	var hours []map[string]any
	for _, h := range b.Hours {
		one := map[string]any{"from": clock(h.From), "to": clock(h.To), "limit": "none"}
		if h.On != "" {
			one["on"] = string(h.On)
		}
		if h.Limit > 0 {
			one["limit"] = storage.Bytes(h.Limit).String()
		}
		hours = append(hours, one)
	}
	if hours != nil {
		out["hours"] = hours
	}
	if b.Zone != "" {
		out["timezone"] = b.Zone
	}
	if b.Calendar.Name != "" {
		out["calendar"] = b.Calendar.Name
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func clock(d time.Duration) string {
	return fmt.Sprintf("%02d:%02d", d/time.Hour, d%time.Hour/time.Minute)
}
