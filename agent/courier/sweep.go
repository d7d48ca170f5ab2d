package courier

import (
	"context"
	"fmt"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/owner"
	"mft.dev/mft/exchange/record"
	"mft.dev/mft/identity/card"
)

// sweepEvery is how often is swept.
const sweepEvery = 15 * time.Minute

// reached logs when the storage comes and goes.
func (c *Courier) reached(err error) {
	now := err == nil
	if was := c.up.Swap(now); was != now {
		if now {
			c.c.Log.Info("the exchange is reached")
			c.c.Reached()
		} else {
			c.c.Log.Warn("the exchange cannot be reached", "err", err)
		}
	}
}

// sweep publishes the card of this agent, and removes what transfers left
// behind, now and then until ctx ends.
func (c *Courier) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := c.publish(ctx); err != nil && ctx.Err() == nil {
			c.c.Log.Warn("cannot publish the keys of this agent in the exchange", "err", err)
		}
		if err := c.sweepOnce(ctx); err != nil && ctx.Err() == nil {
			c.c.Log.Warn("cannot remove what transfers left behind in the exchange", "err", err)
		}
		if !c.clear(ctx, tick.C) {
			return
		}
	}
}

// Forget has what was kept and stored for a transfer that has ended removed
// soon.
func (c *Courier) Forget(id mft.TransferID) {
	c.mu.Lock()
	c.ended[id] = true
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// clear removes what is left of transfers that end, until it is time to sweep or
// ctx ends; then it returns false. What cannot be removed the sweep finds.
func (c *Courier) clear(ctx context.Context, sweep <-chan time.Time) bool {
	for {
		c.mu.Lock()
		ended := c.ended
		c.ended = map[mft.TransferID]bool{}
		c.mu.Unlock()
		for id := range ended {
			if err := c.Discard(ctx, id); err != nil && ctx.Err() == nil {
				c.c.Log.Info("cannot clear the exchange of a transfer yet", "transfer", id, "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return false
		case <-sweep:
			return true
		case <-c.wake:
		}
	}
}

// publish puts the card of this agent into the exchange.
func (c *Courier) publish(ctx context.Context) error {
	id := c.c.Keys.KeyID()
	return c.c.Exchange.Keys.Publish(ctx, fmt.Sprintf("%x", id), card.Make(c.c.Keys))
}

// sweepOnce removes what is left of transfers that have ended, and objects of
// this agent that belong to none.
func (c *Courier) sweepOnce(ctx context.Context) error {
	// Objects first: an object that is listed had its ledger before.
	var objects, over []string
	err := c.c.Exchange.Container.List(ctx, func(o exchange.Object) bool {
		if strings.HasPrefix(o.Name, c.shelf.instance+"-") {
			objects = append(objects, o.Name)
		} else if owner.Over(o, c.c.Now()) {
			over = append(over, o.Name)
		}
		return true
	})
	if err != nil {
		return err
	}
	for _, name := range over {
		if err := c.c.Exchange.Container.Remove(ctx, name); err != nil {
			return err
		}
	}
	known, err := c.shelf.transfers()
	if err != nil {
		return err
	}
	for _, name := range objects {
		if id := transferOf(name); !known[id] {
			if err := c.c.Exchange.Container.Remove(ctx, name); err != nil {
				return err
			}
		}
	}
	for text := range known {
		id, err := mft.ParseTransferID(text)
		if err != nil {
			continue // not ours
		}
		if open, err := c.c.UnderWay(ctx, id); err != nil {
			return err
		} else if open {
			continue
		}
		if err := c.Discard(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// transferOf is the transfer in the name INSTANCE-TRANSFER-GENERATION of an
// object.
func transferOf(name string) string {
	_, rest, _ := strings.Cut(name, "-")
	if i := strings.LastIndexByte(rest, '-'); i >= 0 {
		rest = rest[:i]
	}
	return rest
}

// Discard removes everything that was kept and stored for a transfer. What
// cannot be removed now is removed later.
func (c *Courier) Discard(ctx context.Context, id mft.TransferID) error {
	if known, err := c.shelf.knows(id); err != nil || !known {
		return err
	}
	r, err := record.Open(c.order(id, 0))
	if err != nil {
		return err
	}
	if err := r.Discard(ctx); err != nil {
		r.Close()
		return err
	}
	return c.shelf.forget(id)
}
