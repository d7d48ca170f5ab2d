package channel

import (
	"cmp"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/conduct"
	"mft.dev/mft/agent/localapi/route"
	"mft.dev/mft/trigger/firing"
)

// channelOf returns what a channel says of itself.
func channelOf(v conduct.View) Channel {
	ch, s := v.Channel, v.Status
	out := Channel{
		Name: ch.Name, From: Endpoint(ch.From), To: []Endpoint{}, Triggers: triggersOf(ch, v.Due, v.LeftOut), Markers: markersOf(v.Markers),
		Include: ch.Select.Include, Exclude: ch.Select.Exclude, Rules: ch.Select.Rules, Mirror: ch.Mirror.On, Latest: ch.Select.Latest, Limited: ch.Bandwidth.Limited(), Limit: v.Limit, LimitUntil: v.LimitUntil, Order: ch.Order.By, Batch: ch.Order.Batch, After: ch.After.Source, Archive: ch.After.Archive, Overwrite: ch.Overwrite, Compare: ch.Compare, Compress: ch.Compress, Preserve: ch.Preserve,
		Settling: v.Source.Settling, LastScan: v.Source.LastScan, Source: route.ProblemOf(v.Source.Problem), Underway: []Moving{},
	}
	for _, to := range ch.To {
		out.To = append(out.To, Endpoint(to))
	}
	out.Phase, out.Waits, out.Since, out.Until = cmp.Or(string(s.Phase), "idle"), string(s.Why), s.Since, s.Until
	out.Paused, out.Disabled, out.Problem = orderOf(v.Orders.Paused), orderOf(v.Orders.Disabled), route.ProblemOf(s.Problem)
	switch { // where the agent has only just begun, what is on record is known already
	case s.Why != "":
	case out.Disabled != nil:
		out.Waits = string(firing.WhyDisabled)
	case out.Paused != nil:
		out.Waits = string(firing.WhyPaused)
	}
	switch { // what is on record is known longer than the agent runs
	case s.Why == firing.WhyPaused && out.Paused != nil:
		out.Since = out.Paused.At
	case s.Why == firing.WhyDisabled && out.Disabled != nil:
		out.Since = out.Disabled.At
	}
	out.Held, out.Owed, out.Failures, out.Retry = s.State.Held, s.State.Owed, s.State.Failures, s.State.Retry
	out.Silence, out.Data, out.Silent = Duration(ch.Expect.Silence), s.State.Data, s.State.Silent
	return out
}

func triggersOf(ch mft.Channel, due []time.Time, left []string) []Trigger {
	out := []Trigger{}
	for i, t := range ch.When {
		one := Trigger{Kind: t.Kind}
		switch t.Kind {
		case mft.TriggerSchedule:
			one.Text = t.Expression
			if t.Zone != "" {
				one.Text += " " + t.Zone
			}
			one.Text += daysOf(ch.Days)
		case mft.TriggerPoll:
			one.Text = t.Every.String()
		case mft.TriggerArrival:
			one.Text = "stable for " + t.Stable.String()
		}
		if t.Kind == mft.TriggerSchedule || t.Kind == mft.TriggerPoll {
			one.Text += skipsOf(ch)
		}
		if i < len(due) {
			one.Due = due[i]
		}
		if i < len(left) && left[i] != "" {
			if one.Today = left[i]; ch.Days.Calendar.Name != "" {
				one.Today += " of " + ch.Days.Calendar.Name
			}
		}
		out = append(out, one)
	}
	return out
}

// daysOf says on which days a schedule is due.
func daysOf(d mft.Days) string {
	text := map[mft.DayRule]string{
		mft.OnWorkday: ", on working days", mft.OnHoliday: ", on days off",
		mft.OnNext: ", moved to the next working day", mft.OnPrevious: ", moved to the previous working day",
	}[d.On]
	if text != "" && d.Calendar.Name != "" {
		text += " of " + d.Calendar.Name
	}
	return text
}

// skipsOf says what is not made up for.
func skipsOf(ch mft.Channel) (text string) {
	if ch.SkipMissed {
		text += ", not made up for when the agent did not run"
	}
	if ch.SkipOverlap {
		text += ", not during a run"
	}
	return text
}

func markersOf(seen []conduct.Sight) []Marker {
	out := []Marker{}
	for _, s := range seen {
		one := Marker{Kind: s.Marker.Kind, End: s.Marker.End, Path: s.Marker.Path, Problem: route.ProblemOf(s.Err)}
		if s.Known {
			one.There = &s.There
		}
		out = append(out, one)
	}
	return out
}
