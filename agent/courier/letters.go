package courier

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/letter"
	"mft.dev/mft/identity/sealing"
	"mft.dev/mft/protocol"
)

// This file writes letters and reads them.

// Open posts a letter that opens a conversation about t. The letters that answer
// it are kept for the next Outgoing.
func (c *Courier) Open(ctx context.Context, t mft.Transfer, kind protocol.Kind, body []byte) error {
	e := &protocol.Envelope{Kind: kind, Transfer: t.ID, Channel: t.Channel, Recipient: t.Peer, Body: body}
	if _, err := rand.Read(e.Nonce[:]); err != nil {
		return mft.Fail(mft.CodeInternal, "choose a nonce", "", err)
	}
	var err error
	if e.Sequence, err = c.c.NextSequence(ctx, t.Peer); err != nil {
		return err
	}
	if err := c.complete(e); err != nil {
		return err
	}
	to, err := c.keysOf(ctx, t.Peer)
	if err != nil {
		return err
	}
	if kind == protocol.KindCancel {
		// To each of several agents of one name: it is for the one that has it.
		for i := range to {
			err = errors.Join(err, c.put(ctx, e, to[i:i+1]))
		}
		return err
	}
	// First: the answer may come at once.
	if err := c.shelf.open(e); err != nil {
		return err
	}
	if err := c.put(ctx, e, to); err != nil {
		return err
	}
	return c.shelf.posted(e)
}

// complete gives an envelope what this agent and this moment say, and signs it.
func (c *Courier) complete(e *protocol.Envelope) error {
	now := c.c.Now()
	e.Version, e.Sender = protocol.Version, c.c.Keys.Name()
	e.Issued, e.Expires = now.Truncate(time.Millisecond), now.Add(letterLife).Truncate(time.Millisecond)
	e.KeyID = c.c.Keys.KeyID()
	signature, err := c.c.Keys.SignAs([16]byte(e.KeyID), e.SigningBytes(), now)
	e.Signature = signature
	return err
}

// post signs an answer to the agent that signed with the key called opener, and
// posts it.
func (c *Courier) post(ctx context.Context, e *protocol.Envelope, opener protocol.KeyID) error {
	if err := c.complete(e); err != nil {
		return err
	}
	to, err := c.keysOfOpener(ctx, e.Recipient, opener)
	if err != nil {
		return err
	}
	return c.put(ctx, e, to)
}

// put seals an envelope to keys of its recipient and puts it into the queue.
func (c *Courier) put(ctx context.Context, e *protocol.Envelope, to []sealing.Key) error {
	body, err := letter.Seal(e, to...)
	if err != nil {
		return err
	}
	return c.c.Exchange.Queue.Put(ctx, e.Recipient, body)
}

// handle deals with one letter.
func (c *Courier) handle(ctx context.Context, l exchange.Letter) error {
	e, err := letter.Open(l.Body, c.c.Keys)
	if errors.Is(err, letter.ErrOtherKey) && c.c.Exchange.Shared {
		return mft.Fail(mft.CodeElsewhere, "take letter", "", err)
	}
	if err != nil {
		return err
	}
	now := c.c.Now()
	if e.Recipient != c.c.Keys.Name() {
		return mft.Fail(mft.CodeBadSigned, "take letter", "", fmt.Errorf("it is meant for %q", e.Recipient))
	}
	// First: one of which the signature cannot be verified yet does not wait for ever.
	if err := e.CheckTimes(now); err != nil {
		return err
	}
	if err := c.verify(ctx, e, now); err != nil {
		return err
	}
	if e.Kind.Opens() {
		return later(c.opened(ctx, e))
	}
	fits, err := c.shelf.answer(e)
	switch {
	case err != nil:
		return later(err)
	case fits:
		c.c.Answered(e.Transfer)
	case e.Kind == protocol.KindAbort:
		if known, err := c.shelf.knows(e.Transfer); err != nil || known {
			return later(err) // of an attempt before the last
		}
		return later(c.c.Late(ctx, e.Sender, e.Transfer))
	}
	return nil
}

// opened hands on a letter that opens a conversation.
func (c *Courier) opened(ctx context.Context, e *protocol.Envelope) error {
	if e.Kind == protocol.KindAvailable {
		if err := c.mine(ctx, e.Transfer); err != nil {
			return err
		}
		select {
		case c.parcels <- struct{}{}:
			defer func() { <-c.parcels }()
		default:
			return mft.Fail(mft.CodeBusy, "take", "a parcel", errors.New("as many come in as may"))
		}
	}
	return c.c.Opened(ctx, Conversation{c, e})
}

// verify checks the signature of an envelope. A key that is pinned and was
// never shown may lie in the exchange; while that is damaged there, the letter
// waits.
func (c *Courier) verify(ctx context.Context, e *protocol.Envelope, now time.Time) error {
	err := c.c.Trust.Verify(e, now)
	if mft.CodeOf(err) != mft.CodeBadSigned {
		return err
	}
	c.outdated(e.Sender)
	if _, err := c.keysOf(ctx, e.Sender); err != nil {
		return later(err)
	}
	return c.c.Trust.Verify(e, now)
}

// later gives an error that says nothing of the letter the code of one: it comes
// again for as long as it takes.
func later(err error) error {
	if code := mft.CodeOf(err); err != nil && code.Retryable() && code != mft.CodeReplayed && code != mft.CodeElsewhere {
		return mft.Fail(mft.CodeBusy, "deal with", "a letter", err)
	}
	return err
}
