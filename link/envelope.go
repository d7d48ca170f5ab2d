package link

import (
	"context"
	"errors"
	"fmt"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

// receive verifies one envelope and gives it to whom it belongs. An error
// ends the connection: only a peer that is broken or hostile sends what gives
// one.
func (c *control) receive(ctx context.Context, payload []byte) error {
	e, err := protocol.ParseEnvelope(payload)
	if err != nil {
		return err
	}
	now := c.link.c.Now()
	const op = "accept message of peer"
	switch {
	case e.Sender != c.peer:
		return mft.Fail(mft.CodeBadSigned, op, string(c.peer), fmt.Errorf("it is in the name of %q", e.Sender))
	case e.Recipient != c.link.c.Name:
		return mft.Fail(mft.CodeBadSigned, op, string(c.peer), fmt.Errorf("it is meant for %q", e.Recipient))
	}
	if err := c.link.c.Trust.Verify(e, now); err != nil {
		return err
	}
	// Clocks that differ are no offence: the conversation fails, not the
	// connection.
	late := e.CheckTimes(now)
	if e.Kind.Opens() {
		return c.opened(ctx, e, late)
	}
	c.answered(e, late)
	return nil
}

// opened begins a conversation that the peer opens.
func (c *control) opened(ctx context.Context, e *protocol.Envelope, late error) error {
	if late != nil {
		c.refuse(e, late)
		return nil
	}
	conv := newConversation(c, e.Transfer, e.Channel)
	conv.opening.Store(e)
	if err := c.admit(conv, e); err != nil {
		c.refuse(e, err)
		return nil
	}
	err := c.link.spawn(ctx, func(ctx context.Context) {
		defer conv.Close()
		c.link.c.Handle(ctx, conv)
	})
	if err != nil {
		conv.Close()
	}
	return err
}

// refuse answers an opening that nobody will look at, so that the peer need
// not wait for it to time out.
func (c *control) refuse(e *protocol.Envelope, cause error) {
	c.link.c.Log.Warn("a message was refused", "peer", c.peer, "kind", e.Kind, "transfer", e.Transfer, "error", cause)
	code := mft.CodeOf(cause)
	if e.Kind == protocol.KindCancel || code == mft.CodeReplayed {
		// Nothing answers a cancel; and an answer to a copy would be taken
		// for one to the original.
		return
	}
	d := mft.Decision{Code: code, Detail: cause.Error()}
	answer, err := c.sign(&protocol.Envelope{
		Kind: protocol.KindDecision, Transfer: e.Transfer, Channel: e.Channel, Nonce: e.Nonce,
		Body: protocol.AppendDecision(nil, &d),
	})
	if err != nil {
		c.link.c.Log.Warn("a refusal could not be signed", "peer", c.peer, "error", err)
		return
	}
	c.wire.Post(protocol.ControlEnvelope, answer)
}

// answered gives an answer to its conversation. One whose conversation has
// been closed here comes too late and is dropped.
func (c *control) answered(e *protocol.Envelope, late error) {
	c.mu.Lock()
	conv := c.conversations[attempt{e.Transfer, e.Nonce}]
	c.mu.Unlock()
	if conv == nil {
		c.link.c.Log.Debug("an answer came too late", "peer", c.peer, "kind", e.Kind, "transfer", e.Transfer)
		return
	}
	if late == nil {
		late = e.CheckAnswer(conv.Opening())
	}
	if late == nil && e.Kind == protocol.KindAbort {
		late = aborted(e)
	}
	if late != nil {
		conv.end(late)
		return
	}
	conv.deliver(e)
}

// aborted says why the peer has given up the attempt.
func aborted(e *protocol.Envelope) error {
	f, err := protocol.ParseFailure(e.Body)
	if err != nil {
		return err
	}
	if f.Code.OK() {
		f.Code = mft.CodeProtocol // that is no reason
	}
	return mft.Fail(f.Code, "talk to peer", string(e.Sender), fmt.Errorf("it gave the attempt up: %s", f.Detail))
}

// sign completes an envelope with what this connection and this moment say,
// and returns its wire form.
func (c *control) sign(e *protocol.Envelope) ([]byte, error) {
	now := c.link.c.Now()
	e.Version = protocol.Version
	e.Sender, e.Recipient = c.link.c.Name, c.peer
	e.Issued, e.Expires = now, now.Add(envelopeLife)
	e.KeyID = c.keyID
	signature, err := c.link.c.Keys.SignAs(c.keyID, e.SigningBytes(), now)
	if err != nil {
		return nil, err
	}
	e.Signature = signature
	return protocol.AppendEnvelope(nil, e), nil
}

// count makes room for a conversation, or says that there is none.
func (c *control) count(conv *Conversation) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return c.gone()
	}
	if c.open >= maxConversations {
		return mft.Fail(mft.CodeBusy, "talk to peer", string(c.peer),
			fmt.Errorf("%d conversations are under way", maxConversations))
	}
	c.open++
	conv.counted = true
	return nil
}

// register makes the answers to e find conv.
func (c *control) register(conv *Conversation, e *protocol.Envelope) error {
	key := attempt{e.Transfer, e.Nonce}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return c.gone()
	}
	if c.conversations[key] != nil {
		return mft.Fail(mft.CodeReplayed, "talk to peer", string(c.peer), errors.New("the conversation is under way already"))
	}
	c.conversations[key] = conv
	conv.key = key
	return nil
}

// admit counts and registers a conversation that the peer opens.
func (c *control) admit(conv *Conversation, e *protocol.Envelope) error {
	if err := c.count(conv); err != nil {
		return err
	}
	if err := c.register(conv, e); err != nil {
		c.release(conv)
		return err
	}
	return nil
}

// release forgets a conversation.
func (c *control) release(conv *Conversation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conv.counted {
		conv.counted = false
		c.open--
	}
	if c.conversations[conv.key] == conv {
		delete(c.conversations, conv.key)
	}
}
