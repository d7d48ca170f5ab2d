package queue

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/transfer"
)

func TestDecide(t *testing.T) {
	coded := func(c mft.Code) error { return mft.Fail(c, "test", "", nil) }
	refused := func(c mft.Code, in time.Duration) error {
		return fmt.Errorf("sending: %w", &transfer.Refused{Decision: mft.Decision{Code: c, RetryIn: in}})
	}
	for _, tt := range []struct {
		name       string
		err, cause error
		tries      int
		want       Verdict // but for the detail of the reason
	}{
		{"the connection broke", coded(mft.CodeDisconnected), nil, 1, Verdict{mft.StateWaiting, mft.Reason{Code: mft.CodeDisconnected}, time.Second, false}},
		{"it broke again", coded(mft.CodeDisconnected), nil, 4, Verdict{mft.StateWaiting, mft.Reason{Code: mft.CodeDisconnected}, 8 * time.Second, false}},
		{"and again and again", coded(mft.CodeDisconnected), nil, 400, Verdict{mft.StateWaiting, mft.Reason{Code: mft.CodeDisconnected}, time.Minute, false}},
		{"nobody answers", coded(mft.CodeUnreachable), nil, 1, Verdict{mft.StateWaiting, mft.Reason{Code: mft.CodeUnreachable}, time.Second, true}},
		{"no space", coded(mft.CodeNoSpace), nil, 1, Verdict{mft.StateWaiting, mft.Reason{Code: mft.CodeNoSpace}, time.Second, false}},
		{"an error without a code", errors.New("odd"), nil, 1, Verdict{mft.StateWaiting, mft.Reason{Code: mft.CodeOther}, time.Second, false}},
		{"a deadline", context.DeadlineExceeded, nil, 1, Verdict{mft.StateWaiting, mft.Reason{Code: mft.CodeDisconnected}, time.Second, false}},
		{"a conversation that was closed", coded(mft.CodeCancelled), nil, 1, Verdict{mft.StateWaiting, mft.Reason{Code: mft.CodeCancelled}, time.Second, false}},
		{"no permission", coded(mft.CodePermission), nil, 1, Verdict{State: mft.StateFailed, Reason: mft.Reason{Code: mft.CodePermission}}},
		{"the source is gone", coded(mft.CodeNotFound), nil, 9, Verdict{State: mft.StateFailed, Reason: mft.Reason{Code: mft.CodeNotFound}}},
		{"another key", coded(mft.CodeUntrusted), nil, 1, Verdict{State: mft.StateFailed, Reason: mft.Reason{Code: mft.CodeUntrusted}}},

		{"refused for good", refused(mft.CodeNotAllowed, 0), nil, 1, Verdict{State: mft.StateRejected, Reason: mft.Reason{Code: mft.CodeNotAllowed}}},
		{"refused for good with a time", refused(mft.CodeNotAllowed, time.Second), nil, 1, Verdict{State: mft.StateRejected, Reason: mft.Reason{Code: mft.CodeNotAllowed}}},
		{"cancelled there", refused(mft.CodeCancelled, 0), nil, 1, Verdict{State: mft.StateCancelled, Reason: mft.Reason{Code: mft.CodeCancelled}}},
		{"busy", refused(mft.CodeBusy, 2*time.Second), nil, 6, Verdict{mft.StateWaiting, mft.Reason{Code: mft.CodeBusy}, 2 * time.Second, false}},
		{"busy for very long", refused(mft.CodeBusy, 24*time.Hour), nil, 1, Verdict{mft.StateWaiting, mft.Reason{Code: mft.CodeBusy}, time.Hour, false}},
		{"no space there", refused(mft.CodeNoSpace, 0), nil, 3, Verdict{mft.StateWaiting, mft.Reason{Code: mft.CodeNoSpace}, 4 * time.Second, false}},
		{"about to be updated", refused(mft.CodePendingUpdate, 10*time.Second), nil, 1, Verdict{mft.StateWaiting, mft.Reason{Code: mft.CodePendingUpdate}, 10 * time.Second, false}},
		{"a code of a newer version, with a time", refused("LATER", 10*time.Second), nil, 1, Verdict{mft.StateWaiting, mft.Reason{Code: "LATER"}, 10 * time.Second, false}},
		{"a code of a newer version", refused("NEVER", 0), nil, 1, Verdict{State: mft.StateRejected, Reason: mft.Reason{Code: "NEVER"}}},
		{"paused there", refused(mft.CodePaused, 0), nil, 7, Verdict{mft.StateWaiting, mft.Reason{Code: mft.CodePaused}, 5 * time.Second, false}},

		{"the agent stops", coded(mft.CodeDisconnected), context.Canceled, 1, Verdict{State: mft.StateQueued}},
		{"an operator pauses", coded(mft.CodeDisconnected), ErrPaused, 1, Verdict{}},
		{"an operator cancels", coded(mft.CodeDisconnected), ErrCancelled, 1, Verdict{}},
		{"a newer attempt", coded(mft.CodeDisconnected), ErrSuperseded, 1, Verdict{}},
		{"the peer is removed", coded(mft.CodeDisconnected), ErrRemoved, 1, Verdict{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Decide(tt.err, tt.cause, tt.tries, 0)
			got.Reason.Detail = ""
			if got != tt.want {
				t.Errorf("Decide(%v, %v, %d) = %+v, want %+v", tt.err, tt.cause, tt.tries, got, tt.want)
			}
		})
	}
}

func TestDelay(t *testing.T) {
	for tries := -1; tries < 100; tries++ {
		for _, spread := range []float64{0, 0.5, 0.999} {
			got := delay(tries, spread)
			if got < FirstDelay*3/4 || got > LastDelay {
				t.Errorf("delay(%d, %v) = %v, want %v to %v", tries, spread, got, FirstDelay*3/4, LastDelay)
			}
			if spread > 0 && got >= delay(tries, 0) {
				t.Errorf("delay(%d, %v) = %v, want less than without luck", tries, spread, got)
			}
		}
	}
}
