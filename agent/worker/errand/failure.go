package errand

import (
	"context"
	"errors"
	"os"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
)

// A Failure is an error that goes to the other process. What decides about what
// follows stays of it: its code, a refusal of the peer, and whether it was broken off.
type Failure struct {
	Code           mft.Code
	Detail         string
	Canceled, Late bool
	Refused        []byte
}

// maxDetail is how much of an error is told.
const maxDetail = 4 << 10

// FailureOf returns err as it is told, nil for nil.
func FailureOf(err error) *Failure {
	if err == nil {
		return nil
	}
	f := &Failure{
		Code: mft.CodeOf(err), Detail: err.Error(),
		Canceled: errors.Is(err, context.Canceled), Late: errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded),
	}
	if len(f.Detail) > maxDetail {
		f.Detail = f.Detail[:maxDetail]
	}
	var refused *transfer.Refused
	if errors.As(err, &refused) {
		f.Refused = protocol.AppendDecision(nil, &refused.Decision)
	}
	return f
}

// Err returns the error that was told, nil for nil.
func (f *Failure) Err() error {
	if f == nil {
		return nil
	}
	t := &told{f: f}
	if f.Refused != nil {
		if d, err := protocol.ParseDecision(f.Refused); err == nil {
			t.is = append(t.is, &transfer.Refused{Decision: d})
		}
	}
	code := f.Code
	if code.OK() {
		code = mft.CodeOther // it is an error, whatever it says
	}
	t.is = append(t.is, mft.Fail(code, "", "", errors.New(f.Detail)))
	if f.Canceled {
		t.is = append(t.is, context.Canceled)
	}
	if f.Late {
		t.is = append(t.is, context.DeadlineExceeded)
	}
	return t
}

// A told error says what it said where it happened.
type told struct {
	f  *Failure
	is []error
}

func (t *told) Error() string   { return t.f.Detail }
func (t *told) Unwrap() []error { return t.is }
