// Package courier takes transfers to peers that this host cannot reach, and from
// them, through an exchange that both can: it writes and reads letters, keeps what
// was said about each transfer, and makes the conversations that stand for a
// peer (package exchange/talk).
//
//	c := courier.New(config)
//	go c.Run(ctx)                     // takes letters, and sweeps
//	out, err := c.Outgoing(ctx, …)    // for sender.Run
//
// What was said is kept in files of a private directory, one set for each
// transfer that is under way, so that it survives a restart. The package decides
// nothing about transfers: whether an offer is admitted, and what follows an
// answer, its agent says.
package courier

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/mailbox"
	"mft.dev/mft/exchange/recall"
	"mft.dev/mft/exchange/record"
	"mft.dev/mft/exchange/talk"
	"mft.dev/mft/identity"
	"mft.dev/mft/internal/durable"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/relay"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/sender"
)

// atOnce is how many letters are dealt with, and parts of one parcel moved, at
// a time.
const (
	atOnce      = 8
	partsAtOnce = 2
)

// parcelsAtOnce is how many of the letters that are dealt with may bring parcels,
// which takes long and much memory: the others are dealt with meanwhile.
const parcelsAtOnce = atOnce / 2

// generations is how often a parcel that the peer cannot read is made anew.
const generations = 5

// letterLife is how long a letter is good for: a peer may be away for long.
const letterLife = protocol.MaxLifetime

// Config is what a courier needs; every field but CardsFor and Delays must be set.
type Config struct {
	Exchange exchange.Exchange
	// Dir is a directory of this agent alone; it is made if need be.
	Dir string
	// Sent is another, where is remembered what was sent.
	Sent  string
	Keys  *identity.Keys
	Trust *identity.Trust
	// NextSequence draws the number of an envelope that opens a conversation.
	NextSequence func(ctx context.Context, recipient mft.AgentName) (uint64, error)
	// Opened deals with a letter that opens a conversation: an offer, a request, a
	// cancel, a parcel. When it returns nil, what follows from it is durable. It
	// may see a letter again.
	Opened func(ctx context.Context, conv Conversation) error
	// Answered is told that a peer has said something to a transfer of this host.
	Answered func(id mft.TransferID)
	// Late is told that a peer could not use the parcel of a transfer of which
	// nothing is kept any more.
	Late func(ctx context.Context, peer mft.AgentName, id mft.TransferID) error
	// UnderWay reports whether a transfer of this host has not ended.
	UnderWay func(ctx context.Context, id mft.TransferID) (bool, error)
	// Delivered reports whether a transfer of this host has its receipt.
	Delivered func(ctx context.Context, id mft.TransferID) (bool, error)
	// PutAside is told of a letter that was put aside.
	PutAside func(reason error)
	// Reached is told when the storage answers again.
	Reached func()
	// CardsFor is for how long the cards of others are used without asking for
	// newer ones; 0 is not at all.
	CardsFor time.Duration
	// Delays are those of the mailbox; the zero value is for production.
	Delays mailbox.Delays
	Now    func() time.Time
	Log    *slog.Logger
}

// A Courier works for one agent over one exchange. Methods may be called
// concurrently.
type Courier struct {
	c       Config
	shelf   shelf
	up      atomic.Bool   // the storage answered
	parcels chan struct{} // has a value for each that comes in
	wake    chan struct{} // ended has something
	sent    *recall.Memory

	mu    sync.Mutex // guards what follows
	ended map[mft.TransferID]bool
	piles map[mft.AgentName]pile // of peers only
}

// New returns a courier. It starts nothing.
func New(c Config) (*Courier, error) {
	for _, dir := range []string{c.Dir, filepath.Join(c.Dir, asideDir)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, mft.Fail(mft.CodeIO, "make directory", dir, err)
		}
		durable.Sweep(dir)
	}
	if err := durable.SyncDir(c.Dir); err != nil {
		return nil, mft.Fail(mft.CodeIO, "make directory", c.Dir, err)
	}
	s, err := openShelf(c.Dir)
	if err != nil {
		return nil, err
	}
	c.Exchange = sturdy(c.Exchange)
	return &Courier{
		c: c, shelf: s, parcels: make(chan struct{}, parcelsAtOnce), wake: make(chan struct{}, 1), ended: map[mft.TransferID]bool{},
		piles: map[mft.AgentName]pile{},
		sent:  recall.Open(recall.Config{Dir: c.Sent, Delivered: c.Delivered, Open: c.UnderWay, Log: c.Log}),
	}, nil
}

// Run publishes the key of this agent, takes letters and sweeps until ctx ends.
func (c *Courier) Run(ctx context.Context) {
	box := mailbox.Config{
		Queue: c.c.Exchange.Queue, Handle: c.handle, Aside: c.putAside, Reached: c.reached, AtOnce: atOnce,
		Shared: c.c.Exchange.Shared, Delays: c.c.Delays, Log: c.c.Log,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.sweep(ctx)
	}()
	box.Run(ctx)
	<-done
}

// A Conversation is one in which letters answer a letter of a peer.
type Conversation struct {
	courier *Courier
	Opening *protocol.Envelope
}

// Answer posts an answer to the opening letter.
func (v Conversation) Answer(ctx context.Context, kind protocol.Kind, body []byte) error {
	return v.courier.post(ctx, &protocol.Envelope{
		Kind: kind, Transfer: v.Opening.Transfer, Channel: v.Opening.Channel, Recipient: v.Opening.Sender, Nonce: v.Opening.Nonce, Body: body,
	}, v.Opening.KeyID)
}

// Incoming returns the conversation about the parcel that the opening letter
// tells of. It must be closed.
func (v Conversation) Incoming() (*talk.Incoming, error) {
	a, err := relay.Of(v.Opening)
	if err != nil {
		return nil, err
	}
	in := &talk.Incoming{Available: a, Reader: v.courier.c.Exchange.Reader, Post: v.Answer, AtOnce: partsAtOnce}
	in.Begin()
	return in, nil
}

// Outgoing returns the conversation in which t is offered, and goes on where an
// earlier attempt ended. Offer is asked what to offer if nothing was offered
// before. What is sent is remembered only if this process sees it. The conversation and
// its recorder must be closed.
func (c *Courier) Outgoing(ctx context.Context, t mft.Transfer, sees bool, offer func(context.Context) (mft.Offer, error)) (*talk.Outgoing, error) {
	said, err := c.shelf.load(t.ID)
	if err != nil {
		return nil, err
	}
	o, offered := said.offer()
	if !offered {
		if o, err = offer(ctx); err != nil {
			return nil, err
		}
	}
	order := c.order(t.ID, o.Announced.Bytes)
	var watch func(*mft.Item) sender.Watcher
	if sees && c.remembers(&o) {
		before := c.sent.For(ctx, &o)
		order.Memory, watch = before, before.Watch
	}
	r, err := record.Open(order)
	if err != nil {
		return nil, err
	}
	if err = r.Complete(ctx); err == nil && said.abort != nil && !said.expired() {
		err = c.again(ctx, r, said.abort)
	}
	if err == nil {
		err = c.reconsider(&said)
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	p, _ := r.Published()
	out := &talk.Outgoing{
		Offer: o, Recorder: r, Watch: watch, Decision: said.decision, Receipt: said.receipt,
		Told: said.told(c.c.Now(), p.Object), Regrant: said.expired(),
		Grant: func(ctx context.Context, object string) (exchange.Grant, error) {
			g, err := c.c.Exchange.Container.Grant(ctx, object, exchange.MaxGrant)
			if mft.CodeOf(err) == mft.CodeNotFound { // somebody else has removed the parcel
				err = errors.Join(mft.Fail(mft.CodeCorrupt, "grant", object, err), r.Again(ctx))
			}
			return g, err
		},
		Post: func(ctx context.Context, kind protocol.Kind, body []byte) error {
			return c.Open(ctx, t, kind, body)
		},
	}
	out.Begin()
	return out, nil
}

// remembers reports whether a parcel may copy from what the peer was sent before:
// not where the peer would not look what it has, nor where any of several agents
// of one name may take it.
func (c *Courier) remembers(o *mft.Offer) bool {
	peer, _ := c.c.Trust.Peer(o.Recipient)
	agents := 0
	for _, k := range peer.Pins {
		if k.Until.IsZero() {
			agents++
		}
	}
	return o.Compare != mft.CompareNone && agents == 1
}

// again has a parcel that the peer could not use made anew, unless that has not
// helped for some times.
func (c *Courier) again(ctx context.Context, r *record.Recorder, abort *protocol.Envelope) error {
	f, err := protocol.ParseFailure(abort.Body)
	if err != nil {
		return err
	}
	if r.Generation() >= generations {
		return &transfer.Refused{Decision: mft.Decision{Code: mft.CodeProtocol, Detail: "the peer could read none of several parcels: " + f.Detail}}
	}
	if _, published := r.Published(); published && f.Code != mft.CodeExpired {
		if err := r.Again(ctx); err != nil {
			return err
		}
	}
	return c.shelf.forget(abort.Transfer, fileAbort)
}

// reconsider forgets a refusal that need not last once it is known: the attempt
// after this one asks again.
func (c *Courier) reconsider(s *said) error {
	if s.decision == nil {
		return nil
	}
	d, err := s.decision.Decision()
	if err != nil || !(d.Code.Retryable() || d.Code == mft.CodePaused) {
		return err
	}
	return c.shelf.forget(s.decision.Transfer, fileDecision, filePosted)
}

// order says how a transfer of about size bytes is recorded.
func (c *Courier) order(id mft.TransferID, size int64) record.Order {
	return record.Order{
		Transfer: id, Prefix: c.shelf.instance + "-", Announced: mft.Count{Bytes: size}, Container: c.c.Exchange.Container, Sizes: c.c.Exchange.Sizes,
		Dir: c.c.Dir, AtOnce: partsAtOnce,
	}
}

// The methods of transfer.Conversation: what is said in answer to a letter.

// Send posts an answer to the opening letter; see talk.Say.
func (v Conversation) Send(ctx context.Context, kind protocol.Kind, body []byte) error {
	return talk.Say(ctx, v.Answer, kind, body)
}

// Receive fails: whoever opened the conversation says no more in it.
func (v Conversation) Receive(context.Context) (*protocol.Envelope, error) {
	return nil, mft.Fail(mft.CodeInternal, "listen to", string(v.Opening.Sender), errors.New("a letter is not followed by another"))
}

// DataKey is that of nobody.
func (Conversation) DataKey() [32]byte { return [32]byte{} }

// Streams is one: everything passes between two goroutines.
func (Conversation) Streams() int { return 1 }

// OpenData fails: content comes in a parcel.
func (v Conversation) OpenData(context.Context, [32]byte, int) (net.Conn, error) {
	return nil, mft.Fail(mft.CodeInternal, "connect to", string(v.Opening.Sender), errors.New("a letter opens no connection"))
}

// Ask requests files of a peer, once, and reports what it has answered. Until it
// has, the error has code mft.CodeRelayed.
func (c *Courier) Ask(ctx context.Context, t mft.Transfer, r mft.Request) error {
	said, err := c.shelf.load(t.ID)
	if err != nil {
		return err
	}
	if said.decision != nil {
		d, err := said.decision.Decision()
		if err != nil {
			return err
		}
		if !d.Code.OK() {
			return errors.Join(&transfer.Refused{Decision: d}, c.reconsider(&said))
		}
	}
	// What the peer has agreed to it may have lost.
	if !said.told(c.c.Now(), "") {
		if err := c.Open(ctx, t, protocol.KindRequest, protocol.AppendRequest(nil, &r)); err != nil {
			return err
		}
	}
	return &talk.Parked{For: protocol.KindOffer}
}
