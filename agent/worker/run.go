package worker

import (
	"context"
	"errors"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/source"
	"mft.dev/mft/agent/worker/errand"
	"mft.dev/mft/journal"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/receiver"
	"mft.dev/mft/transfer/sender"
	"mft.dev/mft/transfer/staging/recovery"
	"mft.dev/mft/transfer/throttle"
)

// meterEvery is how often the agent hears how far an errand is.
const meterEvery = 200 * time.Millisecond

// An errand that this process does.
type doing struct {
	seat  *Seat
	pace  *throttle.Throttle // of all that this process sends
	port  *errand.Port
	order chan errand.Order
	quiet time.Duration // see quietFor
	// attends says that orders about markers are carried out; only heard uses it.
	attends bool
	stop    context.CancelCauseFunc
	all     sync.WaitGroup
}

// do does one errand, from its order to its end.
func (s *Seat) do(ctx context.Context, port *errand.Port, pace *throttle.Throttle) {
	ctx, stop := context.WithCancelCause(ctx)
	d := &doing{seat: s, pace: pace, quiet: quietFor, port: port, order: make(chan errand.Order, 1), stop: stop}
	defer d.all.Wait()
	defer port.Close()
	defer stop(nil)
	d.all.Go(func() { stop(errand.Ended(port.Run(d.heard))) })
	if port.Tell(errand.KindReady, nil) != nil {
		return
	}
	var o errand.Order
	select {
	case o = <-d.order:
	case <-ctx.Done():
		return
	}
	done, err := d.run(ctx, &o)
	done.Failure = errand.FailureOf(err)
	if err := port.Tell(errand.KindDone, done); err != nil {
		return
	}
	<-ctx.Done() // the agent closes when it has heard that
}

// heard takes what the agent says unasked.
func (d *doing) heard(s errand.Said) error {
	switch s.Kind {
	case errand.KindOrder:
		var o errand.Order
		if err := s.Parse(&o); err != nil {
			return err
		}
		select {
		case d.order <- o:
			d.attends = o.Task == errand.TaskAttend
			return nil
		default:
			return errors.New("there is an order already")
		}
	case errand.KindMark:
		return d.mark(s)
	case errand.KindCancel:
		var f errand.Failure
		if err := s.Parse(&f); err != nil {
			return err
		}
		d.stop(f.Err())
		return nil
	}
	return errors.New("the agent does not say such things")
}

func (d *doing) run(ctx context.Context, o *errand.Order) (errand.Done, error) {
	if o.Line != nil { // content comes or goes, and memory counts as for the agent
		debug.SetGCPercent(40)
	}
	switch {
	case o.Task == errand.TaskReceive && o.Receive != nil && o.Line != nil:
		return errand.Done{}, d.receive(ctx, o)
	case o.Task == errand.TaskSend && o.Send != nil && o.Line != nil:
		return d.send(ctx, o)
	case o.Task == errand.TaskOffer && o.Send != nil:
		return d.offer(ctx, o)
	case o.Task == errand.TaskFind && o.Find != nil:
		return errand.Done{}, d.find(o.Find)
	case o.Task == errand.TaskScene && o.Scene != nil:
		return d.scene(ctx, o.Scene)
	case o.Task == errand.TaskClear && o.Clear != nil && o.Source != nil:
		return d.clear(ctx, o.Source.Root, *o.Clear)
	case o.Task == errand.TaskRecover, o.Task == errand.TaskDiscard:
		if err := d.seat.mayWrite(o.Landing.Root); err != nil {
			return errand.Done{}, err
		}
		if o.Task == errand.TaskRecover {
			return errand.Done{}, recovery.Recover(ctx, d.within(o.Landing), o.Transfer)
		}
		return errand.Done{}, recovery.Discard(ctx, d.within(o.Landing), o.Transfer)
	}
	return errand.Done{}, d.attend(ctx, o)
}

// find sees whether what a peer asks for is there.
func (d *doing) find(f *errand.Find) error {
	if err := d.seat.mayRead(f.Root); err != nil {
		return err
	}
	if f.List {
		return source.List(f.Root)
	}
	_, err := source.Grant(&f.Request, []mft.Grant{{Agent: f.Request.Requester, Root: f.Root}})
	return err
}

// within is the ledger of the errand, for one landing that was found to be allowed.
func (d *doing) within(l journal.Landing) transfer.Ledger { return held{book{d.port}, l} }

// measured shows the agent what a meter shows until the function it returns is called.
func (d *doing) measured(m *transfer.Meter) (stop func()) {
	show := func() {
		totals, moved := m.Snapshot()
		// When the agent is gone, everything ends anyway.
		_ = d.port.Tell(errand.KindMeter, errand.Meter{Totals: totals, Moved: moved, Unchanged: m.Unchanged()})
	}
	over := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		tick := time.NewTicker(meterEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				show()
			case <-over:
				return
			}
		}
	})
	return func() {
		close(over)
		all.Wait()
		show()
	}
}

func (d *doing) note(kind mft.EventKind, code mft.Code, detail string) {
	_ = d.port.Tell(errand.KindNote, errand.Note{Kind: kind, Code: code, Detail: detail}) // as with the meter
}

func (d *doing) receive(ctx context.Context, o *errand.Order) error {
	conv, err := newConversation(d.port, *o.Line, &d.all)
	if err != nil {
		return err
	}
	meter := new(transfer.Meter)
	in := receiver.Incoming{
		Offer: o.Receive.Offer, Landing: o.Receive.Landing, Ledger: d.within(o.Receive.Landing), Meter: meter, Note: d.note,
		Parcel: o.Receive.Parcel,
	}
	if o.Receive.Memory {
		in.Memory = memory{d.port, ctx}
	}
	if o.Receive.Own {
		in.Own = func(ctx context.Context) error {
			_, err := d.port.Ask(ctx, errand.KindOwn, nil, nil)
			return err
		}
	}
	if err := d.seat.mayWrite(in.Landing.Root); err != nil {
		transfer.Abort(ctx, conv, err)
		return err
	}
	defer d.measured(meter)()
	_, err = receiver.Run(ctx, conv, in)
	return err
}

// content is what an order to send names, which has to be closed.
func (d *doing) content(o *errand.Order) (*source.Content, error) {
	s := o.Send
	if err := d.seat.mayRead(s.Root); err != nil {
		return nil, err
	}
	return &source.Content{
		Transfer: mft.Transfer{
			ID: o.Transfer, Role: mft.RoleSend, Peer: s.Peer, Channel: s.Channel, Sources: s.Sources, Destination: s.Destination,
			Requested: s.Requested, Overwrite: s.Overwrite, Compare: s.Compare, Compress: s.Compress, Mirror: s.Mirror, Preserve: s.Preserve,
		},
		From: s.From,
		Place: source.Place{
			Grants: []mft.Grant{{Agent: s.Peer, Root: s.Root}}, Channel: s.Root, Select: s.Select, Guard: s.Guard,
			Missing: func(err error) { d.note(mft.EventItem, mft.CodeNotFound, err.Error()) },
		},
	}, nil
}

// offer sees what would be offered.
func (d *doing) offer(ctx context.Context, o *errand.Order) (errand.Done, error) {
	c, err := d.content(o)
	if err != nil {
		return errand.Done{}, err
	}
	defer c.Close()
	offer, err := c.Offer(ctx)
	if err != nil {
		return errand.Done{}, err
	}
	return errand.Done{Offer: &errand.Offered{Announced: offer.Announced, Single: offer.Single}}, nil
}

func (d *doing) send(ctx context.Context, o *errand.Order) (errand.Done, error) {
	s := o.Send
	c, err := d.content(o)
	if err != nil {
		return errand.Done{}, err
	}
	defer c.Close()
	conv, err := newConversation(d.port, *o.Line, &d.all)
	if err != nil {
		return errand.Done{}, err
	}
	offer, err := c.Offer(ctx)
	if err != nil {
		return errand.Done{}, err
	}
	meter := new(transfer.Meter)
	defer d.measured(meter)()
	out := sender.Outgoing{Offer: offer, Sources: c.Sources(), Meter: meter, Note: d.note, LastTry: s.LastTry, Compress: s.Compress}
	if len(s.Pace) > 0 {
		d.pace.Follow(s.Pace)
		out.Throttle = d.pace
	}
	if s.Took {
		read := &reading{port: d.port}
		out.Took, conv.sealing = read.took, read.tell
	}
	receipt, signed, err := sender.Run(ctx, conv, out)
	if err != nil {
		return errand.Done{}, err
	}
	return doneWith(receipt, signed), nil
}

// mayWrite says why a directory is none of those that this process writes to.
func (s *Seat) mayWrite(root string) error { return among(root, s.Write) }

func (s *Seat) mayRead(root string) error { return among(root, append(s.Read, s.Write...)) }

// among says why a directory is not one of some, nor below one.
func among(root string, some []string) error {
	clean := filepath.Clean(root)
	for _, dir := range some {
		if filepath.IsAbs(clean) && (clean == dir || dir == "/" || strings.HasPrefix(clean, dir+"/")) {
			return nil
		}
	}
	return mft.Fail(mft.CodeNotAllowed, "use directory", root, errors.New("this process was not started for it"))
}
