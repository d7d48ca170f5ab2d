package channel

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/applied"
	"mft.dev/mft/agent/canary"
	"mft.dev/mft/agent/conduct"
	"mft.dev/mft/agent/conduct/orders"
	"mft.dev/mft/agent/localapi/route"
	"mft.dev/mft/agent/view"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/runs"
	"mft.dev/mft/trigger/firing"
)

const (
	// underwayShown is how many transfers a channel is shown with at most.
	underwayShown = 100
	// runsListed is how many runs are listed unless somebody says.
	runsListed = 20
	// tellEvery is the longest time between two looks at what became of an order.
	tellEvery = time.Second
)

// A Desk is what answers need of an agent; every field must be set.
type Desk struct {
	Channels *conduct.Set
	View     *view.View
	Applied  *applied.Store
	Canaries *canary.Tester
	Knows    func(peer mft.AgentName) bool
	Now      func() time.Time
}

type desk struct {
	Desk
	mu sync.Mutex // held while a file is applied
}

// Routes returns what is answered of channels.
func Routes(with Desk) route.Routes {
	d := &desk{Desk: with}
	return route.Routes{
		"GET /v1/groups":                     route.Answer(d.groups),
		"POST /v1/groups/{name}/use":         route.Answer(d.use),
		"POST /v1/channels/plan":             route.Answer(d.plan),
		"POST /v1/channels/apply":            route.Answer(d.apply),
		"GET /v1/channels/{name}":            route.Answer(d.show),
		"GET /v1/channels/{name}/explain":    route.Answer(d.explain),
		"GET /v1/channels/{name}/rehearsal":  route.Answer(d.rehearse),
		"GET /v1/channels/{name}/runs":       route.Answer(d.runs),
		"GET /v1/channels/{name}/orders/{n}": route.Stream(d.follow),
		"POST /v1/channels/{name}/run":       route.Answer(d.ask),
		"POST /v1/channels/{name}/test":      route.Stream(d.test),
		"POST /v1/channels/{name}/{verb}":    route.Answer(d.order),
	}
}

func (d *desk) show(r *http.Request) (any, error) {
	v, err := d.Channels.View(r.Context(), r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	return d.shown(r.Context(), v)
}

// shown adds to what a channel says of itself what the journal has of it.
func (d *desk) shown(ctx context.Context, v conduct.View) (Channel, error) {
	out := channelOf(v)
	underway, err := d.View.Transfers(ctx, journal.Filter{
		Channel: out.Name, Role: mft.RoleSend, Limit: underwayShown, Newest: true, States: []mft.State{
			mft.StatePlanned, mft.StateQueued, mft.StateWaiting, mft.StateRunning, mft.StateVerifying, mft.StateDelivered, mft.StatePaused,
		},
	})
	if err != nil {
		return out, err
	}
	for _, t := range underway {
		m := Moving{
			ID: t.ID, Peer: t.Peer, State: t.State, Reason: route.ProblemOfReason(t.Reason), Files: int64(len(t.Sources)), Moved: t.Moved.Bytes, Bytes: t.Totals.Bytes,
		}
		out.Underway = append(out.Underway, m)
	}
	last, err := d.View.Journal.Runs(ctx, runs.Filter{Channel: out.Name, Limit: 2})
	if err != nil {
		return out, err
	}
	for _, run := range last {
		r, err := d.counted(ctx, run)
		if err != nil {
			return out, err
		}
		switch {
		case run.Ended.IsZero() && out.Run == nil:
			out.Run = &r
			if v.Status.Why == firing.WhyRunning {
				out.Since = r.Began
			}
		case !run.Ended.IsZero() && out.Last == nil:
			out.Last = &r
		}
	}
	return out, d.complete(ctx, v, &out)
}

// runsLooked is among how many of the newest runs one is looked for that moved something.
const runsLooked = 100

// complete adds what is expected of a channel, and the groups that it names.
func (d *desk) complete(ctx context.Context, v conduct.View, out *Channel) error {
	var last *Run
	if v.Channel.Expect.Size != (mft.Range{}) || v.Channel.Expect.Count != (mft.Range{}) {
		list, err := d.View.Journal.Runs(ctx, runs.Filter{Channel: out.Name, Limit: runsLooked})
		if err != nil {
			return err
		}
		for _, run := range list {
			if !run.Ended.IsZero() && run.Moved.Items > 0 && run.Code.OK() {
				one := runOf(run)
				last = &one
				break
			}
		}
	}
	out.Expects = expectsOf(v, last)
	standing, err := d.Channels.Groups().List(ctx)
	for _, s := range standing {
		named := v.Channel.From.Group == s.Group.Name
		for _, to := range v.Channel.To {
			named = named || to.Group == s.Group.Name
		}
		if named {
			out.Groups = append(out.Groups, groupOf(s))
		}
	}
	return err
}

// counted returns a run, one that is under way with what it has moved by now.
func (d *desk) counted(ctx context.Context, run runs.Run) (Run, error) {
	out := runOf(run)
	if !run.Ended.IsZero() {
		return out, nil
	}
	_, moved, err := d.View.Journal.RunCounts(ctx, run.ID)
	out.Files, out.Bytes = moved.Items, moved.Bytes
	return out, err
}

func (d *desk) runs(r *http.Request) (any, error) {
	limit := runsListed
	if text := r.URL.Query().Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 {
			return nil, mft.Fail(mft.CodeUsage, "list runs", text, errors.New("a limit is a number above zero"))
		}
	}
	list, err := d.View.Journal.Runs(r.Context(), runs.Filter{Channel: r.PathValue("name"), Limit: limit})
	out := make([]Run, 0, len(list))
	for _, run := range list {
		one, err := d.counted(r.Context(), run)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, err
}

func (d *desk) ask(r *http.Request) (any, error) {
	now, err := d.Channels.Order(r.Context(), r.PathValue("name"), orders.Ask, route.Caller(r))
	return Asked{Order: now.Asked}, err
}

// order gives an order of which only the channel has to know, and shows that.
func (d *desk) order(r *http.Request) (any, error) {
	verb := orders.Verb(r.PathValue("verb"))
	switch verb {
	case orders.Pause, orders.Resume, orders.Enable, orders.Disable:
	default:
		return nil, mft.Fail(mft.CodeUsage, "give an order about a channel", string(verb), errors.New("it is run, pause, resume, enable or disable"))
	}
	if _, err := d.Channels.Order(r.Context(), r.PathValue("name"), verb, route.Caller(r)); err != nil {
		return nil, err
	}
	return d.show(r)
}

// follow tells of an order to run until that run is over.
func (d *desk) follow(r *http.Request) (func(context.Context, *route.Lines) error, error) {
	n, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
	if err != nil || n < 1 {
		return nil, mft.Fail(mft.CodeUsage, "follow an order", r.PathValue("n"), errors.New("it is the number of an order"))
	}
	name := r.PathValue("name")
	if _, err := d.Channels.View(r.Context(), name); err != nil {
		return nil, err
	}
	return func(ctx context.Context, out *route.Lines) error {
		for {
			newest := d.View.NewestEvent()
			a, err := d.asked(ctx, name, n)
			if err == nil {
				err = cmp.Or(out.Send(a), out.Flush())
			}
			if err != nil || a.Run != nil && a.Run.Outcome != "" {
				return err
			}
			wait, cancel := context.WithTimeout(ctx, tellEvery)
			_ = d.View.AwaitEvents(wait, newest) // for what, the next look tells
			cancel()
			if ctx.Err() != nil {
				return mft.Fail(mft.CodeMaintenance, "follow an order", "", context.Cause(ctx))
			}
		}
	}, nil
}

func (d *desk) asked(ctx context.Context, channel string, n int64) (Asked, error) {
	a := Asked{Order: n}
	v, err := d.Channels.View(ctx, channel)
	if err != nil {
		return a, err
	}
	list, err := d.View.Journal.Runs(ctx, runs.Filter{Channel: channel, Orders: n, Oldest: true, Limit: 1})
	if err != nil {
		return a, err
	}
	if len(list) == 0 || v.Status.State.Held {
		a.Waits = string(v.Status.Why)
	}
	if len(list) > 0 {
		one, err := d.counted(ctx, list[0])
		if err != nil {
			return a, err
		}
		a.Run = &one
	}
	return a, nil
}
