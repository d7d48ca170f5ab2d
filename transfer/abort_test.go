package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
)

// told is a conversation that remembers what it was told to send.
type told struct {
	transfer.Conversation
	kind protocol.Kind
	body []byte
	err  error // of the context that it was told in
}

func (c *told) Send(ctx context.Context, kind protocol.Kind, body []byte) error {
	c.kind, c.body, c.err = kind, body, ctx.Err()
	return errors.New("it does not arrive")
}

func TestAbort(t *testing.T) {
	live := t.Context()
	over, end := context.WithCancel(live)
	end()
	full := mft.Fail(mft.CodeNoSpace, "write", "/srv/in/a", nil)
	for _, tt := range []struct {
		name  string
		ctx   context.Context
		cause error
		code  mft.Code // empty: nothing is sent
	}{
		{"a reason", live, fmt.Errorf("landing: %w", full), mft.CodeNoSpace},
		{"no code", live, errors.New("odd"), mft.CodeOther},
		{"the attempt was interrupted", over, errors.New("an operator paused the transfer"), mft.CodeDisconnected},
		{"something within was interrupted", live, fmt.Errorf("scanning: %w", context.Canceled), mft.CodeDisconnected},
		{"something took too long", live, context.DeadlineExceeded, mft.CodeDisconnected},
		{"the peer refused", live, &transfer.Refused{Decision: mft.Decision{Code: mft.CodeBusy}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &told{}
			transfer.Abort(tt.ctx, c, tt.cause)
			if tt.code == "" {
				if c.kind != 0 {
					t.Errorf("sent a %v, want nothing", c.kind)
				}
				return
			}
			f, err := protocol.ParseFailure(c.body)
			if c.kind != protocol.KindAbort || err != nil || f.Code != tt.code || f.Detail != tt.cause.Error() {
				t.Errorf("sent a %v: %+v, %v, want an abort with %s and the cause", c.kind, f, err, tt.code)
			}
			if c.err != nil {
				t.Errorf("it was sent in a context that had ended: %v", c.err)
			}
		})
	}
}
