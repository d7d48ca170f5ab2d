package talk

import (
	"context"
	"errors"
	"net"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
	"mft.dev/mft/exchange/parcel"
	"mft.dev/mft/exchange/replay"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/relay"
)

// An Incoming is the receiver's conversation about a parcel that is available.
// It is for one attempt. Close must be called.
type Incoming struct {
	Available relay.Available
	Reader    exchange.Reader
	Post      Post
	// AtOnce is how many parts are fetched at a time.
	AtOnce int

	line
	seal chan *protocol.Envelope
}

// Begin readies i, whose fields are set.
func (i *Incoming) Begin() { i.seal = make(chan *protocol.Envelope, 1) }

// Send posts a refusal or a receipt; a refusal that will pass it returns, since
// the letter about the parcel has to come again. That the parcel was accepted the sender
// knows already, and that an attempt failed does not concern it.
func (i *Incoming) Send(ctx context.Context, kind protocol.Kind, body []byte) error {
	switch kind {
	case protocol.KindDecision:
		d, err := protocol.ParseDecision(body)
		if err != nil || d.Code.OK() || d.Code == mft.CodeDelivered {
			return err
		}
		if d.Code.Retryable() {
			// The letter comes again by itself; told of it, the sender could do nothing.
			return mft.Fail(d.Code, "receive", i.Available.Offer.Transfer.String(), errors.New(d.Detail))
		}
		return i.Post(ctx, kind, body)
	case protocol.KindReceipt:
		return i.Post(ctx, kind, body)
	}
	return nil
}

// Receive returns the seal, once everything has been sent.
func (i *Incoming) Receive(ctx context.Context) (*protocol.Envelope, error) {
	select {
	case e := <-i.seal:
		return e, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// DataKey is that of nobody: nothing is encrypted between two goroutines.
func (*Incoming) DataKey() [32]byte { return [32]byte{} }

// Streams is one: everything passes between two goroutines.
func (*Incoming) Streams() int { return 1 }

// OpenData returns a connection to what replays the parcel.
func (i *Incoming) OpenData(ctx context.Context, _ [32]byte, _ int) (net.Conn, error) {
	a := &i.Available
	p := replay.Parcel{
		Form:   parcel.Form{Transfer: a.Offer.Transfer, Key: a.Key, Part: a.Part},
		Extent: parcel.Extent{Parts: a.Parts, Size: a.Size}, Manifest: a.Manifest, Seal: a.Seal, AtOnce: i.AtOnce,
		Fetch: i.fetch,
	}
	return i.open(ctx, func(ctx context.Context, conn net.Conn) error {
		return replay.Run(ctx, conn, p, func(seal mft.Seal) error {
			i.seal <- &protocol.Envelope{Kind: protocol.KindSeal, Transfer: a.Offer.Transfer, Body: protocol.AppendSeal(nil, &seal)}
			return nil
		})
	}), nil
}

// fetch reads a part of the object. One that is gone or shorter than the sender
// said is no longer what it published: the sender can make it again.
func (i *Incoming) fetch(ctx context.Context, offset int64, p []byte) error {
	err := i.Reader.Read(ctx, i.Available.Ref, offset, p)
	if mft.CodeOf(err) == mft.CodeNotFound {
		return mft.Fail(mft.CodeCorrupt, "fetch", i.Available.Object, err)
	}
	return err
}
