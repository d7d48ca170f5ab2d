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
	"mft.dev/mft/identity/card"
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
	c.complete(e)
	if kind == protocol.KindCancel {
		return c.put(ctx, e)
	}
	// First: the answer may come at once.
	if err := c.shelf.open(e); err != nil {
		return err
	}
	if err := c.put(ctx, e); err != nil {
		return err
	}
	return c.shelf.posted(e)
}

// complete gives an envelope what this agent and this moment say, and signs it.
func (c *Courier) complete(e *protocol.Envelope) {
	now := c.c.Now()
	e.Version, e.Sender = protocol.Version, c.c.Keys.Name()
	e.Issued, e.Expires = now.Truncate(time.Millisecond), now.Add(letterLife).Truncate(time.Millisecond)
	e.KeyID = c.c.Keys.KeyID()
	for {
		// The key that signs is named in what is signed, and may be replaced
		// between the two.
		id, signature := c.c.Keys.Sign(e.SigningBytes())
		if id == e.KeyID {
			e.Signature = signature
			return
		}
		e.KeyID = id
	}
}

// post signs an answer and posts it.
func (c *Courier) post(ctx context.Context, e *protocol.Envelope) error {
	c.complete(e)
	return c.put(ctx, e)
}

// put seals an envelope to its recipient and puts it into the queue.
func (c *Courier) put(ctx context.Context, e *protocol.Envelope) error {
	key, err := c.keyOf(ctx, e.Recipient)
	if err != nil {
		return err
	}
	body, err := letter.Seal(e, key)
	if err != nil {
		return err
	}
	return c.c.Exchange.Queue.Put(ctx, e.Recipient, body)
}

// keyOf returns the newest sealing key of a peer for which a key vouches that is
// pinned here: from its card in the exchange, or from when they paired.
func (c *Courier) keyOf(ctx context.Context, name mft.AgentName) (sealing.Key, error) {
	peer, ok := c.c.Trust.Peer(name)
	if !ok {
		return sealing.Key{}, mft.Fail(mft.CodeUnknownPeer, "write to", string(name), nil)
	}
	var newest sealing.Key
	for _, k := range peer.Pins {
		if key, err := sealing.Parse(peer.Sealing, name, k.Key); err == nil {
			newest = key
		}
	}
	cards, err := c.c.Exchange.Keys.Statements(ctx, name)
	if err != nil && newest.Public == nil {
		return newest, err
	}
	var why error
	for _, b := range cards {
		key, err := card.Read(b, name, c.c.Trust, c.c.Now())
		if err != nil {
			why = err
		} else if key.Created.After(newest.Created) {
			newest = key
		}
	}
	switch {
	case newest.Public != nil:
		return newest, nil
	case why != nil:
		return newest, mft.Fail(mft.CodeUntrusted, "find the sealing key of", string(name), why)
	}
	return newest, mft.Fail(mft.CodeUnreachable, "find the sealing key of", string(name),
		errors.New("its agent has not published one in the exchange yet; it does when it runs"))
}

// handle deals with one letter.
func (c *Courier) handle(ctx context.Context, l exchange.Letter) error {
	e, err := letter.Open(l.Body, c.c.Keys)
	if err != nil {
		return err
	}
	now := c.c.Now()
	if e.Recipient != c.c.Keys.Name() {
		return mft.Fail(mft.CodeBadSigned, "take letter", "", fmt.Errorf("it is meant for %q", e.Recipient))
	}
	if err := c.verify(ctx, e, now); err != nil {
		return err
	}
	if err := e.CheckTimes(now); err != nil {
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
// never shown may lie in the exchange.
func (c *Courier) verify(ctx context.Context, e *protocol.Envelope, now time.Time) error {
	err := c.c.Trust.Verify(e, now)
	if mft.CodeOf(err) != mft.CodeBadSigned {
		return err
	}
	if _, err := c.keyOf(ctx, e.Sender); err != nil {
		return err
	}
	return c.c.Trust.Verify(e, now)
}

// later gives an error that says nothing of the letter the code of one: it comes
// again for as long as it takes.
func later(err error) error {
	if code := mft.CodeOf(err); err != nil && code.Retryable() && code != mft.CodeReplayed {
		return mft.Fail(mft.CodeBusy, "deal with", "a letter", err)
	}
	return err
}
