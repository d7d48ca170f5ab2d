// Package foreman has files moved: by a worker process, where the agent has one for
// the channel or grant, else in this process.
//
//	f := foreman.New(foreman.Config{Journal: j, Workers: workers, Table: table})
//	err := f.Receive(ctx, conv, incoming)
//	receipt, signed, err := f.Send(ctx, conv, content, outgoing)
//	err = f.Discard(ctx, id)
//
// It answers what a worker asks, in so far as it is about the worker's own transfer:
// its rows in the journal, its conversation, its connections. It refuses everything
// else, and takes no worker's word for what only the journal can know.
package foreman

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"mft.dev/mft"
	"mft.dev/mft/agent/seat"
	"mft.dev/mft/agent/source"
	"mft.dev/mft/agent/worker/errand"
	"mft.dev/mft/internal/post"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/receiver"
	"mft.dev/mft/transfer/sender"
	"mft.dev/mft/transfer/staging/recovery"
)

// Workers gives connections to workers.
type Workers interface {
	Worker(ctx context.Context, r seat.Request) (*post.Conn, error)
}

// Config is what a foreman is made of.
type Config struct {
	Journal *journal.Journal // required
	// Workers is nil where everything is done in this process; else Table says what
	// there are workers for.
	Workers Workers
	Table   *seat.Table
}

// A Foreman is safe for concurrent use.
type Foreman struct {
	c Config

	mu         sync.Mutex // guards what follows
	attendants map[seat.Request]*attendant
}

// New returns a foreman. It starts nothing.
func New(c Config) *Foreman {
	return &Foreman{c: c, attendants: map[seat.Request]*attendant{}}
}

// Receive is receiver.Run. What an attempt at a canary leaves behind is removed: none goes
// on where another ended.
func (f *Foreman) Receive(ctx context.Context, conv transfer.Conversation, in receiver.Incoming) error {
	id := in.Offer.Transfer
	err := f.receive(ctx, conv, in)
	if err != nil && mft.IsCanary(in.Offer.Destination, id) {
		// If that fails, the end of the transfer and the next start try again.
		_ = f.Discard(context.WithoutCancel(ctx), id)
	}
	return err
}

func (f *Foreman) receive(ctx context.Context, conv transfer.Conversation, in receiver.Incoming) error {
	id := in.Offer.Transfer
	in.Ledger = ledger.Of(f.c.Journal, id)
	r, ok := f.files(in.Offer.Sender, in.Landing.Root)
	if !ok {
		_, err := receiver.Run(ctx, conv, in)
		return err
	}
	in.Meter.Reset()
	d := &desk{
		transfer: id, conv: conv, ledger: in.Ledger, meter: in.Meter, note: in.Note, own: in.Own, memory: in.Memory,
		root: in.Landing.Root,
	}
	_, err := f.have(ctx, r, d, errand.Order{
		Task: errand.TaskReceive, Transfer: id, Line: d.lineOf(conv, in.Offer.Sender),
		Receive: &errand.Receive{Offer: in.Offer, Landing: in.Landing, Parcel: in.Parcel, Own: in.Own != nil, Memory: in.Memory != nil},
	})
	if mft.CodeOf(err) == mft.CodeWorker { // nobody has told the peer
		transfer.Abort(ctx, conv, err)
	}
	return err
}

// Send is sender.Run with the content of a transfer. What it is offered as, and its
// sources, are filled in.
func (f *Foreman) Send(ctx context.Context, conv transfer.Conversation, c *source.Content, out sender.Outgoing) (mft.Receipt, *protocol.Envelope, error) {
	fail := func(err error) (mft.Receipt, *protocol.Envelope, error) { return mft.Receipt{}, nil, err }
	t := &c.Transfer
	r, root, ok, err := f.sources(t, c.Place)
	if err != nil {
		return fail(err)
	}
	if !ok {
		if out.Offer, err = c.Offer(ctx); err != nil {
			return fail(err)
		}
		out.Sources = c.Sources()
		return sender.Run(ctx, conv, out)
	}
	out.Meter.Reset()
	offers := c.Offered()
	d := &desk{transfer: t.ID, conv: conv, meter: out.Meter, note: out.Note, offers: &offers, found: taking(out.Took)}
	o := sending(c, root)
	o.Task, o.Line = errand.TaskSend, d.lineOf(conv, t.Peer)
	o.Send.Compress, o.Send.LastTry, o.Send.Took, o.Send.Pace = out.Compress, out.LastTry, out.Took != nil, out.Throttle.Plan()
	done, err := f.have(ctx, r, d, o)
	if err != nil {
		if mft.CodeOf(err) == mft.CodeWorker {
			transfer.Abort(ctx, conv, err)
		}
		return fail(err)
	}
	return d.sent(done)
}

// Apart reports whether a worker reads the content of a transfer.
func (f *Foreman) Apart(c *source.Content) bool {
	_, _, ok, err := f.sources(&c.Transfer, c.Place)
	return ok && err == nil
}

// Offer is the Offer of a content.
func (f *Foreman) Offer(ctx context.Context, c *source.Content) (mft.Offer, error) {
	r, root, ok, err := f.sources(&c.Transfer, c.Place)
	if err != nil {
		return mft.Offer{}, err
	}
	if !ok {
		return c.Offer(ctx)
	}
	o := sending(c, root)
	o.Task = errand.TaskOffer
	done, err := f.have(ctx, r, quiet(c.Transfer.ID), o) // Send tells of what is missing
	if err != nil {
		return mft.Offer{}, err
	}
	offer := c.Offered()
	if done.Offer == nil || done.Offer.Announced.Items < 0 || done.Offer.Announced.Bytes < 0 {
		return mft.Offer{}, mft.Fail(mft.CodeInternal, "offer", offer.Transfer.String(), errors.New("a worker does not say what it would send"))
	}
	offer.Announced, offer.Single = done.Offer.Announced, done.Offer.Single
	return offer, nil
}

// sending is the order to read what a transfer sends below a directory.
func sending(c *source.Content, root string) errand.Order {
	t := &c.Transfer
	return errand.Order{
		Transfer: t.ID,
		Send: &errand.Send{
			Channel: t.Channel, Peer: t.Peer, From: c.From, Sources: t.Sources, Destination: t.Destination, Requested: t.Requested,
			Overwrite: t.Overwrite, Compare: t.Compare, Compress: t.Compress, Mirror: t.Mirror, Preserve: t.Preserve, Root: root,
			Select: c.Place.Select, Guard: c.Place.Guard,
		},
	}
}

// sent checks what a worker says that the peer has said.
func (d *desk) sent(done errand.Done) (mft.Receipt, *protocol.Envelope, error) {
	fail := func(err error) (mft.Receipt, *protocol.Envelope, error) {
		return mft.Receipt{}, nil, mft.Fail(mft.CodeInternal, "hear of a receipt", d.transfer.String(), err)
	}
	e, err := protocol.ParseEnvelope(done.Envelope)
	if err != nil {
		return fail(err)
	}
	if !d.heardOf(done.Envelope) {
		return fail(errors.New("the peer did not say that"))
	}
	receipt, err := e.Receipt()
	if err == nil && receipt.Transfer != d.transfer {
		err = errors.New("it is for another transfer")
	}
	if err != nil {
		return fail(err)
	}
	return receipt, e, nil
}

// Find is source.Grant.
func (f *Foreman) Find(ctx context.Context, r *mft.Request, grants []mft.Grant) (string, error) {
	root, rel, err := transfer.AdmitRequest(r, grants)
	if err != nil {
		return "", err
	}
	if f.c.Workers != nil {
		if place, ok := f.c.Table.Requests(r.Requester, root); ok {
			_, err := f.have(ctx, place, quiet(r.Transfer), errand.Order{
				Task: errand.TaskFind, Transfer: r.Transfer, Find: &errand.Find{Request: *r, Root: root},
			})
			return source.Below(root, rel), err
		}
	}
	return source.Grant(r, grants)
}

// quiet is the desk of an errand that asks nothing.
func quiet(id mft.TransferID) *desk {
	return &desk{transfer: id, meter: new(transfer.Meter), note: func(mft.EventKind, mft.Code, string) {}}
}

// List lists the directory of a channel as the user who reads it, to see that this
// can be done. Errors: those of source.List, and mft.CodeWorker.
func (f *Foreman) List(ctx context.Context, channel, root string) error {
	if f.c.Workers != nil {
		if place, ok := f.c.Table.Channel(channel); ok {
			_, err := f.have(ctx, place, quiet(mft.TransferID{}), errand.Order{Task: errand.TaskFind, Find: &errand.Find{Root: root, List: true}})
			return err
		}
	}
	return source.List(root)
}

// Recover is recovery.Recover, and recovery.Discard for a canary: it may be there under
// its final name, and nobody waits for the rest of it.
func (f *Foreman) Recover(ctx context.Context, id mft.TransferID) error {
	if t, _, err := f.c.Journal.Transfer(ctx, id); err != nil || mft.IsCanary(t.Destination, id) {
		return cmp.Or(err, f.Discard(ctx, id))
	}
	return f.settle(ctx, id, errand.TaskRecover, recovery.Recover)
}

// Discard is recovery.Discard.
func (f *Foreman) Discard(ctx context.Context, id mft.TransferID) error {
	return f.settle(ctx, id, errand.TaskDiscard, recovery.Discard)
}

func (f *Foreman) settle(
	ctx context.Context, id mft.TransferID, task errand.Task, here func(context.Context, transfer.Ledger, mft.TransferID) error,
) error {
	own := ledger.Of(f.c.Journal, id)
	t, _, err := f.c.Journal.Transfer(ctx, id)
	if err != nil {
		return err
	}
	landing, landed, err := f.c.Journal.Landing(ctx, id)
	if err != nil {
		return err
	}
	r, ok := f.files(t.Peer, landing.Root)
	if !ok || !landed {
		return here(ctx, own, id)
	}
	if task == errand.TaskRecover { // most have nothing to recover: no process is needed for that
		if batches, err := f.c.Journal.Prepared(ctx, id); err != nil || len(batches) == 0 {
			return err
		}
	}
	d := quiet(id)
	d.ledger = own
	_, err = f.have(ctx, r, d, errand.Order{Task: task, Transfer: id, Landing: landing})
	return err
}

// files returns who writes what a peer sends to below a root.
func (f *Foreman) files(peer mft.AgentName, root string) (seat.Request, bool) {
	if f.c.Workers == nil {
		return seat.Request{}, false
	}
	return f.c.Table.Files(peer, root)
}

// sources returns who reads what a transfer sends, and the directory that it lies in.
func (f *Foreman) sources(t *mft.Transfer, p source.Place) (r seat.Request, root string, ok bool, err error) {
	switch {
	case f.c.Workers == nil:
		return r, "", false, nil
	case t.Requested && len(t.Sources) == 1:
		// What the peer may have now decides, as in package source.
		root, _, err = transfer.AdmitRequest(&mft.Request{Transfer: t.ID, Requester: t.Peer, Path: t.Sources[0]}, p.Grants)
		if err != nil {
			return r, "", false, err
		}
		r, ok = f.c.Table.Requests(t.Peer, root)
		return r, root, ok, nil
	case !t.Requested && t.Channel != "":
		r, ok = f.c.Table.Channel(t.Channel)
		return r, p.Channel, ok, nil
	}
	return r, "", false, nil
}

// lineOf says how data connections come to be in a conversation.
func (d *desk) lineOf(conv transfer.Conversation, peer mft.AgentName) *errand.Line {
	l := &errand.Line{Peer: peer, Streams: conv.Streams()}
	inner := conv
	for {
		wraps, ok := inner.(interface{ Inner() transfer.Conversation })
		if !ok {
			break
		}
		inner = wraps.Inner()
	}
	if line, ok := inner.(Line); ok {
		d.line, l.Dials = line, line.Dials()
		return l
	}
	l.Plain, l.Key = true, conv.DataKey()
	return l
}

// tries is how often a worker is asked for: one may end because it had nothing to do
// just when it is given something.
const tries = 3

// have has a worker do an errand.
func (f *Foreman) have(ctx context.Context, r seat.Request, d *desk, o errand.Order) (errand.Done, error) {
	conn, err := f.worker(ctx, r)
	if err != nil {
		return errand.Done{}, err
	}
	return d.run(ctx, conn, o)
}

// worker returns a connection to a worker that is there.
func (f *Foreman) worker(ctx context.Context, r seat.Request) (*post.Conn, error) {
	for n := 1; ; n++ {
		conn, err := f.c.Workers.Worker(ctx, r)
		if err != nil {
			return nil, err
		}
		if err := ready(ctx, conn); err != nil {
			conn.Close()
			if errors.Is(err, io.EOF) && n < tries {
				continue
			}
			return nil, errand.Ended(err)
		}
		return conn, nil
	}
}

// ready waits until a worker says that it is there.
func ready(ctx context.Context, conn *post.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	m, err := conn.Receive()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("it does not come up: %w", context.Cause(ctx))
	case err != nil:
		return err
	case errand.Kind(m.Kind) != errand.KindReady:
		return errors.New("it did not say that it is there")
	}
	return nil
}
