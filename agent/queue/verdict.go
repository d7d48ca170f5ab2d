package queue

import (
	"context"
	"errors"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/transfer"
)

// Why an attempt was ended from within, as the cause of its context.
var (
	ErrCancelled  = errors.New("an operator cancelled the transfer")
	ErrPaused     = errors.New("an operator paused the transfer")
	ErrSuperseded = errors.New("a newer attempt has taken its place")
	ErrRemoved    = errors.New("the peer was removed")
)

// Waits between attempts double from FirstDelay to LastDelay.
const (
	FirstDelay = time.Second
	LastDelay  = time.Minute
)

// pausedDelay is how long the sender of a transfer that its receiver has paused
// waits before it asks again, unless it was told.
const pausedDelay = 5 * time.Second

// relayedDelay is how long a transfer waits that is with the exchange, unless the
// peer answers or can be reached again.
const relayedDelay = time.Hour

// A Verdict says what follows an attempt.
type Verdict struct {
	State  mft.State // empty: somebody else has seen to the row
	Reason mft.Reason
	// Delay is, for mft.StateWaiting, how long to wait.
	Delay time.Duration
	// PeerWide means that the reason lies between the hosts: the other
	// transfers of this peer need not find out for themselves.
	PeerWide bool
}

// Decide says what follows an attempt that ended with err while the cause of
// its context was cause, nil for a context that had not ended. Tries counts
// the attempts in a row without progress, this one included; spread, from 0
// to 1, is the luck that keeps many agents from trying at the same moment.
func Decide(err, cause error, tries int, spread float64) Verdict {
	switch {
	case errors.Is(cause, ErrSuperseded), errors.Is(cause, ErrPaused), errors.Is(cause, ErrCancelled), errors.Is(cause, ErrRemoved):
		return Verdict{}
	case cause != nil: // the agent is stopping: it goes on after the next start
		return Verdict{State: mft.StateQueued}
	}
	var refused *transfer.Refused
	if errors.As(err, &refused) {
		return decideRefused(refused.Decision, tries, spread)
	}
	v := Verdict{State: mft.StateWaiting, Reason: mft.ReasonOf(err)}
	switch code := v.Reason.Code; {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		v.Reason.Code = mft.CodeDisconnected
		v.Delay = delay(tries, spread)
	case code == mft.CodeRelayed:
		v.Delay = relayedDelay
	case code.Retryable():
		v.Delay = delay(tries, spread)
		v.PeerWide = code == mft.CodeUnreachable
	case code == mft.CodeCancelled:
		// Not by an operator of either end: that has a cause or is a refusal.
		v.Delay = delay(tries, spread)
	default:
		v.State = mft.StateFailed
	}
	return v
}

func decideRefused(d mft.Decision, tries int, spread float64) Verdict {
	v := Verdict{State: mft.StateRejected, Reason: mft.Reason{Code: d.Code, Detail: d.Detail}}
	switch {
	case d.Code == mft.CodeCancelled:
		v.State = mft.StateCancelled
	case d.Code == mft.CodePaused || d.Code.Retryable() || !d.Code.Known() && d.RetryIn > 0:
		// A newer peer that uses a code unknown here says that waiting helps.
		v.State, v.Delay = mft.StateWaiting, delay(tries, spread)
		if d.Code == mft.CodePaused {
			v.Delay = pausedDelay
		}
		if d.RetryIn > 0 {
			v.Delay = min(d.RetryIn, time.Hour)
		}
	}
	return v
}

// delay is the wait before try number tries+1: from a second it doubles to a
// minute, less up to a quarter.
func delay(tries int, spread float64) time.Duration {
	d := LastDelay
	if tries < 7 {
		d = min(FirstDelay<<max(tries-1, 0), LastDelay)
	}
	return d - time.Duration(spread*float64(d)/4)
}
