package agent

import (
	"context"
	"fmt"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/queue"
	"mft.dev/mft/agent/source"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/sender"
)

// send makes one attempt at sending t. It returns the receipt, and the message
// that proves it.
func (a *Agent) send(at *attempt, t mft.Transfer) (mft.Receipt, *protocol.Envelope, error) {
	c := &source.Content{Transfer: t, From: a.Name(), Place: source.Place{
		Grants: a.RequestGrants(t.Peer), Missing: func(err error) {
			if at.entry.Tries == 0 {
				a.trail.NoteOf(at.ID)(mft.EventItem, mft.CodeNotFound, err.Error())
			}
		},
	}}
	a.channels.Place(t.Channel, &c.Place)
	defer c.Close()
	conv, err := a.reach(at.Context, t)
	if err != nil {
		return mft.Receipt{}, nil, err
	}
	if conv == nil {
		return a.sendRelayed(at, t, c)
	}
	defer conv.Close()
	if err := a.exits.Offer(at.Context, t); err != nil {
		return mft.Receipt{}, nil, err
	}
	at.reached = true
	told := &trail.Conversation{Conversation: conv, Trail: a.trail, ID: t.ID, Quiet: at.entry.Waiting != "" && at.entry.Tries > 0}
	return a.foreman.Send(at.Context, told, c, a.channels.Sends(t, told, at.outgoing(t, a.trail.Moving(at.ID, trail.OverLink))))
}

// outgoing is what is sent in the attempt, but for the content.
func (at *attempt) outgoing(t mft.Transfer, note transfer.Note) sender.Outgoing {
	return sender.Outgoing{Note: note, Meter: &at.meter, LastTry: at.entry.Tries >= lastTry, Compress: t.Compress}
}

// lastTry is after how many attempts without progress a file that never stops
// changing fails. The remedy of mft.CodeChanged tells of it.
const lastTry = 4

// concludeSend writes what follows an attempt at sending.
func (a *Agent) concludeSend(at *attempt, t mft.Transfer, receipt mft.Receipt, signed *protocol.Envelope, err error) {
	if err != nil {
		v := a.verdictOf(at, err)
		a.conclude(at, t, v)
		if v.State == mft.StateFailed {
			a.notices.Add(t.Peer, t.ID)
		}
		return
	}
	// What the meter counts may lag behind: the last words on the data
	// connection are not waited for when the receipt is there.
	totals, _, begun := at.counts(t)
	if !begun { // an earlier attempt had delivered it
		totals = receipt.Received
		totals.Items += receipt.Failed + receipt.Unchanged.Items
		totals.Bytes += receipt.Unchanged.Bytes
	}
	err = a.trail.CloseSent(context.WithoutCancel(at.Context), t.ID, totals, receipt, protocol.AppendEnvelope(nil, signed))
	if err != nil {
		// The peer has it: the next offer is answered with the receipt.
		a.conclude(at, t, a.verdictOf(at, err))
		return
	}
	a.ended(t)
	a.again(at, t, queue.Verdict{State: mft.StateDone})
}

// askTimeout is how long a peer may take to answer a request; askAgain how
// long an offer may take to follow before the request is repeated.
const (
	askTimeout = 30 * time.Second
	askAgain   = time.Minute
)

// ask asks the peer for the files of t. The offer comes in a conversation of
// its own.
func (a *Agent) ask(at *attempt, t mft.Transfer) error {
	ctx, cancel := context.WithTimeout(at.Context, askTimeout)
	defer cancel()
	if at.entry.Waiting == "" && at.entry.Tries == 0 {
		a.trail.NoteOf(at.ID)(mft.EventRequested, "", strings.Join(t.Sources, " "))
	}
	r := mft.Request{Path: t.Sources[0], Overwrite: t.Overwrite, Compare: t.Compare, Compress: t.Compress, Preserve: t.Preserve}
	conv, err := a.reach(ctx, t)
	if err != nil {
		return err
	}
	if conv == nil {
		return a.courier.Ask(ctx, t, r)
	}
	defer conv.Close()
	at.reached = true
	if err := conv.Send(ctx, protocol.KindRequest, protocol.AppendRequest(nil, &r)); err != nil {
		return fmt.Errorf("sending the request: %w", err)
	}
	e, err := conv.Receive(ctx)
	if err != nil {
		return fmt.Errorf("waiting for the answer to the request: %w", err)
	}
	d, err := e.Decision()
	if err != nil {
		return err
	}
	if !d.Code.OK() {
		return &transfer.Refused{Decision: d}
	}
	return nil
}

// concludeAsk writes what follows a request. One that the peer agreed to is
// repeated if no offer follows: it may have lost what it agreed to.
func (a *Agent) concludeAsk(at *attempt, t mft.Transfer, err error) {
	if err == nil {
		a.conclude(at, t, queue.Verdict{State: mft.StateQueued, Delay: askAgain})
		return
	}
	a.conclude(at, t, a.verdictOf(at, err))
}
