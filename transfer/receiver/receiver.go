// Package receiver is the receiving end of a transfer: it answers an offer that
// was admitted, plans what it wants, verifies what lands, has it committed, and
// gives the receipt. See package transfer for the whole conversation, and
// package sender for its mirror.
//
// Whatever comes from the peer is held against what was announced and agreed;
// the first thing that does not fit ends the attempt, and nothing of it has
// appeared under a final name. How items come to their final names is for
// package staging.
package receiver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"golang.org/x/sync/errgroup"

	"mft.dev/mft"
	"mft.dev/mft/internal/ring"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/mirror"
	"mft.dev/mft/transfer/receiver/intake"
	"mft.dev/mft/transfer/receiver/known"
	"mft.dev/mft/transfer/receiver/rebuild"
	"mft.dev/mft/transfer/receiver/remember"
	"mft.dev/mft/transfer/receiver/reply"
	"mft.dev/mft/transfer/receiver/wire"
	"mft.dev/mft/transfer/resident"
	"mft.dev/mft/transfer/staging"
)

// Incoming is what Run receives.
type Incoming struct {
	// Offer was verified and admitted, and the transfer is in the journal in
	// state running.
	Offer   mft.Offer
	Landing journal.Landing
	Ledger  transfer.Ledger
	Meter   *transfer.Meter // required
	Note    transfer.Note   // required
	// Parcel says that content comes out of a parcel. Nobody hears marks of an old
	// version then or asks about them: the sender has chosen by itself what to copy
	// from which. Without that version the error is mft.CodeOutdated.
	Parcel bool
	// Memory remembers marks; nil for none.
	Memory remember.Memory
	// Own, if it is set, is asked before anything of the transfer is delivered, and
	// may fail: several hosts may be offered the same transfer, and one delivers it.
	Own func(ctx context.Context) error
}

// Run answers an admitted offer, takes what is sent, and commits it. When it
// returns a receipt, everything that the receipt vouches for is durable under
// its final name, the journal has the transfer as delivered with this receipt,
// and the receipt has been handed to the conversation.
//
// After an error the transfer stays as it is in the journal, and what has been
// verified stays in its staging directory: the next attempt goes on there, or
// recovery.Discard removes it. What the sender can do about the error it was
// told.
func Run(ctx context.Context, conv transfer.Conversation, in Incoming) (mft.Receipt, error) {
	return run(ctx, conv, in, nil)
}

func run(ctx context.Context, conv transfer.Conversation, in Incoming, step staging.Stepper) (mft.Receipt, error) {
	in.Meter.Reset()
	r, err := newReceiver(ctx, in)
	if err != nil {
		reply.Refuse(ctx, conv, err)
		return mft.Receipt{}, err
	}
	defer r.close()
	r.area.Watch(step)
	receipt, err := r.attempt(ctx, conv)
	if err != nil {
		transfer.Abort(ctx, conv, err)
	}
	return receipt, err
}

// attempt takes the sender's offer up, to the end.
func (r *receiver) attempt(ctx context.Context, conv transfer.Conversation) (mft.Receipt, error) {
	streams := transfer.AcceptStreams(r.in.Offer.Streams)
	yes := mft.Decision{Code: mft.CodeOK, DataKey: conv.DataKey(), Streams: streams, Basis: r.place.Basis(), Zstd: true}
	if err := reply.Decide(ctx, conv, yes); err != nil {
		return mft.Receipt{}, err
	}
	conn, err := conv.OpenData(ctx, r.in.Offer.DataKey, streams)
	if err != nil {
		return mft.Receipt{}, fmt.Errorf("opening the data connection: %w", err)
	}
	defer conn.Close()
	receipt, err := r.converse(ctx, conv, conn)
	if err != nil {
		return mft.Receipt{}, err
	}
	err = reply.Hand(ctx, conv, receipt)
	r.keeper.Tidy() // last, for nobody waits for it
	return receipt, err
}

// Redeliver answers an offer of a transfer that already has its receipt.
func Redeliver(ctx context.Context, conv transfer.Conversation, r mft.Receipt) error {
	return reply.Redeliver(ctx, conv, r)
}

// item is one announced item at the receiver.
type item struct {
	item    mft.Item
	final   string // relative to the landing's root
	wanted  bool   // content is due
	kept    bool   // an earlier attempt left all of it, with digest
	decided bool   // its contribution to the manifest is known
	hashed  bool
	settled bool // committed, had before, failed or superseded
	outcome protocol.Outcome
	digest  mft.Digest
	there   *resident.Found // offered as having the content
	found   bool            // and the sender found that it has
	held    bool            // the verdict was held back
	old     *resident.Found // what may help to make it
}

// receiver is the state of one attempt at receiving. One goroutine reads the
// data connection ahead, see package intake; another owns what it lands; a
// third commits. The last two share the window and the pending batch.
type receiver struct {
	in    Incoming
	area  *staging.Area
	known *known.Set
	slot  item // that the next verdict is on

	line     *wire.Line
	verdicts reply.Verdicts
	untold   int // items whose verdicts may be kept back for others

	big   *bigFile        // the file that DATA belongs to
	shelf *rebuild.Shelf  // old versions that are in use
	queue []protocol.Want // verdicts Delta that wait for room there

	keeper *remember.Keeper

	place   *resident.Place
	mirror  *mirror.Mirror // nil without one
	removed int64          // by earlier attempts

	mu        sync.Mutex
	items     *ring.Ring[item]
	open      int // of items: how many are not settled
	manifest  *protocol.Manifest
	hashedTo  uint64
	delivered mft.Count // committed now or before
	unchanged mft.Count // there before this transfer
	failed    int64
	batch     staging.Batch
	roomy     sync.Cond // batch has been taken, or stopped
	stopped   bool      // the attempt is over: nobody takes the batch

	failures transfer.Failures
	owned    bool // this end delivers the transfer; of the one that commits

	seal chan mft.Seal
	kick chan struct{} // the committer should look
}

// newReceiver prepares the place where items land, and remembers what earlier
// attempts delivered.
func newReceiver(ctx context.Context, in Incoming) (*receiver, error) {
	area, err := staging.Open(ctx, staging.Options{
		Transfer: in.Offer.Transfer, Ledger: in.Ledger, Landing: in.Landing, Single: in.Offer.Single, Announced: in.Offer.Announced, Preserve: in.Offer.Preserve,
	})
	if err != nil {
		return nil, err
	}
	earlier, err := known.Load(ctx, in.Ledger)
	if err != nil {
		return nil, errors.Join(err, area.Close())
	}
	place, err := resident.Open(area.Root(), area.Dir(), resident.Terms{
		Compare: in.Offer.Compare, Overwrite: in.Offer.Overwrite, Mirror: in.Offer.Mirror.On, SetID: in.Landing.AllowSetID, Preserve: in.Offer.Preserve, Owners: area.Owners(),
		Resumed: earlier.Len() > 0, Attributes: area.Attributes, Building: area.Aside,
	})
	if err != nil {
		return nil, errors.Join(err, area.Close())
	}
	r := &receiver{
		in: in, area: area, known: earlier, place: place,
		items: ring.New[item](transfer.Window), manifest: protocol.NewManifest(),
		keeper: remember.New(in.Memory, area.Root()),
		seal:   make(chan mft.Seal, 1), kick: make(chan struct{}, 1),
	}
	r.roomy.L = &r.mu
	if err := r.openMirror(ctx); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *receiver) close() {
	r.keeper.Close()
	r.place.Close() // nothing was written through it
	r.area.Close()
}

// converse takes part in the data connection until everything is committed.
func (r *receiver) converse(ctx context.Context, conv transfer.Conversation, conn net.Conn) (mft.Receipt, error) {
	r.line = wire.New(conn)
	r.shelf = rebuild.New(r.line)
	defer r.shelf.Close()
	g, gctx := errgroup.WithContext(ctx)
	woken := make(chan struct{})
	wake := context.AfterFunc(gctx, func() {
		defer close(woken)
		r.line.Stop()
		r.mu.Lock()
		r.stopped = true
		r.roomy.Broadcast()
		r.mu.Unlock()
	})

	landed, left := make(chan struct{}), make(chan struct{})
	var receipt mft.Receipt
	alive, quiet := context.WithCancel(gctx)
	defer quiet()
	g.Go(func() error {
		return transfer.KeepAlive(alive, func() error { return r.line.Write(protocol.FrameAlive, nil) })
	})
	g.Go(func() error { return r.shelf.Run(alive) })
	g.Go(func() error { return r.awaitSeal(gctx, conv) })
	frames := intake.New(r.line.Frames())
	g.Go(func() error {
		frames.Run(gctx)
		return nil
	})
	g.Go(func() error {
		defer close(left)
		defer r.abandonBig()
		if err := r.land(gctx, frames); err != nil {
			return transfer.Cause(gctx, err)
		}
		close(landed)
		return nil
	})
	g.Go(func() error {
		var err error
		receipt, err = r.commitAll(gctx, landed)
		quiet()
		if err != nil && gctx.Err() != nil {
			<-left
			r.commitRest(context.Cause(gctx))
		}
		return err
	})
	err := g.Wait()
	if !wake() {
		<-woken
	}
	r.batch.Close()
	if err != nil {
		r.line.Tell(err)
	}
	return receipt, err
}

// awaitSeal passes the sender's seal on.
func (r *receiver) awaitSeal(ctx context.Context, conv transfer.Conversation) error {
	e, err := conv.Receive(ctx)
	if err != nil {
		return transfer.Cause(ctx, fmt.Errorf("waiting for the seal: %w", err))
	}
	seal, err := e.Seal()
	if err != nil {
		return err
	}
	r.seal <- seal
	return nil
}

// untoldMost bounds how many items wait for their verdicts so that these go
// together: a sender that is woken for few has time for little else, and one that
// hears of many at once has nothing to do meanwhile.
const untoldMost = 512

// land takes what the sender sends until it has sent everything.
func (r *receiver) land(ctx context.Context, in *intake.Intake) error {
	moving := false
	for {
		if !in.Ready() || r.untold >= untoldMost { // the sender may wait for it
			r.untold = 0
			if err := r.line.Flush(); err != nil {
				return err
			}
		}
		f, err := in.Next(ctx, r.big != nil)
		if err != nil {
			return err
		}
		switch f.Kind {
		case protocol.FrameData:
			if r.big == nil {
				return transfer.Nonsense("content came outside of a file")
			}
			if err := r.big.Data(ctx, in.Content(), f.Size); err != nil {
				return err
			}
			continue
		case protocol.FrameFile, protocol.FramePack:
			if !moving {
				moving = true
				r.in.Note(mft.EventMoving, mft.CodeOK, "")
			}
		case protocol.FrameEnd:
			return r.checkComplete()
		}
		if err := r.hear(ctx, f); err != nil {
			return err
		}
	}
}

func (r *receiver) hear(ctx context.Context, f *intake.Frame) error {
	payload := f.Payload
	switch f.Kind {
	case protocol.FrameAlive:
		return nil
	case protocol.FrameItems:
		first, items, err := protocol.ParseItems(payload)
		if err != nil {
			return err
		}
		return r.plan(ctx, first, items)
	case protocol.FrameListings, protocol.FrameMatched, protocol.FrameListed, protocol.FrameLinked, protocol.FrameWalked, protocol.FrameScanned:
		return r.hearTree(ctx, f.Kind, payload)
	case protocol.FramePack:
		return r.landPack(ctx, f.Files)
	case protocol.FrameBasis:
		return r.hearBasis(payload)
	case protocol.FrameFile:
		start, err := protocol.ParseFileStart(payload)
		if err != nil {
			return err
		}
		return r.landBig(ctx, start)
	case protocol.FrameHole, protocol.FrameCopy, protocol.FrameCheck, protocol.FrameFileEnd:
		return r.hearBig(ctx, f.Kind, payload)
	case protocol.FrameAsk:
		return r.hearAsk(payload)
	case protocol.FrameFileFail:
		fail, err := protocol.ParseItemFail(payload)
		if err != nil {
			return err
		}
		return r.landFail(ctx, fail)
	case protocol.FrameFail:
		f, err := protocol.ParseFailure(payload)
		if err != nil {
			return err
		}
		return mft.Fail(f.Code, "transfer", "", fmt.Errorf("the sender stopped: %s", f.Detail))
	}
	return transfer.Nonsense("a frame of kind %d does not come from a sender", f.Kind)
}

// checkComplete makes sure that END came when nothing is due any more.
func (r *receiver) checkComplete() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.big != nil || len(r.queue) > 0 {
		return transfer.Nonsense("the end came before the content of a file")
	}
	for i := r.items.First(); i < r.items.Next(); i++ {
		if it := r.items.At(i); it.wanted {
			return transfer.Nonsense("the end came before the content of item %d", i)
		}
	}
	return nil
}
