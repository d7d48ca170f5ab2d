package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/admission"
	"mft.dev/mft/agent/courier"
	"mft.dev/mft/exchange"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
)

// openCourier gives the agent its way through an exchange.
func (a *Agent) openCourier(x exchange.Exchange) error {
	keys, trust := a.Identity()
	var err error
	a.courier, err = courier.New(courier.Config{
		Exchange: x, Dir: filepath.Join(a.cfg.Agent.DataDir, "relay"), Keys: keys, Trust: trust,
		NextSequence: a.nextSequence, Opened: a.letter, Answered: a.answered, UnderWay: a.underWay,
		PutAside: func(reason error) {
			r := mft.ReasonOf(reason)
			a.event(context.Background(), mft.Event{Kind: mft.EventRejected, Code: r.Code, Detail: "a letter was put aside: " + r.Detail})
		},
		Now: a.now, Log: a.log,
	})
	return err
}

// relays reports whether a peer that could not be reached directly is to be
// reached through the exchange.
func (a *Agent) relays(err error) bool {
	return a.courier != nil && mft.CodeOf(err) == mft.CodeUnreachable
}

// underWay reports whether a transfer has not ended.
func (a *Agent) underWay(ctx context.Context, id mft.TransferID) (bool, error) {
	t, known, err := a.journal.Transfer(ctx, id)
	return known && !t.State.Terminal(), err
}

// answered has a transfer go on to which the peer has said something.
func (a *Agent) answered(id mft.TransferID) {
	t, known, err := a.journal.Transfer(context.Background(), id)
	if err != nil {
		a.log.Error("cannot read a transfer", "transfer", id, "err", err)
	}
	if known {
		a.enqueue(t)
	}
}

// letter deals with a letter that opens a conversation.
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
		var delivered bool
		if _, _, delivered, err = a.journal.Receipt(ctx, o.Transfer); err == nil && delivered {
			return a.available(ctx, v)
		}
		if t.State.Terminal() || t.State == mft.StatePaused {
			return a.answer(ctx, v, admission.Ended(t))
		}
	}
	if err == nil {
		_, err = a.admit(ctx, &o, t, known)
	}
	if err != nil {
		if !known && !mft.CodeOf(err).Retryable() {
			r := mft.ReasonOf(err)
			a.event(ctx, mft.Event{Kind: mft.EventRejected, Transfer: o.Transfer, Channel: o.Channel, Peer: o.Sender, Code: r.Code, Detail: r.Detail})
		}
		return a.answer(ctx, v, admission.Refusal(err))
	}
	return a.answer(ctx, v, mft.Decision{Code: mft.CodeOK, Streams: 1})
}

// available receives a parcel.
func (a *Agent) available(ctx context.Context, v courier.Conversation) error {
	in, err := v.Incoming()
	if err != nil {
		return err
	}
	defer in.Close()
	err = a.offeredBy(ctx, in, in.Available.Offer, v.Opening)
	if mft.CodeOf(err) == mft.CodeReplayed {
		return nil // dealt with before
	}
	switch code := mft.CodeOf(err); code {
	case mft.CodeExpired, mft.CodeCorrupt, mft.CodeNotFound, mft.CodeProtocol:
		// The sender has to give another grant, or make the parcel anew.
		f := protocol.Failure{Code: code, Detail: mft.ReasonOf(err).Detail}
		return v.Answer(ctx, protocol.KindAbort, protocol.AppendFailure(nil, &f))
	}
	var refused *transfer.Refused
	if errors.As(err, &refused) {
		return nil
	}
	return err
}

// clearTimeout bounds how long the exchange is waited for to remove what a
// transfer left there.
const clearTimeout = 30 * time.Second

// clear removes what a transfer that has ended left in the exchange. What fails
// is done later, with the rest.
func (a *Agent) clear(ctx context.Context, id mft.TransferID) {
	if a.courier == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), clearTimeout)
	defer cancel()
	if err := a.courier.Discard(ctx, id); err != nil {
		a.log.Info("cannot clear the exchange of a transfer yet", "transfer", id, "err", err)
	}
}
