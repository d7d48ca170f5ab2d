package conduct

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/arrival"
	"mft.dev/mft/agent/conduct/orders"
	"mft.dev/mft/trigger/firing"
	"mft.dev/mft/trigger/marker"
	"mft.dev/mft/trigger/schedule"
)

// obey puts into the state, and into what is seen, what operators have ordered, and
// observes the rest. An order to run that is not carried out yet is withdrawn when the
// channel is disabled.
func (x *Conductor) obey(ctx context.Context, w firing.World) (firing.State, error) {
	now, err := x.orders.Current(ctx)
	if err != nil {
		return x.state, err
	}
	if x.taking = now.Asked; x.taking > x.taken {
		w.Asked = append(w.Asked, firing.ByManual)
	}
	s := x.state
	if s.Paused, s.Disabled = now.Paused != nil, now.Disabled != nil; s.Disabled && !x.state.Disabled {
		s.Owed = slices.DeleteFunc(slices.Clone(s.Owed), func(c firing.Cause) bool { return c == firing.ByManual })
	}
	return s.Observe(x.rules, w), nil
}

// Order gives an order about a channel that begins here, and returns all that are in
// force: it is in the journal then, and outlasts a restart. To order what is so already
// changes nothing. The error is CodeNotFound for a channel that does not begin here.
func (s *Set) Order(ctx context.Context, channel string, v orders.Verb, by string) (orders.Orders, error) {
	x, _ := s.get(channel)
	if x == nil {
		return orders.Orders{}, noSuch("order "+string(v)+" of channel", channel)
	}
	now, err := x.orders.Add(ctx, v, by)
	x.wake()
	return now, err
}

func noSuch(op, channel string) error {
	return mft.Fail(mft.CodeNotFound, op, channel, errors.New("no channel of this name begins at this host; mft channel list names those that do"))
}

// A View is how a channel stands.
type View struct {
	Channel mft.Channel
	// Changes says that another order about the channel waits for the end of the run.
	Changes bool
	Source  arrival.Status
	Status  Status
	Orders  orders.Orders
	// Due is when each trigger of the channel is due next, in their order; zero for
	// those without a time.
	Due []time.Time
	// LeftOut is for each trigger what schedule.LeftOut says of today.
	LeftOut []string
	// Limit is how fast the channel may send now, in bytes a second, 0 for no limit, and
	// LimitUntil until when, zero for ever.
	Limit      int64
	LimitUntil time.Time
	// Expected is when content has to have moved next, zero if nobody says.
	Expected time.Time
	// Markers are those of both ends; the end of one on another host names that.
	Markers []Sight
}

// A Sight is whether a marker is there.
type Sight struct {
	Marker mft.Marker
	There  bool
	// Known says that somebody has looked; Err why nobody could.
	Known bool
	Err   error
}

// View tells how a channel stands that begins here. Errors are those of Order.
func (s *Set) View(ctx context.Context, channel string) (View, error) {
	x, waits := s.get(channel)
	if x == nil {
		return View{}, noSuch("look at channel", channel)
	}
	v := View{Channel: x.Channel, Changes: waits, Source: x.Source.Status(), Status: x.Status()}
	var err error
	if v.Orders, err = x.orders.Current(ctx); err != nil {
		return v, err
	}
	times, now := x.times(), x.Now()
	clocks := times.Clocks
	for _, t := range x.Channel.When {
		var due time.Time
		var left string
		if t.Kind == mft.TriggerSchedule || t.Kind == mft.TriggerPoll {
			due, _ = clocks[0].Next(now)
			if s, ok := clocks[0].(*schedule.Schedule); ok {
				left = s.LeftOut(now)
			}
			clocks = clocks[1:]
		}
		v.Due, v.LeftOut = append(v.Due, due), append(v.LeftOut, left)
	}
	v.Limit, v.LimitUntil = s.latest(x).times().Pace.Plan(now).At(now)
	if times.Due != nil {
		v.Expected, _ = times.Due.Next(now)
	}
	for _, m := range x.rules.Markers {
		v.Markers = append(v.Markers, x.sight(ctx, m))
	}
	return v, nil
}

// sight looks at a marker of this host, or says what is known of one of another.
func (x *Conductor) sight(ctx context.Context, m mft.Marker) Sight {
	s := Sight{Marker: m}
	mark, far := x.far[m]
	switch {
	case !far:
		s.There, s.Err = x.Source.At.Do(ctx, marker.Order{Deed: marker.Look, Path: m.Path})
		s.Known = s.Err == nil
	case m.Kind == mft.MarkerTrigger || m.Kind == mft.MarkerBlock:
		there := x.Far.Look(mark)
		s.There, s.Known, s.Err = there.There, there.Away == nil && there.Barred == nil, cmp.Or(there.Away, there.Barred)
	}
	return s
}

// Needs are what a channel needs when it runs: its source, which Guard guards, and markers,
// of each of which Try tries what it is for, changing nothing.
type Needs struct {
	Channel mft.Channel
	Root    string
	Guard   func(ctx context.Context) error
	Markers []mft.Marker
	Try     func(ctx context.Context, m mft.Marker) error
}

// Needs returns those of a channel that begins here. Errors are those of Order.
func (s *Set) Needs(channel string) (Needs, error) {
	x, _ := s.get(channel)
	if x == nil {
		return Needs{}, noSuch("test channel", channel)
	}
	return Needs{Channel: x.Channel, Root: x.Source.Root(), Guard: x.guard, Markers: x.rules.Markers, Try: x.try}, nil
}

func (x *Conductor) try(ctx context.Context, m mft.Marker) error {
	if mark, far := x.far[m]; far {
		return x.Far.Try(ctx, mark)
	}
	if m.Kind == mft.MarkerBlock {
		return x.sight(ctx, m).Err
	}
	_, err := x.Source.At.Do(ctx, marker.Order{Deed: marker.Try, Path: m.Path})
	return err
}
