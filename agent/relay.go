package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"mft.dev/mft"
	"mft.dev/mft/agent/admission"
	"mft.dev/mft/agent/courier"
	"mft.dev/mft/agent/order"
	"mft.dev/mft/agent/source"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/exchange/talk"
	"mft.dev/mft/link"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer/sender"
)

// openCourier gives the agent its way through an exchange.
func (a *Agent) openCourier(o *Options) error {
	keys, trust := a.Identity()
	var err error
	a.courier, err = courier.New(courier.Config{
		Exchange: *o.Exchange, CardsFor: cmp.Or(o.CardsFor, courier.CardsFor), Delays: o.Letters, Keys: keys, Trust: trust,
		Dir: filepath.Join(a.cfg.Agent.DataDir, "relay"), Sent: filepath.Join(a.cfg.Agent.DataDir, "sent"),
		NextSequence: a.trail.NextSequence, Opened: a.letter, Answered: a.answered, Late: a.notices.Repeat, UnderWay: a.underWay, Delivered: a.wasReceived,
		PutAside: func(reason error) {
			r := mft.ReasonOf(reason)
			a.trail.Event(context.Background(), mft.Event{Kind: mft.EventRejected, Code: r.Code, Detail: "a letter was put aside: " + r.Detail})
		},
		Reached: a.notices.Poke, Now: a.now, Log: a.log,
	})
	return err
}

// reach opens a conversation with the peer of t over the link. It returns nil
// without an error when the exchange is the way to take.
func (a *Agent) reach(ctx context.Context, t mft.Transfer) (*link.Conversation, error) {
	if !a.ways.Direct(t.Peer, t.ID, a.now()) {
		if a.courier == nil {
			return nil, mft.Fail(mft.CodeConfig, "reach", string(t.Peer), errors.New("its path is relay, and this agent has no exchange"))
		}
		return nil, nil
	}
	conv, err := a.link.Open(ctx, t.Peer, t.ID, t.Channel)
	if err != nil && mft.CodeOf(err) == mft.CodeUnreachable && a.ways.Apart(t.Peer, t.ID, a.now()) {
		return nil, nil
	}
	if err == nil {
		err = order.Understood(t, conv)
	}
	return conv, err
}

// sendRelayed makes one attempt at sending t through the exchange: what can be done before the peer answers.
func (a *Agent) sendRelayed(at *attempt, t mft.Transfer, c *source.Content) (mft.Receipt, *protocol.Envelope, error) {
	if err := a.book.InTurn(at.Context, t); err != nil {
		return mft.Receipt{}, nil, err
	}
	offer := func(ctx context.Context) (mft.Offer, error) { return a.foreman.Offer(ctx, c) }
	out, err := a.courier.Outgoing(at.Context, t, !a.foreman.Apart(c), a.exits.Before(t, offer))
	if err != nil {
		return mft.Receipt{}, nil, err
	}
	defer out.Recorder.Close()
	defer out.Close()
	if parked := out.Waits(); parked != nil {
		return mft.Receipt{}, nil, parked
	}
	told := &trail.Conversation{Conversation: out, Trail: a.trail, ID: t.ID, Known: !out.Offers()}
	sent := a.channels.Sends(t, told, at.outgoing(t, a.trail.Moving(at.ID, trail.ThroughExchange)))
	if !out.WantsContent() {
		sent.Offer = out.Offer
		return sender.Run(at.Context, told, sent)
	}
	if out.Offer, err = offer(at.Context); err != nil {
		return mft.Receipt{}, nil, err
	}
	sent.Watch = out.Watch
	receipt, signed, err := a.foreman.Send(at.Context, told, c, sent)
	return receipt, signed, out.Because(err)
}

// own returns what makes this agent the one of its name that delivers a
// transfer, nil where that needs no asking.
func (a *Agent) own(id mft.TransferID) func(context.Context) error {
	if a.courier == nil {
		return nil
	}
	return func(ctx context.Context) error { return a.courier.Own(ctx, id) }
}

// underWay reports whether a transfer has not ended.
func (a *Agent) underWay(ctx context.Context, id mft.TransferID) (bool, error) {
	t, known, err := a.journal.Transfer(ctx, id)
	return known && !t.State.Terminal(), err
}

// wasReceived reports whether the peer has given its receipt for a transfer.
func (a *Agent) wasReceived(ctx context.Context, id mft.TransferID) (bool, error) {
	t, known, err := a.journal.Transfer(ctx, id)
	return known && t.State == mft.StateDone, err
}

// answered has a transfer go on to which the peer has said something.
func (a *Agent) answered(id mft.TransferID) {
	t, known, err := a.journal.Transfer(context.Background(), id)
	if err != nil {
		a.log.Error("cannot read a transfer", "transfer", id, "err", err)
	}
	if at, ok := a.turns.Holder(id).(*attempt); ok {
		at.answered.Store(true) // it may be over before it looks again
	}
	if known {
		a.enqueue(t)
	}
}

// postCancel tells the peer of t by letter that it has ended.
func (a *Agent) postCancel(ctx context.Context, t mft.Transfer, c *protocol.Cancel) error {
	return a.courier.Open(ctx, t, protocol.KindCancel, protocol.AppendCancel(nil, c))
}

// ended has what a transfer that has ended left in the exchange removed, and its channel
// look at its run.
func (a *Agent) ended(t mft.Transfer) {
	a.channels.Ended(t.Channel)
	if a.courier != nil {
		a.courier.Forget(t.ID)
	}
}

// letter deals with a letter that opens a conversation. It may be the second
// time: what a letter asks for is about a transfer by its id, and is done once.
// The journal is not asked whether it has seen the sequence, for what was
// begun when the agent stopped is to go on.
func (a *Agent) letter(ctx context.Context, v courier.Conversation) error {
	e := v.Opening
	switch e.Kind {
	case protocol.KindOffer:
		return a.offeredByLetter(ctx, v)
	case protocol.KindAvailable:
		return a.available(ctx, v)
	case protocol.KindRequest:
		return a.requestedBy(ctx, v, e)
	case protocol.KindCancel:
		return a.cancelledBy(ctx, e)
	}
	return mft.Fail(mft.CodeProtocol, "deal with a letter", "", fmt.Errorf("a %v cannot open a conversation", e.Kind))
}

// offeredByLetter answers an offer whose content does not come yet. It may be a
// copy: the answer is the same, and nothing has happened that could happen
// twice.
func (a *Agent) offeredByLetter(ctx context.Context, v courier.Conversation) error {
	o, err := v.Opening.Offer()
	if err != nil {
		return err
	}
	t, known, err := a.journal.Transfer(ctx, o.Transfer)
	if err == nil {
		err = admission.Belongs(&o, t, known)
	}
	if err == nil && known {
		if over, err := a.over(ctx, v, t); over {
			return err
		}
	}
	if err == nil {
		_, err = a.admit(ctx, &o, t, known)
	}
	if err != nil {
		if !known && !mft.CodeOf(err).Retryable() {
			r := mft.ReasonOf(err)
			a.trail.Event(ctx, mft.Event{Kind: mft.EventRejected, Transfer: o.Transfer, Channel: o.Channel, Peer: o.Sender, Code: r.Code, Detail: r.Detail})
		}
		return admission.Answer(ctx, v, admission.Refusal(err))
	}
	return admission.Answer(ctx, v, mft.Decision{Code: mft.CodeOK, Streams: 1})
}

// available receives a parcel. It never takes the place of another attempt: a
// letter can wait.
func (a *Agent) available(ctx context.Context, v courier.Conversation) error {
	in, err := v.Incoming()
	if err != nil {
		return err
	}
	defer in.Close()
	o := &offer{Offer: in.Available.Offer, envelope: v.Opening, witnessed: true, parcel: in}
	later := func(why string) error {
		return mft.Fail(mft.CodeBusy, "take the parcel of", o.Transfer.String(), errors.New(why))
	}
	if !a.door.Enter(o.Sender, false) {
		return later("as many transfers come in as may")
	}
	defer a.door.Leave(o.Sender)
	t, known, err := a.journal.Transfer(ctx, o.Transfer)
	if err == nil {
		err = admission.Belongs(&o.Offer, t, known)
	}
	if err != nil {
		return admission.Answer(ctx, in, admission.Refusal(err))
	}
	at, err := a.claim(ctx, o.Sender, o.Transfer, nil)
	if err != nil {
		return err
	}
	if at == nil {
		return later("another attempt at it is under way")
	}
	defer at.End()
	err = a.receive(at, in, o)
	var useless *talk.Useless
	if errors.As(err, &useless) {
		// The sender has to give another grant, or make the parcel anew.
		f := protocol.Failure{Code: useless.Code, Detail: mft.ReasonOf(err).Detail}
		return v.Answer(ctx, protocol.KindAbort, protocol.AppendFailure(nil, &f))
	}
	return err
}
