package exchange

import (
	"context"
	"errors"

	"mft.dev/mft"
)

// Failure puts an error of an adapter's library in words of ours, with a code: that
// of ctx if it has ended, that which err has already, or else what explain makes of
// it. nil stays nil. What the library says itself is left out: it may hold a
// secret.
func Failure(ctx context.Context, op, subject string, err error, explain func(error) (mft.Code, string)) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		code := mft.CodeCancelled
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			code = mft.CodeTimeout
		}
		return mft.Fail(code, op, subject, context.Cause(ctx))
	}
	var coded *mft.Error
	if errors.As(err, &coded) {
		return mft.Fail(coded.Code, op, subject, coded)
	}
	code, why := explain(err)
	return mft.Fail(code, op, subject, errors.New(why))
}
