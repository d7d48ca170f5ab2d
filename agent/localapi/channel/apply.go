package channel

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/applied"
	"mft.dev/mft/agent/localapi/opaque"
	"mft.dev/mft/agent/localapi/route"
	"mft.dev/mft/journal"
)

// A FileOrder is a file of channels that is to be looked at, or applied.
type FileOrder struct {
	Content opaque.String `json:"content"`
	// Remove allows that channels which are not in the file are removed.
	Remove bool `json:"remove,omitempty"`
}

// A Change is what becomes of a channel by a file.
type Change struct {
	applied.Change
	// Files and Bytes are what a run would send now if it was made as the file says; to
	// each destination.
	Files int64 `json:"files"`
	Bytes int64 `json:"bytes"`
	// Problem is why that cannot be told.
	Problem *route.Problem `json:"problem,omitempty"`
	// Strangers are destinations that are no peers of this host.
	Strangers []mft.AgentName `json:"strangers,omitempty"`
	// AfterRun is the run that goes on as it began before the change counts.
	AfterRun string `json:"after_run,omitempty"`
}

// Plan returns what a file would change, and changes nothing. Errors: those of
// applied.Store.Plan.
func (c Client) Plan(ctx context.Context, o FileOrder) ([]Change, error) {
	return route.Post[[]Change](ctx, c.Client, "/v1/channels/plan", o)
}

// Apply makes the channels of a file those of the agent, besides those of its own file.
// The error is mft.CodeUsage if channels would be removed and that is not allowed,
// otherwise as for Plan.
func (c Client) Apply(ctx context.Context, o FileOrder) ([]Change, error) {
	return route.Post[[]Change](ctx, c.Client, "/v1/channels/apply", o)
}

func (d *desk) plan(r *http.Request) (any, error) {
	var o FileOrder
	if err := route.Read(r, &o); err != nil {
		return nil, err
	}
	return d.planned(r.Context(), o)
}

// planned tells what a file would change.
func (d *desk) planned(ctx context.Context, o FileOrder) ([]Change, error) {
	list, err := d.Applied.Plan([]byte(o.Content))
	if err != nil {
		return nil, err
	}
	out := make([]Change, len(list))
	for i, c := range list {
		one := &out[i]
		one.Change = c
		if c.Kind != applied.Added && c.Kind != applied.Changed {
			continue
		}
		n, err := d.Channels.Preview(ctx, c.New)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		one.Files, one.Bytes, one.Problem = n.Items, n.Bytes, route.ProblemOf(err)
		for _, peer := range c.Hosts[1:] {
			if !d.Knows(peer) {
				one.Strangers = append(one.Strangers, peer)
			}
		}
	}
	return out, nil
}

func (d *desk) apply(r *http.Request) (any, error) {
	var o FileOrder
	if err := route.Read(r, &o); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	out, err := d.planned(r.Context(), o)
	if err != nil {
		return nil, err
	}
	var gone []string
	wanted := d.Applied.Own()
	for _, c := range out {
		if c.Kind == applied.Removed {
			gone = append(gone, c.Channel)
		} else {
			wanted = append(wanted, c.New)
		}
	}
	if len(gone) > 0 && !o.Remove {
		return nil, mft.Fail(mft.CodeUsage, "apply channels", "", errors.New(
			"the file does not have "+strings.Join(gone, ", ")+", which would be removed; add what is to stay to the file, or allow it with --remove"))
	}
	if err := d.Channels.Check(wanted); err != nil {
		return nil, err
	}
	if err := d.Applied.Keep([]byte(o.Content)); err != nil {
		return nil, err
	}
	if err := d.Channels.Apply(wanted); err != nil {
		return nil, err
	}
	settling, cancel := context.WithTimeout(r.Context(), tellEvery)
	d.Channels.Settle(settling)
	cancel()
	for i := range out {
		c := &out[i]
		if v, err := d.Channels.View(r.Context(), c.Channel); err == nil && v.Changes {
			c.AfterRun = v.Status.State.Run
		}
	}
	return out, d.tell(r, out)
}

// tell writes who has changed what.
func (d *desk) tell(r *http.Request, list []Change) error {
	return d.View.Journal.Update(r.Context(), func(tx *journal.Tx) error {
		for _, c := range list {
			if c.Kind == applied.Same || c.Kind == applied.Elsewhere {
				continue
			}
			e := mft.Event{Time: d.Now(), Kind: mft.EventChannelChanged, Channel: c.Channel, Detail: c.Change.String() + ", by " + route.Caller(r)}
			if err := tx.Append(e); err != nil {
				return err
			}
		}
		return nil
	})
}
