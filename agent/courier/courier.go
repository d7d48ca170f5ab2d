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
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/letter"
	"mft.dev/mft/exchange/mailbox"
	"mft.dev/mft/exchange/record"
	"mft.dev/mft/exchange/talk"
	"mft.dev/mft/identity"
	"mft.dev/mft/identity/card"
	"mft.dev/mft/identity/sealing"
	"mft.dev/mft/internal/durable"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/relay"
	"mft.dev/mft/transfer"
)

// atOnce is how many letters are dealt with, and parts of one parcel moved, at
// a time.
const (
	atOnce      = 8
	partsAtOnce = 2
)

// letterLife is how long a letter is good for: a peer may be away for long.
const letterLife = protocol.MaxLifetime

// Config is what a courier needs; every field but Delays must be set.
type Config struct {
	Exchange exchange.Exchange
	// Dir is a directory of this agent alone; it is made if need be.
	Dir   string
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
	// UnderWay reports whether a transfer of this host has not ended.
	UnderWay func(ctx context.Context, id mft.TransferID) (bool, error)
	// PutAside is told of a letter that was put aside.
	PutAside func(reason error)
	// Delays are those of the mailbox; the zero value is for production.
	Delays mailbox.Delays
	Now    func() time.Time
	Log    *slog.Logger
}

// A Courier works for one agent over one exchange. Methods may be called
// concurrently.
type Courier struct {
	c     Config
	shelf shelf
	up    atomic.Bool // the storage answered
}

// New returns a courier. It starts nothing.
func New(c Config) (*Courier, error) {
	for _, dir := range []string{c.Dir, filepath.Join(c.Dir, asideDir)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, mft.Fail(mft.CodeIO, "make directory", dir, err)
		}
	}
	if err := durable.SyncDir(c.Dir); err != nil {
		return nil, mft.Fail(mft.CodeIO, "make directory", c.Dir, err)
	}
	s, err := openShelf(c.Dir)
	if err != nil {
		return nil, err
	}
	return &Courier{c: c, shelf: s}, nil
}

// Run publishes the key of this agent, takes letters and sweeps until ctx ends.
func (c *Courier) Run(ctx context.Context) {
	box := mailbox.Config{
		Queue: c.c.Exchange.Queue, Handle: c.handle, Aside: c.putAside, Reached: c.reached, AtOnce: atOnce,
		Delays: c.c.Delays, Log: c.c.Log,
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
	})
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
// earlier attempt ended. It and its recorder must be closed.
func (c *Courier) Outgoing(ctx context.Context, t mft.Transfer, offer mft.Offer) (*talk.Outgoing, error) {
	r, err := record.Open(c.order(t.ID, offer.Announced.Bytes))
	if err != nil {
		return nil, err
	}
	said, err := c.shelf.load(t.ID)
	if err == nil {
		err = r.Complete(ctx)
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	if said.abort != nil {
		if err := c.heed(ctx, r, said.abort); err != nil {
			r.Close()
			return nil, err
		}
	}
	told := said.told(c.c.Now())
	if p, published := r.Published(); published {
		told = told && said.announced(p.Object)
	}
	out := &talk.Outgoing{
		Offer: offer, Recorder: r, Decision: said.decision, Receipt: said.receipt,
		Told: told, Regrant: said.abort != nil,
		Grant: func(ctx context.Context, object string) (exchange.Grant, error) {
			return c.c.Exchange.Container.Grant(ctx, object, exchange.MaxGrant)
		},
		Post: func(ctx context.Context, kind protocol.Kind, body []byte) error {
			return c.Open(ctx, t, kind, body)
		},
	}
	out.Begin()
	return out, nil
}

// heed does what follows when the peer could not use a parcel: a grant that has
// ended is given anew; else the parcel is worth nothing, and made again.
func (c *Courier) heed(ctx context.Context, r *record.Recorder, abort *protocol.Envelope) error {
	f, err := protocol.ParseFailure(abort.Body)
	if err != nil {
		return err
	}
	if _, published := r.Published(); published && f.Code == mft.CodeExpired {
		return nil // it counts until another grant was posted
	} else if published {
		if err := r.Again(ctx); err != nil {
			return err
		}
	}
	return c.shelf.forget(abort.Transfer, fileAbort)
}

// order says how a transfer of about size bytes is recorded.
func (c *Courier) order(id mft.TransferID, size int64) record.Order {
	return record.Order{
		Transfer: id, Prefix: c.shelf.instance + "-", Announced: mft.Count{Bytes: size}, Container: c.c.Exchange.Container, Sizes: c.c.Exchange.Sizes,
		Dir: c.c.Dir, AtOnce: partsAtOnce,
	}
}

// Open posts a letter that opens a conversation about t. The letters that answer
// it are kept for the next Outgoing.
func (c *Courier) Open(ctx context.Context, t mft.Transfer, kind protocol.Kind, body []byte) error {
	e := &protocol.Envelope{Kind: kind, Transfer: t.ID, Channel: t.Channel, Recipient: t.Peer, Body: body}
	if _, err := rand.Read(e.Nonce[:]); err != nil {
		return mft.Fail(mft.CodeInternal, "choose a nonce", "", err)
	}
	var err error
	if e.Sequence, err = c.c.NextSequence(ctx, t.Peer); err != nil {
		return err
	}
	c.complete(e)
	if kind != protocol.KindCancel {
		// First: the answer may come at once.
		if err := c.shelf.open(e); err != nil {
			return err
		}
	}
	if err := c.put(ctx, e); err != nil || kind == protocol.KindCancel {
		return err
	}
	return c.shelf.opened(t.ID)
}

// complete gives an envelope what this agent and this moment say, and signs it.
func (c *Courier) complete(e *protocol.Envelope) {
	now := c.c.Now()
	e.Version, e.Sender = protocol.Version, c.c.Keys.Name()
	e.Issued, e.Expires = now.Truncate(time.Millisecond), now.Add(letterLife).Truncate(time.Millisecond)
	e.KeyID = c.c.Keys.KeyID()
	for {
		// The key that signs is named in what is signed, and may be replaced
		// between the two.
		id, signature := c.c.Keys.Sign(e.SigningBytes())
		if id == e.KeyID {
			e.Signature = signature
			return
		}
		e.KeyID = id
	}
}

// post signs an answer and posts it.
func (c *Courier) post(ctx context.Context, e *protocol.Envelope) error {
	c.complete(e)
	return c.put(ctx, e)
}

// put seals an envelope to its recipient and puts it into the queue.
func (c *Courier) put(ctx context.Context, e *protocol.Envelope) error {
	key, err := c.keyOf(ctx, e.Recipient)
	if err != nil {
		return err
	}
	body, err := letter.Seal(e, key)
	if err != nil {
		return err
	}
	return c.c.Exchange.Queue.Put(ctx, e.Recipient, body)
}

// keyOf returns the newest sealing key of a peer for which a key vouches that is
// pinned here: from its card in the exchange, or from when they paired.
func (c *Courier) keyOf(ctx context.Context, name mft.AgentName) (sealing.Key, error) {
	peer, ok := c.c.Trust.Peer(name)
	if !ok {
		return sealing.Key{}, mft.Fail(mft.CodeUnknownPeer, "write to", string(name), nil)
	}
	var newest sealing.Key
	for _, k := range peer.Pins {
		if key, err := sealing.Parse(peer.Sealing, name, k.Key); err == nil {
			newest = key
		}
	}
	cards, err := c.c.Exchange.Keys.Statements(ctx, name)
	if err != nil && newest.Public == nil {
		return newest, err
	}
	var why error
	for _, b := range cards {
		key, err := card.Read(b, name, c.c.Trust, c.c.Now())
		if err != nil {
			why = err
		} else if key.Created.After(newest.Created) {
			newest = key
		}
	}
	switch {
	case newest.Public != nil:
		return newest, nil
	case why != nil:
		return newest, mft.Fail(mft.CodeUntrusted, "find the sealing key of", string(name), why)
	}
	return newest, mft.Fail(mft.CodeUnreachable, "find the sealing key of", string(name),
		errors.New("its agent has not published one in the exchange yet; it does when it runs"))
}

// handle deals with one letter.
func (c *Courier) handle(ctx context.Context, l exchange.Letter) error {
	e, err := letter.Open(l.Body, c.c.Keys)
	if err != nil {
		return err
	}
	now := c.c.Now()
	if e.Recipient != c.c.Keys.Name() {
		return mft.Fail(mft.CodeBadSigned, "take letter", "", fmt.Errorf("it is meant for %q", e.Recipient))
	}
	if err := c.verify(ctx, e, now); err != nil {
		return err
	}
	if err := e.CheckTimes(now); err != nil {
		return err
	}
	if e.Kind.Opens() {
		return later(c.c.Opened(ctx, Conversation{c, e}))
	}
	fits, err := c.shelf.answer(e)
	if err != nil || !fits {
		return err
	}
	c.c.Answered(e.Transfer)
	return nil
}

// verify checks the signature of an envelope. A key that is pinned and was
// never shown may lie in the exchange.
func (c *Courier) verify(ctx context.Context, e *protocol.Envelope, now time.Time) error {
	err := c.c.Trust.Verify(e, now)
	if mft.CodeOf(err) != mft.CodeBadSigned {
		return err
	}
	if _, err := c.keyOf(ctx, e.Sender); err != nil {
		return err
	}
	return c.c.Trust.Verify(e, now)
}

// later gives an error that says nothing of the letter the code of one: it comes
// again for as long as it takes.
func later(err error) error {
	if code := mft.CodeOf(err); err != nil && code.Retryable() && code != mft.CodeReplayed {
		return mft.Fail(mft.CodeBusy, "deal with", "a letter", err)
	}
	return err
}

// The methods of transfer.Conversation: what is said in answer to a letter.

// Send posts an answer to the opening letter.
func (v Conversation) Send(ctx context.Context, kind protocol.Kind, body []byte) error {
	return v.Answer(ctx, kind, body)
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
			return errors.Join(&transfer.Refused{Decision: d}, c.shelf.forget(t.ID, fileDecision))
		}
	} else if !said.told(c.c.Now()) {
		if err := c.Open(ctx, t, protocol.KindRequest, protocol.AppendRequest(nil, &r)); err != nil {
			return err
		}
	}
	return &talk.Parked{For: protocol.KindDecision}
}
