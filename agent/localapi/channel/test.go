package channel

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/canary"
	"mft.dev/mft/agent/localapi/route"
)

// longestPatience is how long a delivery may be waited for at most.
const longestPatience = time.Hour

// A Step is one thing that a test of a channel has tried.
type Step struct {
	// What was tried, with the path that it is about.
	What string `json:"what"`
	Path string `json:"path,omitempty"`
	// Agent and Way are of a delivery: to whom, and "direct" or "relay".
	Agent    mft.AgentName   `json:"agent,omitempty"`
	Way      mft.Path        `json:"way,omitempty"`
	Transfer *mft.TransferID `json:"transfer,omitempty"`
	Outcome  canary.Outcome  `json:"outcome"`          // "ok", "failed" or "not tried"
	Reason   *route.Problem  `json:"reason,omitempty"` // why it failed or was not tried
	Took     Duration        `json:"took"`
}

// Test has a channel tested, and calls f with each step as soon as it is over. A delivery
// that takes longer than patience has failed.
func (c Client) Test(ctx context.Context, channel string, patience time.Duration, f func(Step) error) error {
	q := url.Values{"patience": {patience.String()}}
	return route.Order(ctx, c.Client, path(channel, "/test?"+q.Encode()), f)
}

func (d *desk) test(r *http.Request) (func(context.Context, *route.Lines) error, error) {
	text := r.URL.Query().Get("patience")
	patience, err := time.ParseDuration(text)
	if err != nil || patience <= 0 || patience > longestPatience {
		return nil, mft.Fail(mft.CodeUsage, "test channel", text, errors.New("a delivery is waited for from an instant to an hour"))
	}
	name := r.PathValue("name")
	if _, err := d.Channels.View(r.Context(), name); err != nil {
		return nil, err
	}
	return func(ctx context.Context, out *route.Lines) error {
		return d.Canaries.Test(ctx, name, patience, func(s canary.Step) error {
			return errors.Join(out.Send(stepOf(s)), out.Flush())
		})
	}, nil
}

func stepOf(s canary.Step) Step {
	out := Step{What: s.What, Path: s.Path, Agent: s.Agent, Way: s.Way, Outcome: s.Outcome, Reason: route.ProblemOf(s.Err), Took: Duration(s.Took)}
	if !s.Transfer.IsZero() {
		out.Transfer = &s.Transfer
	}
	return out
}
