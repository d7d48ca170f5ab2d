// Package sender is the sending end of a transfer: it offers, announces what
// the source holds, sends what the receiver wants, and seals. See package
// transfer for the whole conversation, and package receiver for its mirror.
//
// What is read is one version of a file or nothing: a file that changes while
// it is read is announced again. The package deletes nothing from a source and
// does not try again after an error; its caller does.
package sender

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/compress"
	"mft.dev/mft/transfer/preserve"
	"mft.dev/mft/transfer/scan"
	"mft.dev/mft/transfer/sender/linked"
	"mft.dev/mft/transfer/sender/patch"
	"mft.dev/mft/transfer/sender/walk"
	"mft.dev/mft/transfer/throttle"
)

// Outgoing is what Run sends.
type Outgoing struct {
	// Offer is complete but for DataKey and Streams.
	Offer mft.Offer
	// Sources yield the items, in this order. Run does not close them.
	Sources []*scan.Source
	// LastTry makes files that never stop changing fail for good instead of
	// failing the attempt with CodeChanged.
	LastTry bool
	// Compress is when to, if the receiver understands it; empty is auto.
	Compress mft.Compress
	// Watch, if it is set, returns who sees the content of a big file that is about
	// to be sent, all of it and also what the receiver has; nil is nobody.
	Watch func(*mft.Item) Watcher
	// Took, if it is set, is told of each file of which the peer has a version, or will
	// have when it gives its receipt: where it is below its source, and which it is. It is told
	// of all of them before the seal is sent, by one goroutine at a time, and must not block.
	Took func(rel string, id confine.Identity)
	// Throttle, if it is set, is how fast content may be sent, after compression.
	Throttle *throttle.Throttle
	Meter    *transfer.Meter // required
	Note     transfer.Note   // required
}

// A Watcher sees the content of one file go by, from its beginning to its end.
type Watcher interface {
	transfer.Witness
	// Passed says that this was all of it, and one version, which has this digest.
	Passed(mft.Digest)
}

// Limits of the sending end. They bound memory and latency.
const (
	itemsPerFrame = 512       // in one ITEMS frame
	itemBytes     = 256 << 10 // of their encoding
	packTarget    = 256 << 10 // a PACK is sent when it has grown to this
	checkEvery    = 16 << 20  // content between two CHECK frames
	changedTries  = 5         // how often a changing file is read in one attempt
)

// Run offers a transfer, and when the peer accepts it moves everything that
// the peer wants. It returns the peer's word that all of it is durable under
// its final name, and the message in which the peer signed it: the proof for
// whoever has the peer's public key. It is safe to call again after any error:
// the peer knows by the transfer's id what it already has.
//
// A refusal is a *[transfer.Refused]. Other errors have a code; Code.Retryable
// says whether the same call may succeed later. A receipt whose code is not OK
// means that the transfer is over although some items were not delivered.
func Run(ctx context.Context, conv transfer.Conversation, out Outgoing) (mft.Receipt, *protocol.Envelope, error) {
	out.Meter.Reset()
	receipt, signed, err := attempt(ctx, conv, out)
	if err != nil {
		transfer.Abort(ctx, conv, err)
		return mft.Receipt{}, nil, err
	}
	return receipt, signed, nil
}

func attempt(ctx context.Context, conv transfer.Conversation, out Outgoing) (r mft.Receipt, signed *protocol.Envelope, err error) {
	decision, err := offer(ctx, conv, &out.Offer)
	if err != nil {
		return r, nil, err
	}
	if decision.Code == mft.CodeDelivered {
		return awaitReceipt(ctx, conv, out.Offer.Transfer)
	}
	streams, err := transfer.AgreedStreams(out.Offer.Streams, decision.Streams)
	if err != nil {
		return r, nil, err
	}
	conn, err := conv.OpenData(ctx, decision.DataKey, streams)
	if err != nil {
		return r, nil, fmt.Errorf("opening the data connection: %w", err)
	}
	defer conn.Close()
	if !decision.Zstd {
		out.Compress = mft.CompressNever
	}
	for _, source := range out.Sources {
		source.Preserve = preserve.For(out.Offer.Preserve)
	}
	s := newSender(ctx, out, conn)
	s.basis = decision.Basis
	if r, signed, err = s.run(ctx, conv); err != nil {
		return r, nil, err
	}
	if err := s.agree(r); err != nil {
		return r, nil, err
	}
	out.Note(mft.EventVerified, mft.CodeOK, "")
	return r, signed, nil
}

// offer makes the offer and returns the decision, which is CodeOK or
// CodeDelivered.
func offer(ctx context.Context, conv transfer.Conversation, o *mft.Offer) (mft.Decision, error) {
	o.DataKey = conv.DataKey()
	o.Streams = conv.Streams()
	if err := conv.Send(ctx, protocol.KindOffer, protocol.AppendOffer(nil, o)); err != nil {
		return mft.Decision{}, fmt.Errorf("sending the offer: %w", err)
	}
	e, err := conv.Receive(ctx)
	if err != nil {
		return mft.Decision{}, fmt.Errorf("waiting for the decision: %w", err)
	}
	d, err := e.Decision()
	if err != nil {
		return mft.Decision{}, err
	}
	if !d.Code.OK() && d.Code != mft.CodeDelivered {
		return mft.Decision{}, &transfer.Refused{Decision: d}
	}
	return d, nil
}

func awaitReceipt(ctx context.Context, conv transfer.Conversation, id mft.TransferID) (mft.Receipt, *protocol.Envelope, error) {
	e, err := conv.Receive(ctx)
	if err != nil {
		return mft.Receipt{}, nil, fmt.Errorf("waiting for the receipt: %w", err)
	}
	receipt, err := e.Receipt()
	if err == nil && receipt.Transfer != id {
		err = transfer.Nonsense("a receipt for transfer %v came instead of one for %v", receipt.Transfer, id)
	}
	return receipt, e, err
}

// sender is the state of one attempt at sending.
type sender struct {
	out  Outgoing
	conn net.Conn

	writing sync.Mutex         // one frame at a time
	small   *transfer.Gatherer // before conn
	frames  *compress.Writer

	list   *list
	asks   *walk.Asks
	linked *linked.Book
	book   *patch.Book
	basis  mft.Basis

	failures transfer.Failures
	unread   int64 // items that could not even be announced
	empty    bool  // a source is a directory with nothing in it

	sealed  chan struct{} // closed before the seal is sent
	receipt chan struct{} // closed when the receipt has come
}

func newSender(ctx context.Context, out Outgoing, conn net.Conn) *sender {
	small := transfer.NewGatherer(out.Throttle.Writer(ctx, transfer.Writer{Conn: conn}))
	s := &sender{
		out: out, conn: conn, small: small, frames: compress.NewWriter(small, out.Compress, time.Now),
		list: newList(), book: patch.NewBook(),
		sealed: make(chan struct{}), receipt: make(chan struct{}),
	}
	s.list.took = out.Took
	if out.Offer.Preserve.Has(mft.PreserveLinks) {
		s.linked = linked.New()
	}
	s.asks = walk.NewAsks(s.list.compared)
	return s
}

// run moves everything and returns the receipt, as it is and as it was signed.
func (s *sender) run(ctx context.Context, conv transfer.Conversation) (receipt mft.Receipt, signed *protocol.Envelope, err error) {
	g, ctx := errgroup.WithContext(ctx)
	// Closing the connection and waking the waiters is what ends the three
	// other goroutines when one fails.
	stop := context.AfterFunc(ctx, func() {
		s.conn.Close()
		s.list.stop(context.Cause(ctx))
		s.asks.Stop(context.Cause(ctx))
	})
	defer stop()

	alive, quiet := context.WithCancel(ctx)
	defer quiet()
	g.Go(func() error {
		return transfer.KeepAlive(alive, func() error { return s.write(protocol.FrameAlive) })
	})
	g.Go(func() error { return s.announce(ctx) })
	g.Go(func() error { return s.listen(ctx) })
	g.Go(func() error {
		if err := s.content(ctx); err != nil {
			return err
		}
		return s.seal(ctx, conv)
	})
	g.Go(func() error {
		var err error
		receipt, signed, err = awaitReceipt(ctx, conv, s.out.Offer.Transfer)
		if err == nil {
			close(s.receipt)
			quiet()
			s.conn.Close() // nothing can follow: this is what ends listen
		}
		return err
	})
	err = g.Wait()
	return receipt, signed, err
}

// seal tells the peer that everything has been sent, and what it was.
func (s *sender) seal(ctx context.Context, conv transfer.Conversation) error {
	seal := s.sum()
	seal.Transfer = s.out.Offer.Transfer
	close(s.sealed)
	if err := s.write(protocol.FrameEnd); err != nil {
		return err
	}
	if err := conv.Send(ctx, protocol.KindSeal, protocol.AppendSeal(nil, &seal)); err != nil {
		return fmt.Errorf("sending the seal: %w", err)
	}
	return nil
}

// sum is what is sealed.
func (s *sender) sum() mft.Seal { return s.list.seal(s.unread, s.unread == 0 && !s.empty) }

// agree checks that the receipt is for what was sent in this attempt.
func (s *sender) agree(r mft.Receipt) error {
	if sum := s.sum().Manifest; r.Manifest != sum {
		return mft.Fail(mft.CodeCorrupt, "check receipt", "",
			fmt.Errorf("the receipt is for manifest %v, what was sent is %v", r.Manifest, sum))
	}
	return nil
}

// write sends one frame of the concatenated parts.
func (s *sender) write(kind protocol.FrameKind, parts ...[]byte) error {
	return s.line(func() error { return s.frames.WriteFrame(kind, parts...) })
}

// line gives out the data connection to one goroutine at a time.
func (s *sender) line(write func() error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := write(); err != nil {
		return transfer.Disconnected("write to", err)
	}
	return nil
}
