package talk

import (
	"context"
	"errors"
	"fmt"
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

// Say posts what of a receiver's words concerns a sender that listens now and
// then: a receipt, and a decision that stands. That a transfer was delivered
// before is in the receipt, and that an attempt failed is for the next one. A
// refusal that may not last is not sent; the error is mft.CodeBusy, for the
// letter that it would have answered to come again.
func Say(ctx context.Context, post Post, kind protocol.Kind, body []byte) error {
	switch kind {
	case protocol.KindDecision:
		d, err := protocol.ParseDecision(body)
		switch {
		case err != nil || d.Code == mft.CodeDelivered:
			return err
		case d.Code == mft.CodeElsewhere:
			return mft.Fail(mft.CodeElsewhere, "answer", "a letter", errors.New(d.Detail))
		case d.Code.Retryable() || d.Code == mft.CodePaused:
			return mft.Fail(mft.CodeBusy, "answer", "a letter", fmt.Errorf("not now: %s: %s", d.Code, d.Detail))
		}
		return post(ctx, kind, body)
	case protocol.KindReceipt:
		return post(ctx, kind, body)
	}
	return nil
}

// Send is Say, but for that the parcel was accepted, which the sender knows.
func (i *Incoming) Send(ctx context.Context, kind protocol.Kind, body []byte) error {
	if d, err := protocol.ParseDecision(body); kind == protocol.KindDecision && err == nil && d.Code.OK() {
		return nil
	}
	return Say(ctx, i.Post, kind, body)
}

// Useless is the error of an attempt that the parcel itself makes impossible:
// its grant has ended, it is gone, it is not what the sender said, or it copies from
// what is not there.
type Useless struct {
	// Code is what is wrong with it: mft.CodeExpired, CodeNotFound, CodeCorrupt,
	// CodeProtocol or CodeOutdated.
	Code mft.Code
	Err  error
}

// Error says what is wrong.
func (u *Useless) Error() string { return u.Unwrap().Error() }

// Unwrap gives the code mft.CodeRelayed to mft.CodeOf: the transfer waits for
// what the sender does about it.
func (u *Useless) Unwrap() error {
	return mft.Fail(mft.CodeRelayed, "take the parcel", "", fmt.Errorf("the sender is asked for another, for: %w", u.Err))
}

// Because returns why the receiver's attempt failed with err: *Useless if that
// lies in the parcel. The attempt must be over.
func (i *Incoming) Because(err error) error {
	i.Close()
	if mft.CodeOf(err) == mft.CodeOutdated { // the receiver says so, and need not have been heard
		return &Useless{mft.CodeOutdated, err}
	}
	switch code := mft.CodeOf(i.err); code {
	case mft.CodeExpired, mft.CodeNotFound, mft.CodeCorrupt, mft.CodeProtocol, mft.CodeOutdated:
		return &Useless{code, i.err}
	}
	return err
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
		Fetch: func(ctx context.Context, offset int64, p []byte) error { return i.Reader.Read(ctx, a.Ref, offset, p) },
	}
	return i.open(ctx, func(ctx context.Context, conn net.Conn) error {
		return replay.Run(ctx, conn, p, func(seal mft.Seal) error {
			i.seal <- standIn(&a.Offer, protocol.KindSeal, a.Offer.Sender, protocol.AppendSeal(nil, &seal))
			return nil
		})
	})
}
