package transfer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

// Send offers a transfer, and when the peer accepts it moves everything that
// the peer wants. It returns the peer's signed word that all of it is durable
// under its final name. It is safe to call again after any error: the peer
// knows by the transfer's id what it already has.
//
// A refusal is a *[Refused]. Other errors have a code; Code.Retryable says
// whether the same call may succeed later. A receipt whose code is not OK
// means that the transfer is over although some items were not delivered.
func Send(ctx context.Context, conv Conversation, out Outgoing) (mft.Receipt, error) {
	out.Meter.reset()
	decision, err := offer(ctx, conv, &out.Offer)
	if err != nil {
		return mft.Receipt{}, err
	}
	if decision.Code == mft.CodeDelivered {
		return awaitReceipt(ctx, conv, out.Offer.Transfer)
	}
	conn, err := conv.OpenData(ctx, decision.DataKey)
	if err != nil {
		return mft.Receipt{}, fmt.Errorf("opening the data connection: %w", err)
	}
	defer conn.Close()
	s := newSender(out, conn)
	receipt, err := s.run(ctx, conv)
	if err != nil {
		return mft.Receipt{}, err
	}
	if err := s.agree(receipt); err != nil {
		return mft.Receipt{}, err
	}
	out.Note(mft.EventVerified, mft.CodeOK, "")
	return receipt, nil
}

// offer makes the offer and returns the decision, which is CodeOK or
// CodeDelivered.
func offer(ctx context.Context, conv Conversation, o *mft.Offer) (mft.Decision, error) {
	o.DataKey = conv.DataKey()
	o.Streams = 1
	if err := conv.Send(ctx, protocol.KindOffer, protocol.AppendOffer(nil, o)); err != nil {
		return mft.Decision{}, fmt.Errorf("sending the offer: %w", err)
	}
	kind, body, err := conv.Receive(ctx)
	if err != nil {
		return mft.Decision{}, fmt.Errorf("waiting for the decision: %w", err)
	}
	if kind != protocol.KindDecision {
		return mft.Decision{}, unexpected(kind, body, protocol.KindDecision)
	}
	d, err := protocol.ParseDecision(body)
	if err != nil {
		return mft.Decision{}, err
	}
	if !d.Code.OK() && d.Code != mft.CodeDelivered {
		return mft.Decision{}, &Refused{Decision: d}
	}
	return d, nil
}

func awaitReceipt(ctx context.Context, conv Conversation, id mft.TransferID) (mft.Receipt, error) {
	kind, body, err := conv.Receive(ctx)
	if err != nil {
		return mft.Receipt{}, fmt.Errorf("waiting for the receipt: %w", err)
	}
	if kind != protocol.KindReceipt {
		return mft.Receipt{}, unexpected(kind, body, protocol.KindReceipt)
	}
	receipt, err := protocol.ParseReceipt(body)
	receipt.Transfer = id
	return receipt, err
}

// unexpected makes an error of a message that is not the one waited for. A
// Cancel can come at any time.
func unexpected(kind protocol.Kind, body []byte, want protocol.Kind) error {
	if kind == protocol.KindCancel {
		c, err := protocol.ParseCancel(body)
		if err != nil {
			return err
		}
		return mft.Fail(c.Code, "transfer", "", fmt.Errorf("the peer ended it: %s", c.Detail))
	}
	return protocolError("a %v came where a %v was due", kind, want)
}

// sender is the state of one attempt at sending.
type sender struct {
	out  Outgoing
	conn net.Conn

	writing sync.Mutex // one frame at a time
	frames  *protocol.FrameWriter

	list *outList

	failures failures
	scanErrs int64 // items that could not even be announced

	sealed  chan struct{} // closed before the seal is sent
	receipt chan struct{} // closed when the receipt has come
}

func newSender(out Outgoing, conn net.Conn) *sender {
	return &sender{
		out: out, conn: conn, frames: protocol.NewFrameWriter(conn), list: newOutList(),
		sealed: make(chan struct{}), receipt: make(chan struct{}),
	}
}

// run moves everything and returns the receipt.
func (s *sender) run(ctx context.Context, conv Conversation) (mft.Receipt, error) {
	g, ctx := errgroup.WithContext(ctx)
	// Closing the connection and waking the waiters is what ends the three
	// other goroutines when one fails.
	stop := context.AfterFunc(ctx, func() {
		s.conn.Close()
		s.list.stop(context.Cause(ctx))
	})
	defer stop()

	var receipt mft.Receipt
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
		receipt, err = awaitReceipt(ctx, conv, s.out.Offer.Transfer)
		if err == nil {
			close(s.receipt)
			s.conn.Close() // nothing can follow: this is what ends listen
		}
		return err
	})
	return receipt, g.Wait()
}

// seal tells the peer that everything has been sent, and what it was.
func (s *sender) seal(ctx context.Context, conv Conversation) error {
	seal := s.list.seal(s.scanErrs)
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

// agree checks that the receipt is for what was sent in this attempt.
func (s *sender) agree(r mft.Receipt) error {
	if sum := s.list.seal(s.scanErrs).Manifest; r.Manifest != sum {
		return mft.Fail(mft.CodeCorrupt, "check receipt", "",
			fmt.Errorf("the receipt is for manifest %v, what was sent is %v", r.Manifest, sum))
	}
	return nil
}

// writeTimeout is how long the peer may take no content at all before the
// attempt is given up. It is longer than a slow disk needs for a flush.
const writeTimeout = 5 * time.Minute

// write sends one frame of the concatenated parts.
func (s *sender) write(kind protocol.FrameKind, parts ...[]byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return disconnected("write to", err)
	}
	if err := s.frames.WriteFrame(kind, parts...); err != nil {
		return disconnected("write to", err)
	}
	return nil
}

// disconnected makes an error of a failed read or write, unless it has a code
// already: what cannot be parsed is no disconnection.
func disconnected(op string, err error) error {
	var coded *mft.Error
	code := mft.CodeDisconnected
	if errors.As(err, &coded) {
		code = coded.Code
	}
	return mft.Fail(code, op+" the data connection", "", err)
}

// failures remembers the first reason for which an item was not delivered.
type failures struct {
	mu    sync.Mutex
	first mft.Reason
}

func (f *failures) add(code mft.Code, detail string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first.Code == "" {
		f.first = mft.Reason{Code: code, Detail: detail}
	}
}

func (f *failures) get() mft.Reason {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.first
}
