package conduct

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/arrival"
	"mft.dev/mft/journal"
	"mft.dev/mft/trigger/firing"
	"mft.dev/mft/trigger/marker"
)

// Orders are what operators have ordered of a channel.
type Orders struct {
	// Asked counts the orders to run.
	Asked int64
	// Paused and Disabled say since when and by whose order; nil is not.
	Paused, Disabled *Order `json:",omitempty"`
}

// An Order is who gave it, and when.
type Order struct {
	By string
	At time.Time
}

// A Verb is what can be ordered of a channel.
type Verb string

// The verbs.
const (
	Ask     Verb = "run"
	Pause   Verb = "pause"
	Resume  Verb = "resume"
	Enable  Verb = "enable"
	Disable Verb = "disable"
)

// told is how the journal tells of an order.
func (v Verb) told() mft.EventKind {
	switch v {
	case Pause:
		return mft.EventChannelPaused
	case Resume:
		return mft.EventChannelResumed
	case Enable:
		return mft.EventChannelEnabled
	case Disable:
		return mft.EventChannelDisabled
	}
	return mft.EventRunOrdered
}

// after returns the orders when a verb has been added, and whether it changes anything.
func (o Orders) after(v Verb, by Order) (Orders, bool) {
	switch {
	case v == Ask:
		o.Asked++
	case v == Pause && o.Paused == nil:
		o.Paused = &by
	case v == Resume && o.Paused != nil:
		o.Paused = nil
	case v == Disable && o.Disabled == nil:
		o.Disabled = &by
	case v == Enable && o.Disabled != nil:
		o.Disabled = nil
	default:
		return o, false
	}
	return o, true
}

// orders is what operators have ordered of a channel, as it is in the journal.
type orders struct {
	Config

	mu    sync.Mutex // guards what follows, and is held while an order is written
	known bool
	now   Orders
}

func newOrders(c Config) *orders { return &orders{Config: c} }

// recall reads what is in the journal, unless that is known. The caller holds mu.
func (o *orders) recall(ctx context.Context) error {
	if o.known {
		return nil
	}
	b, err := o.Journal.Orders(ctx, o.Channel.Name)
	if err == nil && len(b) > 0 {
		err = json.Unmarshal(b, &o.now)
	}
	if err != nil {
		return mft.Fail(mft.CodeJournal, "read orders about channel", o.Channel.Name, err)
	}
	o.known = true
	return nil
}

// current returns the orders.
func (o *orders) current(ctx context.Context) (Orders, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.recall(ctx)
	return o.now, err
}

// add writes an order, which is in the journal when it returns, and returns them all.
func (o *orders) add(ctx context.Context, v Verb, by string) (Orders, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.recall(ctx); err != nil {
		return o.now, err
	}
	at := o.Now()
	next, news := o.now.after(v, Order{By: by, At: at})
	if !news {
		return o.now, nil
	}
	b, err := json.Marshal(next)
	if err != nil {
		return o.now, mft.Fail(mft.CodeInternal, "write orders about channel", o.Channel.Name, err)
	}
	err = o.Journal.Update(ctx, func(tx *journal.Tx) error {
		e := mft.Event{Time: at, Kind: v.told(), Channel: o.Channel.Name, Detail: "by " + by}
		return errors.Join(tx.SetOrders(o.Channel.Name, b), tx.Append(e))
	})
	if err != nil {
		o.known = false // it may have been written all the same
		return o.now, err
	}
	o.now = next
	return next, nil
}

// obey puts into the state, and into what is seen, what operators have ordered, and
// observes the rest. An order to run that is not carried out yet is withdrawn when the
// channel is disabled.
func (x *Conductor) obey(ctx context.Context, w firing.World) (firing.State, error) {
	now, err := x.orders.current(ctx)
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
func (s *Set) Order(ctx context.Context, channel string, v Verb, by string) (Orders, error) {
	x, _ := s.get(channel)
	if x == nil {
		return Orders{}, noSuch("order "+string(v)+" of channel", channel)
	}
	now, err := x.orders.add(ctx, v, by)
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
	Orders  Orders
	// Due is when each trigger of the channel is due next, in their order; zero for
	// those without a time.
	Due []time.Time
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
	if v.Orders, err = x.orders.current(ctx); err != nil {
		return v, err
	}
	clocks, now := x.rules.Clocks, x.Now()
	for _, t := range x.Channel.When {
		var due time.Time
		if t.Kind == mft.TriggerSchedule || t.Kind == mft.TriggerPoll {
			due, _ = clocks[0].Next(now)
			clocks = clocks[1:]
		}
		v.Due = append(v.Due, due)
	}
	for _, m := range x.rules.Markers {
		v.Markers = append(v.Markers, x.sight(m))
	}
	return v, nil
}

// sight looks at a marker of this host, or says what is known of one of another.
func (x *Conductor) sight(m mft.Marker) Sight {
	s := Sight{Marker: m}
	mark, far := x.far[m]
	switch {
	case !far:
		s.There, s.Err = marker.Tree(x.Source.Root()).Look(m.Path)
		s.Known = s.Err == nil
	case m.Kind == mft.MarkerTrigger || m.Kind == mft.MarkerBlock:
		there := x.Far.Look(mark)
		s.There, s.Known, s.Err = there.There, there.Away == nil && there.Barred == nil, cmp.Or(there.Away, there.Barred)
	}
	return s
}
