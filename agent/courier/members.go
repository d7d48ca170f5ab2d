package courier

import (
	"context"
	"errors"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/exchange/letter"
	"mft.dev/mft/exchange/owner"
	"mft.dev/mft/identity"
	"mft.dev/mft/identity/card"
	"mft.dev/mft/identity/sealing"
	"mft.dev/mft/protocol"
)

// This file knows that several agents may share one name: to whose keys letters
// are sealed, and who of them delivers a transfer.

// keysOf returns the newest sealing key of each agent of this name, the newest
// first, for which a key vouches that is pinned here: from its card in the
// exchange, or from when they paired. They are letter.MaxKeys at most.
func (c *Courier) keysOf(ctx context.Context, name mft.AgentName) ([]sealing.Key, error) {
	known, why, err := c.members(ctx, name)
	if err != nil {
		return nil, err
	}
	var keys []sealing.Key
	for _, m := range known {
		if m.Until.IsZero() && m.sealing.Public != nil {
			keys = append(keys, m.sealing)
		}
	}
	byAge(keys)
	if len(keys) == 0 {
		// What is known is from before a rotation of which the card is missing.
		for _, m := range known {
			if m.sealing.Public != nil {
				keys = append(keys, m.sealing)
			}
		}
		byAge(keys)
		keys = keys[:min(1, len(keys))]
	}
	if len(keys) > 0 {
		return keys[:min(letter.MaxKeys, len(keys))], nil
	}
	c.outdated(name) // its agent publishes every quarter of an hour
	const op = "find the sealing key of"
	switch {
	case why == nil:
		why = errors.New("its agent has not published one in the exchange yet; it does when it runs")
	case mft.CodeOf(why) != mft.CodeCorrupt:
		return nil, mft.Fail("", op, string(name), why)
	}
	return nil, mft.Fail(mft.CodeUnreachable, op, string(name), why)
}

func byAge(keys []sealing.Key) {
	slices.SortStableFunc(keys, func(a, b sealing.Key) int { return b.Created.Compare(a.Created) })
}

// keysOfOpener returns the sealing key of the agent that signed with the key
// called opener, or with one that it was replaced by since. When it cannot be
// told which of several that is, they are those of all.
func (c *Courier) keysOfOpener(ctx context.Context, name mft.AgentName, opener protocol.KeyID) ([]sealing.Key, error) {
	known, _, err := c.members(ctx, name)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(known, func(m member) bool { return m.Pin.KeyID() == opener })
	var key sealing.Key
	for range known { // a chain of rotations is not longer
		if at < 0 {
			break
		}
		if known[at].sealing.Public != nil {
			key = known[at].sealing
		}
		pin := known[at].Pin
		at = slices.IndexFunc(known, func(m member) bool { return m.By == pin })
	}
	if key.Public != nil {
		return []sealing.Key{key}, nil
	}
	return c.keysOf(ctx, name)
}

// A member is one key that is pinned for a name, and the sealing key for which it
// vouches, if that is known.
type member struct {
	identity.PinnedKey
	sealing sealing.Key
}

// members returns the keys that are pinned for a name, and what is wrong with a
// card that was not believed: mft.CodeCorrupt if any was damaged, for that may have
// been the one that counts.
func (c *Courier) members(ctx context.Context, name mft.AgentName) (all []member, why, err error) {
	if _, ok := c.c.Trust.Peer(name); !ok {
		return nil, nil, mft.Fail(mft.CodeUnknownPeer, "write to", string(name), nil)
	}
	cards, err := c.cards(ctx, name)
	stated := map[identity.Pin]sealing.Key{}
	for _, b := range cards {
		key, by, err := card.Read(b, name, c.c.Trust, c.c.Now())
		if err != nil {
			if why == nil || mft.CodeOf(why) == mft.CodeUntrusted {
				why = err
			}
		} else if key.Created.After(stated[by].Created) {
			stated[by] = key
		}
	}
	// Now: a card may have told of a rotation.
	peer, _ := c.c.Trust.Peer(name)
	found := false
	for _, k := range peer.Pins {
		m := member{k, stated[k.Pin]}
		if key, err := sealing.Parse(peer.Sealing, name, k.Key); err == nil && key.Created.After(m.sealing.Created) {
			m.sealing = key
		}
		found = found || m.sealing.Public != nil
		all = append(all, m)
	}
	if err != nil && found {
		err = nil // from when they paired
	}
	return all, why, err
}

// Own makes this agent the one of its name that delivers a transfer. It has to be
// before anything of it is delivered. CodeElsewhere says that another is. Where
// names are not shared there is nothing to do.
func (c *Courier) Own(ctx context.Context, id mft.TransferID) error {
	if !c.c.Exchange.Shared {
		return nil
	}
	who, err := owner.Take(ctx, c.c.Exchange, id, c.shelf.instance)
	return c.unless(who, id, err)
}

// mine fails with CodeElsewhere if another agent of this name delivers a transfer.
func (c *Courier) mine(ctx context.Context, id mft.TransferID) error {
	if !c.c.Exchange.Shared {
		return nil
	}
	who, err := owner.Of(ctx, c.c.Exchange, id)
	if who == "" {
		who = c.shelf.instance
	}
	return c.unless(who, id, err)
}

func (c *Courier) unless(who string, id mft.TransferID, err error) error {
	switch {
	case err != nil:
		return mft.Fail(mft.CodeBusy, "ask which agent of this name delivers", id.String(), err)
	case who != c.shelf.instance:
		return mft.Fail(mft.CodeElsewhere, "deliver", id.String(), errors.New("another agent of this name has begun to"))
	}
	return nil
}
