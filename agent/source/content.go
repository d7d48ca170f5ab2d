package source

import (
	"context"

	"mft.dev/mft"
	"mft.dev/mft/transfer/preserve"
	"mft.dev/mft/transfer/scan"
)

// Content is what one attempt at a transfer sends. It is opened when it is
// asked for: an attempt that only waits for the peer looks at nothing. It is for
// one goroutine; Close must be called.
type Content struct {
	Transfer mft.Transfer
	// From is the agent that sends.
	From  mft.AgentName
	Place Place

	set *Set
}

// Offer opens the content, and returns what it is offered as. Errors: those of
// Open.
func (c *Content) Offer(ctx context.Context) (mft.Offer, error) {
	if err := preserve.Check(c.Transfer.Preserve); err != nil {
		return mft.Offer{}, err
	}
	if c.set == nil {
		var err error
		if c.set, err = Open(c.Transfer, c.Place); err != nil {
			return mft.Offer{}, err
		}
	}
	announced, err := c.set.Announced(ctx)
	if err != nil {
		return mft.Offer{}, err
	}
	o := c.Offered()
	o.Announced, o.Single = announced, c.set.Single()
	return o, nil
}

// Offered returns what of an offer is known without looking at the content.
func (c *Content) Offered() mft.Offer {
	t := &c.Transfer
	o := mft.Offer{
		Transfer: t.ID, Sender: c.From, Recipient: t.Peer, Channel: t.Channel,
		Destination: t.Destination, Requested: t.Requested, Overwrite: t.Overwrite,
		Compare: t.Compare, Mirror: t.Mirror, Preserve: t.Preserve,
	}
	if t.Mirror.On && t.Channel != "" {
		o.Rules = c.Place.Select.Rules
	}
	if t.Requested {
		o.Destination = ""
	}
	return o
}

// Sources returns what Offer opened, nothing before.
func (c *Content) Sources() []*scan.Source {
	if c.set == nil {
		return nil
	}
	return c.set.Sources
}

// Close closes what was opened.
func (c *Content) Close() {
	if c.set != nil {
		c.set.Close()
	}
}
