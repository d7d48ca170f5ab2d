// Package talk holds the two ends of a conversation whose ends are never awake
// at the same time: [Outgoing] stands for the receiver at the sender,
// [Incoming] for the sender at the receiver. Each is a transfer.Conversation, so
// that packages sender and receiver know nothing of exchanges.
//
// What a peer has to hear goes out as a letter; what it has said before comes
// from its caller, who takes letters in and keeps them. When the next word is the
// peer's, a conversation ends with [Parked]: the attempt is over, and its caller
// makes another when a letter comes.
package talk

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/record"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/relay"
	"mft.dev/mft/transfer/sender"
)

// Parked is the error of an attempt that has done what can be done until the
// peer answers.
type Parked struct {
	// For says what is waited for: protocol.KindDecision on an offer, KindOffer
	// after a request, KindReceipt.
	For protocol.Kind
}

// Error says what is waited for.
func (p *Parked) Error() string { return p.Unwrap().Error() }

// Unwrap gives the code mft.CodeRelayed to mft.CodeOf.
func (p *Parked) Unwrap() error {
	return &mft.Error{Code: mft.CodeRelayed, Op: "send", Err: errors.New(p.Why())}
}

// Why says what is waited for, for people.
func (p *Parked) Why() string {
	why := "the offer lies in the exchange; the peer has not answered yet"
	switch p.For {
	case protocol.KindReceipt:
		why = "everything lies in the exchange; the peer has not taken it yet"
	case protocol.KindOffer:
		why = "the request lies in the exchange; what the peer sends has not come yet"
	}
	return why
}

// A Post signs a message of the transfer, seals it, and puts it into the peer's
// queue.
type Post func(ctx context.Context, kind protocol.Kind, body []byte) error

// An Outgoing is the sender's conversation. It is for one attempt. Close must be
// called.
type Outgoing struct {
	// Offer is what was offered, complete.
	Offer    mft.Offer
	Recorder *record.Recorder
	// Grant lets the peer read an object.
	Grant func(ctx context.Context, object string) (exchange.Grant, error)
	Post  Post
	// Decision and Receipt are what the peer has said to this transfer, nil
	// while it has not.
	Decision, Receipt *protocol.Envelope
	// Watch is for package sender; nil when nothing is to be remembered.
	Watch func(*mft.Item) sender.Watcher
	// Told says that the peer need not be told again: of the parcel when that is
	// published, else of the offer. Regrant says that it could not use its grant
	// of the parcel any more.
	Told, Regrant bool

	line
	mu     sync.Mutex // guards what follows
	heard  int
	sealed bool
	posted chan struct{} // closed when the peer has been told of the parcel
}

// Begin readies o, whose fields are set.
func (o *Outgoing) Begin() { o.posted = make(chan struct{}) }

// refused reports whether the peer has said no.
func (o *Outgoing) refused() bool {
	if o.Decision == nil {
		return false
	}
	d, err := o.Decision.Decision()
	return err != nil || !d.Code.OK()
}

// Waits returns a *Parked when there is nothing to do before the peer says
// something, else nil.
func (o *Outgoing) Waits() error {
	_, published := o.Recorder.Published()
	switch {
	case o.Receipt != nil, o.refused(), !o.Told:
		return nil
	case published && !o.Regrant:
		return &Parked{protocol.KindReceipt}
	case !published && o.Decision == nil:
		return &Parked{protocol.KindDecision}
	}
	return nil
}

// WantsContent reports whether the attempt records content. One that does not
// looks at no source.
func (o *Outgoing) WantsContent() bool {
	_, published := o.Recorder.Published()
	return o.Receipt == nil && !published && o.Decision != nil && !o.refused()
}

// Offers reports whether the attempt makes an offer.
func (o *Outgoing) Offers() bool {
	_, published := o.Recorder.Published()
	return o.Receipt == nil && !published && o.Decision == nil && !o.Told
}

// Send posts what the peer has not heard yet.
func (o *Outgoing) Send(ctx context.Context, kind protocol.Kind, body []byte) error {
	switch kind {
	case protocol.KindOffer:
		return o.offer(ctx, body)
	case protocol.KindSeal:
		seal, err := protocol.ParseSeal(body)
		if err != nil {
			return err
		}
		o.mu.Lock()
		again := o.sealed
		o.sealed = true
		o.mu.Unlock()
		if again {
			return errOnce
		}
		if err := o.wait(); err != nil {
			return err
		}
		p, err := o.Recorder.Publish(ctx, seal)
		if code := mft.CodeOf(err); code == mft.CodeNotFound || code == mft.CodeExists {
			// The next attempt makes the parcel anew.
			return mft.Fail(mft.CodeCorrupt, "publish the parcel of", o.Offer.Transfer.String(), err)
		}
		if err != nil {
			return err
		}
		if err := o.announce(ctx, p); err != nil {
			return err
		}
		close(o.posted)
	}
	return nil // an abort: the peer waits for nothing
}

// offer makes the offer if the peer is to hear one, or tells it again of the
// parcel that it was offered.
func (o *Outgoing) offer(ctx context.Context, body []byte) error {
	p, published := o.Recorder.Published()
	switch {
	case o.Receipt != nil, o.refused():
		return nil
	case published && (o.Regrant || !o.Told):
		return o.announce(ctx, p)
	case o.Offers():
		return o.Post(ctx, protocol.KindOffer, body)
	}
	return nil
}

// announce tells the peer that a parcel is available, for the time of a grant.
func (o *Outgoing) announce(ctx context.Context, p record.Published) error {
	g, err := o.Grant(ctx, p.Object)
	if err != nil {
		return err
	}
	a := relay.Available{
		Offer: o.Offer, Seal: p.Seal, Object: p.Object, Ref: g.Ref, Key: p.Form.Key,
		Part: p.Form.Part, Parts: p.Extent.Parts, Size: p.Extent.Size, Manifest: p.Manifest,
	}
	a.Offer.Streams = 1
	return o.Post(ctx, protocol.KindAvailable, relay.AppendAvailable(nil, &a))
}

// Receive returns what the peer has said, in its order, and then *Parked.
func (o *Outgoing) Receive(ctx context.Context) (*protocol.Envelope, error) {
	o.mu.Lock()
	o.heard++
	first := o.heard == 1
	o.mu.Unlock()
	switch {
	case first && o.Receipt != nil:
		d := mft.Decision{Code: mft.CodeDelivered}
		return standIn(&o.Offer, protocol.KindDecision, o.Offer.Recipient, protocol.AppendDecision(nil, &d)), nil
	case o.Receipt != nil:
		return o.Receipt, nil
	case first:
		if o.refused() {
			return o.Decision, nil
		}
		if _, published := o.Recorder.Published(); published {
			return nil, &Parked{protocol.KindReceipt}
		}
		if o.Decision == nil {
			return nil, &Parked{protocol.KindDecision}
		}
		return o.here(o.Decision)
	}
	// The sender listens for the receipt while it sends.
	if err := o.wait(); err != nil {
		return nil, err
	}
	select {
	case <-o.posted:
		return nil, &Parked{protocol.KindReceipt}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// standIn returns what an end of a transfer would have said, in a form that can be passed on;
// nobody has signed it.
func standIn(o *mft.Offer, kind protocol.Kind, from mft.AgentName, body []byte) *protocol.Envelope {
	to := o.Recipient
	if from == to {
		to = o.Sender
	}
	never := time.UnixMilli(0)
	return &protocol.Envelope{
		Version: protocol.Version, Kind: kind, Transfer: o.Transfer, Sender: from, Recipient: to, Channel: o.Channel,
		Issued: never, Expires: never, Body: body,
	}
}

// here returns a decision for this conversation: how many data connections
// there are between hosts, which is what the peer spoke of, does not concern it.
// What the peer has nobody here knows, so everything is sent; of a mirror also
// what each directory has, for whatever may be there besides.
func (o *Outgoing) here(e *protocol.Envelope) (*protocol.Envelope, error) {
	d, err := e.Decision()
	if err != nil || !d.Code.OK() {
		return e, err
	}
	d.Streams, d.Zstd, d.Basis = 1, false, mft.Basis{Present: o.Offer.Mirror.On}
	here := *e
	here.Body = protocol.AppendDecision(nil, &d)
	return &here, nil
}

// Because returns why an attempt at sending content failed with err, which another process
// may have told of in its words: [Parked] when everything was done, or what the recorder
// failed with. The attempt must be over.
func (o *Outgoing) Because(err error) error {
	said := func(err error, codes ...mft.Code) bool { return slices.Contains(codes, mft.CodeOf(err)) }
	if said(err, mft.CodeRelayed) {
		return &Parked{protocol.KindReceipt}
	}
	if cause := o.wait(); said(err, mft.CodeDisconnected, mft.CodeOther) && !said(cause, mft.CodeOK, mft.CodeDisconnected, mft.CodeCancelled, mft.CodeOther) {
		return cause
	}
	return err
}

// OpenData returns a connection to the recorder.
func (o *Outgoing) OpenData(ctx context.Context, _ [32]byte, _ int) (net.Conn, error) {
	return o.open(ctx, o.Recorder.Run)
}

// DataKey is that of nobody: nothing is encrypted between two goroutines.
func (*Outgoing) DataKey() [32]byte { return [32]byte{} }

// Streams is one: everything passes between two goroutines.
func (*Outgoing) Streams() int { return 1 }

// A line is the data connection of a conversation, to a stand-in on this host.
type line struct {
	opening sync.Mutex
	ended   chan struct{} // nil until it is opened; guarded by opening
	err     error         // of the stand-in; read after ended
}

// errOnce refuses what is said or opened twice, as somebody might who has taken over a
// process that sends or receives.
var errOnce = mft.Fail(mft.CodeProtocol, "speak through the exchange", "", errors.New("that is for once in an attempt"))

// open starts the stand-in and returns the connection to it; there is one.
func (l *line) open(ctx context.Context, run func(context.Context, net.Conn) error) (net.Conn, error) {
	l.opening.Lock()
	defer l.opening.Unlock()
	if l.ended != nil {
		return nil, errOnce
	}
	here, there := net.Pipe()
	ended := make(chan struct{})
	l.ended = ended
	go func() {
		defer close(ended)
		l.err = run(ctx, there)
	}()
	return &connection{here, l}, nil
}

// A connection is one to a stand-in. Where it breaks off, it says why.
type connection struct {
	net.Conn
	line *line
}

// Read reads, with the error of the stand-in when that ended with one.
func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.line.because(err, io.EOF)
}

// Write writes, with the error of the stand-in when that ended with one.
func (c *connection) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.line.because(err, io.ErrClosedPipe)
}

// The deadlines of a pipe cannot be set once its other end is closed.

// SetDeadline sets both deadlines.
func (c *connection) SetDeadline(t time.Time) error {
	return c.line.because(c.Conn.SetDeadline(t), io.ErrClosedPipe)
}

// SetReadDeadline sets the deadline of reads.
func (c *connection) SetReadDeadline(t time.Time) error {
	return c.line.because(c.Conn.SetReadDeadline(t), io.ErrClosedPipe)
}

// SetWriteDeadline sets the deadline of writes.
func (c *connection) SetWriteDeadline(t time.Time) error {
	return c.line.because(c.Conn.SetWriteDeadline(t), io.ErrClosedPipe)
}

// because returns why the stand-in closed its end, which err looks like when it
// is closed.
func (l *line) because(err, closed error) error {
	if !errors.Is(err, closed) {
		return err
	}
	if cause := l.wait(); cause != nil {
		return cause
	}
	return err
}

// wait waits for the end of the stand-in, and returns its error.
func (l *line) wait() error {
	l.opening.Lock()
	ended := l.ended
	l.opening.Unlock()
	if ended == nil {
		return nil
	}
	<-ended
	return l.err
}

// Close waits for the stand-in, whose context has ended or whose connection is
// closed.
func (l *line) Close() { _ = l.wait() }
