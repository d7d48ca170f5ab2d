package conduct

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/agent/farend"
	"mft.dev/mft/protocol/marking"
	"mft.dev/mft/trigger/firing"
	"mft.dev/mft/trigger/marker"
)

// look looks at the markers of both ends.
func (x *Conductor) look(ctx context.Context) firing.World {
	w := firing.World{Now: x.Now(), Apart: x.Follower.Look(ctx)}
	for _, m := range x.rules.Markers {
		if mark, is := x.far[m]; is {
			x.lookThere(&w, m, mark)
			continue
		}
		if m.Kind != mft.MarkerTrigger && m.Kind != mft.MarkerBlock {
			continue
		}
		o := marker.Order{Deed: marker.Look, Path: m.Path}
		if m.Kind == mft.MarkerTrigger {
			o.Taker = x.Channel.Name // a trigger that was taken counts until it is dropped
		}
		is, err := x.Source.At.Do(ctx, o)
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
	case x.Follower.Passive(mark.Agent): // its markers are put right when it is active again
		w.Unseen = append(w.Unseen, m.End)
		sight.There, why = false, nil
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
	deed, is := map[firing.Deed]marker.Deed{
		firing.Place: marker.Place, firing.Remove: marker.Remove, firing.Take: marker.Take, firing.Drop: marker.Drop,
	}[step.Do]
	if is { // else it is about none
		o := marker.Order{Deed: deed, Path: step.Marker.Path, Taker: x.Channel.Name, Now: x.Now().UnixNano()}
		result.Taken, err = x.Source.At.Do(ctx, o)
	}
	return result, err
}

// trouble returns what is in the way of a marker on another host that has to be
// looked at or written; nil when there is nothing.
func (x *Conductor) trouble() error {
	if err := x.Follower.Trouble(); err != nil {
		return err
	}
	for _, m := range x.rules.Markers {
		if _, is := x.far[m]; is && x.seen[m] != nil {
			return x.seen[m]
		}
	}
	return nil
}
