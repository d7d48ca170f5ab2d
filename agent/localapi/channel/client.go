package channel

import (
	"context"
	"net/url"
	"strconv"

	"mft.dev/mft/agent/conduct/orders"
	"mft.dev/mft/agent/localapi/route"
)

// A Client gives orders about channels, and asks for them.
type Client struct{ *route.Client }

func path(channel, what string) string { return "/v1/channels/" + url.PathEscape(channel) + what }

// Show returns a channel. The error is mft.CodeNotFound for one that does not begin
// at the agent's host.
func (c Client) Show(ctx context.Context, channel string) (Channel, error) {
	return route.Get[Channel](ctx, c.Client, path(channel, ""))
}

// Order gives an order, any but orders.Ask, and returns the channel as it is then.
// Errors are those of conduct.Set.Order.
func (c Client) Order(ctx context.Context, channel string, v orders.Verb) (Channel, error) {
	return route.Post[Channel](ctx, c.Client, path(channel, "/"+string(v)), nil)
}

// Run orders a run. The order is in the journal when it returns.
func (c Client) Run(ctx context.Context, channel string) (Asked, error) {
	return route.Post[Asked](ctx, c.Client, path(channel, "/"+string(orders.Ask)), nil)
}

// Follow calls f with what becomes of an order to run, about each second, until the run is
// over.
func (c Client) Follow(ctx context.Context, channel string, order int64, f func(Asked) error) error {
	return route.Listen(ctx, c.Client, path(channel, "/orders/"+strconv.FormatInt(order, 10)), f)
}

// Runs returns the newest runs of a channel, the newest first.
func (c Client) Runs(ctx context.Context, channel string, limit int) ([]Run, error) {
	return route.Get[[]Run](ctx, c.Client, path(channel, "/runs?limit="+strconv.Itoa(limit)))
}
