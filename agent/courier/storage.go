package courier

import (
	"context"
	"errors"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

// This file says what the errors of an exchange mean for a transfer. Whoever owns
// the storage can remove its places or put something else there; that costs time,
// until an operator has mended it, and no transfer.

// sturdy returns x with errors that end no transfer but for good reasons.
func sturdy(x exchange.Exchange) exchange.Exchange {
	x.Queue, x.Keys = sturdyQueue{x.Queue}, sturdyKeys{x.Keys}
	x.Container, x.Reader = sturdyContainer{x.Container}, sturdyReader{x.Reader}
	return x
}

// instead gives an error another code, unless its own is to be retried, is one of
// those that stand, or somebody has ended the call.
func instead(code mft.Code, err error, stand ...mft.Code) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	is := mft.CodeOf(err)
	if is.Retryable() && is != mft.CodeOther {
		return err
	}
	if is == mft.CodeNotAllowed || slices.Contains(stand, is) {
		return err
	}
	return mft.Fail(code, "use the exchange", "", err)
}

type sturdyQueue struct{ exchange.Queue }

// Put waits for a queue that is not there.
func (q sturdyQueue) Put(ctx context.Context, to mft.AgentName, body []byte) error {
	return instead(mft.CodeUnreachable, q.Queue.Put(ctx, to, body), mft.CodeTooLarge)
}

type sturdyKeys struct{ exchange.Keys }

// Statements waits for a place of keys that is not there.
func (k sturdyKeys) Statements(ctx context.Context, of mft.AgentName) ([][]byte, error) {
	list, err := k.Keys.Statements(ctx, of)
	return list, instead(mft.CodeUnreachable, err)
}

type sturdyContainer struct{ exchange.Container }

// Stage waits for a container that is not there. Where something else is in the
// place of the object, that is removed and made anew, like one that is published.
func (c sturdyContainer) Stage(ctx context.Context, name string, block int, content []byte) error {
	err := c.Container.Stage(ctx, name, block, content)
	switch mft.CodeOf(err) {
	case mft.CodeSymlink, mft.CodeWrongType, mft.CodeNotRegular:
		return instead(mft.CodeExists, err)
	}
	return instead(mft.CodeUnreachable, err, mft.CodeExists, mft.CodeTooLarge)
}

// Publish takes for missing what cannot be an object.
func (c sturdyContainer) Publish(ctx context.Context, name string, blocks int) error {
	return instead(mft.CodeNotFound, c.Container.Publish(ctx, name, blocks), mft.CodeExists)
}

// Grant takes for missing what cannot be an object.
func (c sturdyContainer) Grant(ctx context.Context, name string, life time.Duration) (exchange.Grant, error) {
	g, err := c.Container.Grant(ctx, name, life)
	return g, instead(mft.CodeNotFound, err)
}

// Remove has nothing to do where there is no container, and waits where something
// else is in its place.
func (c sturdyContainer) Remove(ctx context.Context, name string) error {
	err := c.Container.Remove(ctx, name)
	if mft.CodeOf(err) == mft.CodeNotFound {
		return nil
	}
	return instead(mft.CodeUnreachable, err)
}

type sturdyReader struct{ exchange.Reader }

// Read takes for missing what cannot be an object.
func (r sturdyReader) Read(ctx context.Context, ref string, offset int64, p []byte) error {
	return instead(mft.CodeNotFound, r.Reader.Read(ctx, ref, offset, p), mft.CodeExpired)
}
