package receiver

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer"
)

// stop wakes whoever waits, so that all goroutines of the attempt can end.
// The connection is left open to tell the sender why.
func (r *receiver) stop() {
	r.mu.Lock()
	r.stopped = true
	r.roomy.Broadcast()
	r.mu.Unlock()
	r.reads.Stop()
	if r.writing.TryLock() {
		r.writing.Unlock()
		return
	}
	_ = r.conn.SetWriteDeadline(time.Unix(1, 0)) // somebody is stuck in a write
}

// tellTimeout bounds how long a sender that does not read delays the end of a
// failed attempt.
const tellTimeout = 3 * time.Second

// tell lets the sender know why this end gives up, if the connection still
// takes it. It reads on until the sender has closed: closing a connection with
// unread content would make the kernel drop what was just written.
func (r *receiver) tell(cause error) {
	if errors.Is(cause, context.Canceled) || mft.CodeOf(cause) == mft.CodeDisconnected {
		return
	}
	reason := mft.ReasonOf(cause)
	f := protocol.Failure{Code: reason.Code, Detail: reason.Detail}
	_ = r.conn.SetDeadline(time.Now().Add(tellTimeout))
	if r.frames.WriteFrame(protocol.FrameFail, protocol.AppendFailure(nil, &f)) == nil {
		_, _ = io.Copy(io.Discard, r.conn)
	}
}

// write sends one frame.
func (r *receiver) write(kind protocol.FrameKind, payload []byte) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	stopped := r.stopped
	r.mu.Unlock()
	if stopped {
		return transfer.Disconnected("write to", net.ErrClosed)
	}
	if err := r.conn.SetWriteDeadline(time.Now().Add(transfer.WriteTimeout)); err != nil {
		return transfer.Disconnected("write to", err)
	}
	if err := r.frames.WriteFrame(kind, payload); err != nil {
		return transfer.Disconnected("write to", err)
	}
	return nil
}
