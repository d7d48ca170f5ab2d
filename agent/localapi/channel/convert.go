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
		Name: ch.Name, From: Endpoint(ch.From), To: []Endpoint{}, Triggers: triggersOf(ch, v.Due), Markers: markersOf(v.Markers),
		Include: ch.Select.Include, Exclude: ch.Select.Exclude, Overwrite: ch.Overwrite, Compare: ch.Compare, Compress: ch.Compress,
		Settling: v.Source.Settling, LastScan: v.Source.LastScan, Source: route.ProblemOf(v.Source.Problem), Underway: []Moving{},
	}
	for _, to := range ch.To {
		out.To = append(out.To, Endpoint(to))
	}
	out.Phase, out.Waits, out.Since, out.Until = cmp.Or(string(s.Phase), "idle"), string(s.Why), s.Since, s.Until
	out.Paused, out.Disabled, out.Problem = orderOf(v.Orders.Paused), orderOf(v.Orders.Disabled), route.ProblemOf(s.Problem)
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

func triggersOf(ch mft.Channel, due []time.Time) []Trigger {
	out := []Trigger{}
	for i, t := range ch.When {
		one := Trigger{Kind: t.Kind}
		switch t.Kind {
		case mft.TriggerSchedule:
			one.Text = t.Expression
			if t.Zone != "" {
				one.Text += " " + t.Zone
			}
		case mft.TriggerPoll:
			one.Text = t.Every.String()
		case mft.TriggerArrival:
			one.Text = "stable for " + t.Stable.String()
		}
		if i < len(due) {
			one.Due = due[i]
		}
		out = append(out, one)
	}
	return out
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
