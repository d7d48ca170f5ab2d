// Package when has the section `when:` of a channel, and the section `calendars:` whose
// calendars it may name.
//
//	calendars: {uk: {workdays: mon-fri, holidays: ["2026-12-25"], file: /etc/mft/uk.txt}}
//	when: {schedule: "0 6 * * *", calendar: uk, on: next, missed: skip}
//
// Its types are read by package strict, and written as they were read.
package when

import (
	"errors"
	"fmt"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/strict"
	"mft.dev/mft/trigger/schedule"
)

// An Entry is the section.
type Entry struct {
	strict.Place
	Arrival  *Arrival         `yaml:"arrival" doc:"Fire when a file appears or changes and is stable."`
	Manual   leaf.YesNo       `yaml:"manual" doc:"Fire when an operator says so."`
	Schedule leaf.Schedule    `yaml:"schedule" doc:"Fire by the clock: the fields of a crontab, five or six with seconds in front, with L, W and #; or @daily and the like."`
	Timezone leaf.Zone        `yaml:"timezone" doc:"Time zone of the schedule, such as Europe/London. Default: that of the host."`
	Calendar leaf.ChannelName `yaml:"calendar" doc:"Calendar of the schedule and of expect.due_by, one of the section calendars of the agent at which the channel begins. Default: Monday to Friday are working days."`
	On       On               `yaml:"on" doc:"On which days the schedule and expect.due_by are due: workday, only on working days; holiday, only on the others; next or previous, what falls on a day off moves to the next or the previous working day. Default: every day; with a calendar workday."`
	Missed   Makeup           `yaml:"missed" doc:"What was due by the clock while the agent did not run: once, it is made up for by one run; or skip. Default: once."`
	Overlap  Makeup           `yaml:"overlap" doc:"What is due by the clock during a run: once, there is one more run afterwards; or skip. Default: once."`
	Marker   leaf.YesNo       `yaml:"marker" doc:"Fire when the trigger marker of the source appears."`
	Poll     leaf.PollTime    `yaml:"poll" doc:"Fire each time so much time has passed, 1s to 24h."`
}

// Arrival is what counts as arrived.
type Arrival struct {
	Stable leaf.StableFor  `yaml:"stable" doc:"How long a file must stay the same before it moves, 10ms to 24h. Default: 2s."`
	Rescan leaf.RescanTime `yaml:"rescan" doc:"Longest time between two full scans of the source, 1s to 24h. Default: 10m where the system tells of all changes, else 30s."`
}

const defaultStable = 2 * time.Second

// ReadShort accepts `when: manual`.
func (e *Entry) ReadShort(s string) error {
	switch s {
	case "manual":
		e.Manual = true
		return nil
	case "arrival":
		e.Arrival = &Arrival{}
		return nil
	case "marker":
		e.Marker = true
		return nil
	}
	return fmt.Errorf("want arrival: {…}, schedule: …, poll: …, arrival, marker or manual")
}

// ShortSchema implements strict.Short.
func (*Entry) ShortSchema() map[string]any {
	return map[string]any{"enum": []string{"manual", "arrival", "marker"}}
}

// On is an mft.DayRule.
type On mft.DayRule

// ReadText implements strict.Leaf.
func (v *On) ReadText(s string) error {
	switch *v = On(s); mft.DayRule(s) {
	case mft.OnWorkday, mft.OnHoliday, mft.OnNext, mft.OnPrevious:
		return nil
	}
	return errors.New("want workday, holiday, next or previous")
}

// Schema implements strict.Leaf.
func (*On) Schema() map[string]any {
	return map[string]any{"enum": []mft.DayRule{mft.OnWorkday, mft.OnHoliday, mft.OnNext, mft.OnPrevious}}
}

// A Makeup is what becomes of a time at which no run could begin.
type Makeup string

const (
	once Makeup = "once"
	skip Makeup = "skip"
)

// ReadText implements strict.Leaf.
func (v *Makeup) ReadText(s string) error {
	if *v = Makeup(s); *v != once && *v != skip {
		return errors.New("want once or skip")
	}
	return nil
}

// Schema implements strict.Leaf.
func (*Makeup) Schema() map[string]any { return map[string]any{"enum": []Makeup{once, skip}} }

// Into writes what the section says to a channel that has its expectations already. Its
// calendar is one of those known, unless the channel begins elsewhere.
func (e *Entry) Into(d *strict.Decoder, c *mft.Channel, known []mft.Calendar, elsewhere bool) {
	wrong := func(key, format string, args ...any) { d.Mistake(e.Line, e.Key+key, format, args...) }
	c.When = e.triggers()
	c.SkipMissed, c.SkipOverlap = e.Missed == skip, e.Overlap == skip
	if e.Schedule == "" && e.Poll == 0 {
		for _, said := range [][2]string{{".missed", string(e.Missed)}, {".overlap", string(e.Overlap)}} {
			if said[1] != "" {
				wrong(said[0], "it is about schedule or poll, and there is neither")
			}
		}
	}
	if e.Schedule == "" && c.Expect.DueBy == "" {
		for _, said := range [][2]string{{".timezone", string(e.Timezone)}, {".calendar", string(e.Calendar)}, {".on", string(e.On)}} {
			if said[1] != "" {
				wrong(said[0], "it is that of a schedule or of expect.due_by, and there is neither")
			}
		}
		return
	}
	if c.Days.On = mft.DayRule(e.On); e.Calendar != "" {
		if c.Days.On == "" {
			c.Days.On = mft.OnWorkday
		}
		calendar, ok := find(known, string(e.Calendar))
		if !ok && !elsewhere {
			wrong(".calendar", "the agent's own file has no calendar %s", e.Calendar)
			return
		}
		c.Days.Calendar = calendar
	}
	for _, expression := range []string{string(e.Schedule), c.Expect.DueBy} {
		if expression == "" || c.Days.On == "" {
			continue
		}
		if _, err := schedule.Read(expression, time.UTC, c.Days); err != nil {
			wrong(".on", "%q: %v", expression, leaf.Cause(err))
		}
	}
}

func (e *Entry) triggers() (out []mft.Trigger) {
	if a := e.Arrival; a != nil {
		t := mft.Trigger{Kind: mft.TriggerArrival, Stable: time.Duration(a.Stable), Rescan: time.Duration(a.Rescan)}
		if t.Stable == 0 {
			t.Stable = defaultStable
		}
		out = append(out, t)
	}
	if e.Manual {
		out = append(out, mft.Trigger{Kind: mft.TriggerManual})
	}
	if e.Schedule != "" {
		out = append(out, mft.Trigger{Kind: mft.TriggerSchedule, Expression: string(e.Schedule), Zone: string(e.Timezone)})
	}
	if e.Poll > 0 {
		out = append(out, mft.Trigger{Kind: mft.TriggerPoll, Every: time.Duration(e.Poll)})
	}
	if e.Marker {
		out = append(out, mft.Trigger{Kind: mft.TriggerMarker})
	}
	return out
}

// DocumentOf returns what Entry reads, by key.
func DocumentOf(c mft.Channel) map[string]any {
	out := map[string]any{}
	for _, t := range c.When {
		switch t.Kind {
		case mft.TriggerManual:
			out["manual"] = true
		case mft.TriggerMarker:
			out["marker"] = true
		case mft.TriggerPoll:
			out["poll"] = t.Every.String()
		case mft.TriggerSchedule:
			out["schedule"] = t.Expression
			if t.Zone != "" {
				out["timezone"] = t.Zone
			}
		case mft.TriggerArrival:
			arrival := map[string]string{"stable": t.Stable.String()}
			if t.Rescan > 0 {
				arrival["rescan"] = t.Rescan.String()
			}
			out["arrival"] = arrival
		}
	}
	if c.Expect.Zone != "" {
		out["timezone"] = c.Expect.Zone
	}
	if c.Days.Calendar.Name != "" {
		out["calendar"] = c.Days.Calendar.Name
	}
	if c.Days.On != "" {
		out["on"] = string(c.Days.On)
	}
	if c.SkipMissed {
		out["missed"] = string(skip)
	}
	if c.SkipOverlap {
		out["overlap"] = string(skip)
	}
	return out
}
