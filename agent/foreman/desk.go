package foreman

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sync"
	"syscall"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/worker/errand"
	"mft.dev/mft/internal/post"
	"mft.dev/mft/link/dataconn"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/receiver/remember"
	"mft.dev/mft/trigger"
)

// A Line gives data connections before their handshakes, as a conversation over the
// link does.
type Line interface {
	OpenRaw(ctx context.Context) (*dataconn.Raw, error)
	Dials() bool
}

// A desk is where the questions of one errand are answered. What is nil is not to be
// had.
type desk struct {
	transfer mft.TransferID
	conv     transfer.Conversation
	line     Line // nil for one whose content goes through this process
	ledger   transfer.Ledger
	meter    *transfer.Meter
	note     transfer.Note
	own      func(context.Context) error
	memory   remember.Memory
	// offers is what the worker may offer, nil for one that receives.
	offers *mft.Offer
	// root is where the files are whose marks the worker may ask about.
	root string
	// found hears of what a worker finds, and hint of what changes; known says of which parts
	// it need not hear.
	found func(errand.Found) error
	known func([]trigger.Part) ([]bool, error)
	thing func(errand.Thing) error
	hint  func(errand.Hint)
	// watched takes what keeps watch.
	watched func(*os.File)

	port *errand.Port
	done chan errand.Done // room for one
	all  sync.WaitGroup   // answers under way

	finding   sync.Mutex // held while found, known or thing is called
	mu        sync.Mutex // guards what follows
	asked     int
	receipt   []byte // that was journaled
	committed []byte // the keys that are being asked for
	last      []byte // what the peer said last, in its wire form
}

// How long a worker has to say that it is there, and to end when it is told to.
const (
	readyWithin = 15 * time.Second
	endWithin   = 30 * time.Second
)

// run has a worker do an errand, and returns how that ended. A worker that ends
// before is mft.CodeWorker.
func (d *desk) run(ctx context.Context, conn *post.Conn, o errand.Order) (errand.Done, error) {
	d.port, d.done = errand.New(conn), make(chan errand.Done, 1)
	// What the worker asks for while it ends, it still gets.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	over := make(chan error, 1)
	var hearing sync.WaitGroup
	hearing.Go(func() { over <- d.port.Run(func(s errand.Said) error { return d.heard(serving, s) }) })
	defer d.all.Wait()
	defer hearing.Wait()
	defer stop()
	defer d.port.Close()
	if err := d.port.Tell(errand.KindOrder, o); err != nil {
		return errand.Done{}, err
	}
	stopped := ctx.Done()
	var late <-chan time.Time
	for {
		select {
		case done := <-d.done:
			return done, done.Failure.Err()
		case err := <-over:
			select {
			case done := <-d.done: // it was the last word
				return done, done.Failure.Err()
			default:
			}
			return errand.Done{}, errand.Ended(err)
		case <-stopped:
			stopped = nil
			timer := time.NewTimer(endWithin)
			defer timer.Stop()
			late = timer.C
			_ = d.port.Tell(errand.KindCancel, errand.FailureOf(context.Cause(ctx))) // else it has ended already
		case <-late:
			return errand.Done{}, errand.Ended(errors.New("it did not end when it was told to"))
		}
	}
}

// heard takes one message of the worker.
func (d *desk) heard(ctx context.Context, s errand.Said) error {
	switch s.Kind {
	case errand.KindNote:
		var n errand.Note
		if err := s.Parse(&n); err != nil {
			return err
		}
		if n.Kind != mft.EventMoving && n.Kind != mft.EventVerified && n.Kind != mft.EventItem && n.Kind != mft.EventRemoved {
			return fmt.Errorf("a worker does not tell of %q", n.Kind)
		}
		d.note(n.Kind, n.Code, n.Detail)
		return nil
	case errand.KindMeter:
		var m errand.Meter
		if err := s.Parse(&m); err != nil {
			return err
		}
		d.meter.Show(m.Totals, m.Moved, m.Unchanged)
		return nil
	case errand.KindHint:
		return d.hinted(&s)
	case errand.KindDone:
		var done errand.Done
		if err := s.Parse(&done); err != nil {
			return err
		}
		select {
		case d.done <- done:
			return nil
		default:
			return errors.New("it has ended twice")
		}
	}
	if s.ID == 0 || s.Kind < errand.KindSend || s.Kind > errand.KindParts {
		return fmt.Errorf("message %d makes no sense", s.Kind)
	}
	d.mu.Lock()
	d.asked++
	many := d.asked > errand.MaxAsked
	d.mu.Unlock()
	if many {
		if s.File != nil {
			s.File.Close()
		}
		return errors.New("it asks too much at once")
	}
	d.all.Go(func() {
		v, conn, err := d.answer(ctx, &s)
		_ = d.port.Answer(s.ID, v, conn, err) // a worker that is gone asks nothing
		if closer, ok := conn.(interface{ Close() error }); ok {
			closer.Close() // it is the worker's now
		}
		d.mu.Lock()
		d.asked--
		d.mu.Unlock()
	})
	return nil
}

// answer does what the worker asks for.
func (d *desk) answer(ctx context.Context, s *errand.Said) (v any, conn syscall.Conn, err error) {
	switch s.Kind {
	case errand.KindSend:
		return nil, nil, d.send(ctx, s)
	case errand.KindReceive:
		if d.conv == nil {
			return nil, nil, errNotHere
		}
		e, err := d.conv.Receive(ctx)
		if err != nil {
			return nil, nil, err
		}
		wire := protocol.AppendEnvelope(nil, e)
		d.mu.Lock()
		d.last = wire
		d.mu.Unlock()
		return errand.Heard{Envelope: wire}, nil, nil
	case errand.KindRaw:
		return d.raw(ctx)
	case errand.KindPlain:
		return d.plain(ctx, s)
	case errand.KindOwn:
		if d.own == nil {
			return nil, nil, nil
		}
		return nil, nil, d.own(ctx)
	case errand.KindRecall, errand.KindKeep, errand.KindForget:
		v, err = d.remember(s)
		return v, nil, err
	case errand.KindFound:
		return nil, nil, d.finds(s)
	case errand.KindParts:
		v, err = d.knows(s)
		return v, nil, err
	case errand.KindThings:
		return nil, nil, d.rehearses(s)
	case errand.KindWatched:
		return nil, nil, d.takes(s)
	}
	v, err = d.journal(ctx, s)
	return v, nil, err
}

// heardOf reports whether an envelope is the last that the peer has sent.
func (d *desk) heardOf(wire []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.last) > 0 && bytes.Equal(d.last, wire)
}

var errNotHere = mft.Fail(mft.CodeInternal, "do an errand", "", errors.New("that is not for this errand"))

// send has the worker say something in the conversation, if it is what its part of
// it is.
func (d *desk) send(ctx context.Context, s *errand.Said) error {
	var m errand.Message
	if err := s.Parse(&m); err != nil {
		return err
	}
	if d.conv == nil {
		return errNotHere
	}
	sends := d.offers != nil
	switch {
	case m.Kind == protocol.KindAbort:
	case m.Kind == protocol.KindOffer && sends:
		if err := d.mayOffer(m.Body); err != nil {
			return err
		}
	case m.Kind == protocol.KindSeal && sends, m.Kind == protocol.KindDecision && !sends:
	case m.Kind == protocol.KindReceipt && !sends:
		d.mu.Lock()
		told := d.receipt
		d.mu.Unlock()
		if told == nil || !bytes.Equal(told, m.Body) {
			return mft.Fail(mft.CodeInternal, "give a receipt", d.transfer.String(), errors.New("it is not the one that is in the journal"))
		}
	default:
		return errNotHere
	}
	return d.conv.Send(ctx, m.Kind, m.Body)
}

// mayOffer says why an offer is not the one that was ordered.
func (d *desk) mayOffer(body []byte) error {
	want := *d.offers
	e := protocol.Envelope{Kind: protocol.KindOffer, Transfer: want.Transfer, Sender: want.Sender, Recipient: want.Recipient, Channel: want.Channel, Body: body}
	got, err := e.Offer()
	if err != nil {
		return err
	}
	// What only the worker knows.
	want.Single, want.Announced, want.DataKey, want.Streams = got.Single, got.Announced, got.DataKey, got.Streams
	if !reflect.DeepEqual(got, want) {
		return mft.Fail(mft.CodeInternal, "offer", d.transfer.String(), errors.New("it is not what was ordered"))
	}
	return nil
}
