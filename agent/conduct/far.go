package conduct

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/agent/farend"
	"mft.dev/mft/protocol/marking"
	"mft.dev/mft/trigger/firing"
	"mft.dev/mft/trigger/marker"
)

// Each host that a channel leads to is an end of its own, with the same markers: what
// one says of its trigger and its block counts like those of the others.

// markers returns the markers of all ends of a channel, and which of them are on other
// hosts.
func markers(ch mft.Channel) (all []mft.Marker, far map[mft.Marker]farend.Mark) {
	far = map[mft.Marker]farend.Mark{}
	for _, m := range ch.Markers {
		if m.End != mft.EndDestination {
			all = append(all, m)
			continue
		}
		for _, to := range ch.To {
			there := mft.Marker{Kind: m.Kind, End: m.End + " " + mft.End(to.Agent), Path: m.Path}
			if _, twice := far[there]; !twice {
				far[there] = farend.Mark{Agent: to.Agent, Channel: ch.Name, Kind: m.Kind, Path: m.Path}
				all = append(all, there)
			}
		}
	}
	return all, far
}

// Far returns the markers of the channels that begin at an agent that are on other
// hosts.
func Far(channels []mft.Channel, self mft.AgentName) (out []farend.Mark) {
	for _, ch := range channels {
		if ch.From.Agent != self {
			continue
		}
		all, far := markers(ch)
		for _, m := range all {
			if mark, is := far[m]; is {
				out = append(out, mark)
			}
		}
	}
	return out
}

// look looks at the markers of both ends.
func (x *Conductor) look() firing.World {
	w := firing.World{Now: x.Now()}
	for _, m := range x.rules.Markers {
		if mark, is := x.far[m]; is {
			x.lookThere(&w, m, mark)
			continue
		}
		if m.Kind != mft.MarkerTrigger && m.Kind != mft.MarkerBlock {
			continue
		}
		is, err := marker.Look(m.Path)
		if err == nil && !is && m.Kind == mft.MarkerTrigger {
			is, err = marker.Taken(m.Path, x.Channel.Name)
		}
		if err != nil {
			w.Unseen = append(w.Unseen, m.End)
		}
		x.saw(&w, m, is, err)
	}
	return w
}

// lookThere notes what is known of a marker on another host.
func (x *Conductor) lookThere(w *firing.World, m mft.Marker, mark farend.Mark) {
	sight := x.Far.Look(mark)
	why := sight.Barred
	switch {
	case sight.Away != nil:
		w.Unseen = append(w.Unseen, m.End)
		why = sight.Away
	case sight.Barred != nil:
		w.Barred = append(w.Barred, m)
	}
	x.saw(w, m, sight.There, why)
}

// saw notes what is there, and tells of what cannot be looked at.
func (x *Conductor) saw(w *firing.World, m mft.Marker, is bool, err error) {
	if err != nil && mft.CodeOf(x.seen[m]) != mft.CodeOf(err) {
		x.Log.Warn("a marker cannot be used", "channel", x.Channel.Name, "err", err)
	}
	x.seen[m] = err
	switch {
	case is && m.Kind == mft.MarkerTrigger:
		w.Triggers = append(w.Triggers, m.End)
	case is && m.Kind == mft.MarkerBlock:
		w.Blocks = append(w.Blocks, m.End)
	}
}

// mark does a step that is about a marker.
func (x *Conductor) mark(ctx context.Context, step firing.Step) (result firing.Result, err error) {
	if mark, is := x.far[step.Marker]; is {
		deed := map[firing.Deed]marking.Deed{
			firing.Place: marking.Place, firing.Remove: marking.Remove, firing.Take: marking.Take, firing.Drop: marking.Drop,
		}[step.Do]
		result.Taken, err = x.Far.Do(ctx, deed, mark)
		return result, err
	}
	path := step.Marker.Path
	switch step.Do {
	case firing.Place:
		err = marker.Place(path, x.Now(), marker.Attributes{Mode: 0o644, UID: -1, GID: -1})
	case firing.Remove:
		err = marker.Remove(path)
	case firing.Take:
		result.Taken, err = marker.Take(path, x.Channel.Name)
	case firing.Drop:
		err = marker.Drop(path, x.Channel.Name)
	}
	return result, err
}

// trouble returns what is in the way of a marker on another host that has to be
// looked at or written; nil when there is nothing.
func (x *Conductor) trouble() error {
	for _, m := range x.rules.Markers {
		if _, is := x.far[m]; is && x.seen[m] != nil {
			return x.seen[m]
		}
	}
	return nil
}
