package courier

import (
	"context"
	"fmt"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/record"
	"mft.dev/mft/identity/card"
)

// Times of sweeping.
const (
	sweepEvery = 15 * time.Minute
	// orphanAge is how old an object is at least that nobody knows of before it
	// is removed: another agent of the same name may have just begun it.
	orphanAge = 24 * time.Hour
)

// reached logs when the storage comes and goes.
func (c *Courier) reached(err error) {
	now := err == nil
	if was := c.up.Swap(now); was != now {
		if now {
			c.c.Log.Info("the exchange is reached")
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
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// publish puts the card of this agent into the exchange.
func (c *Courier) publish(ctx context.Context) error {
	id := c.c.Keys.KeyID()
	return c.c.Exchange.Keys.Publish(ctx, fmt.Sprintf("%x", id), card.Make(c.c.Keys))
}

// sweepOnce removes what is left of transfers that have ended, and objects
// that belong to none.
func (c *Courier) sweepOnce(ctx context.Context) error {
	known, err := c.shelf.transfers()
	if err != nil {
		return err
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
	var orphans []string
	err = c.c.Exchange.Container.List(ctx, func(o exchange.Object) bool {
		id, _, _ := cutLast(o.Name, "-")
		if !known[id] && c.c.Now().Sub(o.Changed) > orphanAge {
			orphans = append(orphans, o.Name)
		}
		return true
	})
	if err != nil {
		return err
	}
	for _, name := range orphans {
		if err := c.c.Exchange.Container.Remove(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// cutLast cuts around the last sep.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
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
