package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/admission"
	"mft.dev/mft/agent/farend"
	"mft.dev/mft/agent/inquiry"
	"mft.dev/mft/agent/queue"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/exchange/talk"
	"mft.dev/mft/journal"
	"mft.dev/mft/link"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/receiver"
)

// handle serves a conversation that a peer opened. The link has verified who
// opened it and that the message is meant for this agent and of this time;
// that it was not seen before is for the journal to say.
func (a *Agent) handle(ctx context.Context, conv *link.Conversation) {
	e := conv.Opening()
	var err error
	switch {
	case a.held.Load() && e.Kind != protocol.KindCancel:
		err = admission.Answer(ctx, conv, admission.Held())
	case e.Kind == protocol.KindOffer:
		var o mft.Offer
		if o, err = e.Offer(); err == nil {
			err = a.offeredBy(ctx, conv, o, e)
		}
	case e.Kind == protocol.KindRequest:
		if err = a.witness(ctx, e); err != nil {
			err = admission.Answer(ctx, conv, admission.Refusal(err))
		} else {
			err = a.requestedBy(ctx, conv, e)
		}
	case inquiry.Takes(e.Kind):
		err = a.inquiries.Answer(ctx, conv, e)
	case e.Kind == protocol.KindCancel:
		if err = a.witness(ctx, e); err == nil {
			err = a.cancelledBy(ctx, e)
		}
	default:
		err = mft.Fail(mft.CodeProtocol, "open a conversation", "", fmt.Errorf("a %v cannot open one", e.Kind))
	}
	if err != nil && ctx.Err() == nil {
		level := slog.LevelInfo
		if mft.CodeOf(err).Retryable() {
			level = slog.LevelDebug // the peer comes again
		}
		a.log.Log(ctx, level, "a conversation of a peer ended early", "peer", e.Sender, "kind", e.Kind, "transfer", e.Transfer, "err", err)
	}
}

// witness records that the envelope was seen; a second time is CodeReplayed.
func (a *Agent) witness(ctx context.Context, e *protocol.Envelope) error {
	return a.journal.Update(ctx, func(tx *journal.Tx) error { return tx.Witness(e.Sender, e.KeyID, e.Sequence) })
}

// offeredBy answers an offer and receives the transfer.
func (a *Agent) offeredBy(ctx context.Context, conv transfer.Conversation, o mft.Offer, e *protocol.Envelope) error {
	// A newer attempt takes the place of an older one.
	if !a.door.Enter(o.Sender, a.turns.Holder(o.Transfer) != nil) {
		return admission.Answer(ctx, conv, mft.Decision{Code: mft.CodeBusy, RetryIn: admission.BusyDelay})
	}
	defer a.door.Leave(o.Sender)
	t, known, err := a.journal.Transfer(ctx, o.Transfer)
	if err == nil {
		err = admission.Belongs(&o, t, known)
	}
	if err != nil {
		return admission.Answer(ctx, conv, admission.Refusal(err))
	}
	in := &offer{Offer: o, envelope: e}
	at, err := a.claim(ctx, o.Sender, o.Transfer, nil)
	if at == nil && err == nil {
		// The newer attempt takes the place of the one under way, unless it is
		// a copy of an old message.
		if err := a.witness(ctx, e); err != nil {
			return admission.Answer(ctx, conv, admission.Refusal(err))
		}
		in.witnessed = true
		at, err = a.claim(ctx, o.Sender, o.Transfer, queue.ErrSuperseded)
	}
	if err != nil {
		return err
	}
	defer at.End()
	return a.receive(at, conv, in)
}

// An offer is what a peer offers, and the message that it came in.
type offer struct {
	mft.Offer
	envelope  *protocol.Envelope
	witnessed bool // the journal has seen the message, and it was new
	// parcel is where the content is that came with a letter, nil when it comes
	// over the link.
	parcel *talk.Incoming
}

func (a *Agent) offering(o *offer, known bool) trail.Offered {
	return trail.Offered{Offer: &o.Offer, Known: known, Witness: o.witness, Watch: a.exits.Watch}
}

// witness records the message within the transaction that gives it effect.
func (o *offer) witness(tx *journal.Tx) error {
	if o.witnessed {
		return nil
	}
	return tx.Witness(o.Sender, o.envelope.KeyID, o.envelope.Sequence)
}

// receive answers the offer of a transfer that the caller has claimed.
func (a *Agent) receive(at *attempt, conv transfer.Conversation, o *offer) error {
	t, known, err := a.journal.Transfer(at.Context, o.Transfer)
	if err == nil {
		err = admission.Belongs(&o.Offer, t, known) // it may have come to be meanwhile
	}
	if err != nil {
		return admission.Answer(at.Context, conv, admission.Refusal(err))
	}
	if known {
		if over, err := a.over(at.Context, conv, t); over {
			return err
		}
	}
	landing, err := a.admit(at.Context, &o.Offer, t, known)
	if err == nil {
		t, err = a.trail.Accept(at.Context, a.offering(o, known), landing)
	}
	if err != nil {
		a.refused(at, o, known, err)
		return admission.Answer(at.Context, conv, admission.Refusal(err))
	}
	a.queue.Drop(t.Peer, t.ID) // no need to ask for it any more
	way := trail.OverLink
	if o.parcel != nil {
		way = trail.ThroughExchange
	}
	err = a.foreman.Receive(at.Context, conv, receiver.Incoming{
		Offer: o.Offer, Landing: landing, Meter: &at.meter, Note: a.trail.Moving(at.ID, way),
		Parcel: o.parcel != nil, Own: a.own(o.Transfer), Memory: a.marks,
	})
	at.reached = o.parcel == nil
	if err != nil && o.parcel != nil {
		err = o.parcel.Because(err)
	}
	a.concludeReceive(at, t, err)
	return err
}

// over answers the offer of a transfer that has been delivered, has ended or is
// paused, and reports whether it has.
func (a *Agent) over(ctx context.Context, conv transfer.Conversation, t mft.Transfer) (bool, error) {
	receipt, _, delivered, err := a.journal.Receipt(ctx, t.ID)
	switch {
	case err != nil:
		return true, admission.Answer(ctx, conv, admission.Refusal(err))
	case delivered:
		return true, receiver.Redeliver(ctx, conv, receipt)
	case t.State.Terminal() || t.State == mft.StatePaused:
		return true, admission.Answer(ctx, conv, admission.Ended(t))
	}
	return false, nil
}

// admit decides whether the offer may proceed, and where its items land.
// Nothing is touched, save by commands that have a say in it.
func (a *Agent) admit(ctx context.Context, o *mft.Offer, t mft.Transfer, known bool) (journal.Landing, error) {
	c := admission.Case{Offer: o, Grants: a.FileGrants(o.Sender)}
	if known {
		c.Row = &t
		first, ok, err := a.journal.Landing(ctx, o.Transfer)
		if err != nil {
			return journal.Landing{}, err
		}
		if ok {
			c.First = &first
		}
	}
	landing, err := admission.Decide(c)
	if err == nil && !o.Requested {
		err = farend.Keeper{Hand: a.foreman.Hand}.Blocked(ctx, o.Sender, c.Grants, landing)
	}
	if err == nil && c.First == nil {
		err = a.exits.Admit(ctx, o, landing)
	}
	return landing, err
}

// refused writes down that an offer was refused: operators on both ends want
// to know.
func (a *Agent) refused(at *attempt, o *offer, known bool, cause error) {
	reason := mft.ReasonOf(cause)
	ctx := context.WithoutCancel(at.Context)
	if errors.Is(cause, context.Canceled) || reason.Code.Retryable() {
		return
	}
	if known {
		a.discard(ctx, o.Transfer)
	}
	if err := a.trail.Refuse(ctx, a.offering(o, known), reason); err != nil {
		a.log.Error("cannot write that an offer was refused", "transfer", o.Transfer, "err", err)
	}
}

// discard removes what a receive that ends without delivery leaves behind,
// before its row says so. If that fails the next start tries again.
func (a *Agent) discard(ctx context.Context, id mft.TransferID) {
	if err := a.foreman.Discard(ctx, id); err != nil {
		a.log.Warn("cannot remove what a transfer left behind", "transfer", id, "err", err)
	}
}

// concludeReceive writes what follows an attempt at receiving.
func (a *Agent) concludeReceive(at *attempt, t mft.Transfer, err error) {
	ctx := context.WithoutCancel(at.Context)
	delivered, jerr := a.trail.CloseDelivered(ctx, at.ID)
	for delay := queue.FirstDelay; jerr != nil; delay = min(2*delay, queue.LastDelay) {
		a.log.Error("cannot write what follows an attempt", "transfer", at.ID, "err", jerr)
		select {
		case <-at.Context.Done():
			return // the receipt stands; the next offer or the next start closes the row
		case <-time.After(delay):
		}
		delivered, jerr = a.trail.CloseDelivered(ctx, at.ID)
	}
	if delivered {
		a.ended(t)
		a.again(at, t, queue.Verdict{State: mft.StateDone})
		return
	}
	if err == nil {
		err = mft.Fail(mft.CodeInternal, "receive", at.ID.String(), errors.New("no receipt was journaled"))
	}
	if t.State == mft.StateWaiting {
		at.entry.Waiting = t.Reason.Code
	}
	v := a.verdictOf(at, err)
	v.PeerWide = false
	if v.Reason.Code == mft.CodeElsewhere {
		v.State = mft.StateCancelled // here
	}
	if v.State.Terminal() {
		a.discard(ctx, at.ID)
	}
	a.conclude(at, t, v)
}
