// Package transfer is what the two ends of one transfer agree on: the
// conversation that they hold, what goes into it, what is counted, and who may
// send what where.
//
// The ends themselves are the packages sender and receiver, which mirror each
// other: what one sends, the other expects, in the same order.
//
//	sender                                receiver
//	  offer      ── control ──▶             (read by the agent, admitted by Admit)
//	             ◀── control ──             decision
//	  announce   ══ data ═════▶             plan
//	             ◀═════════════             want
//	  content    ═════════════▶             land
//	             ◀═════════════             committed
//	  seal       ── control ──▶
//	             ◀── control ──             receipt
//
// Package scan reads the source as a stream of items. Package staging keeps
// the receiver's promise: it has the commit order, and recovers from crashes.
//
// None of them decides who may send ([Admit] and [AdmitRequest] are pure
// functions over the allow list that the caller holds), tries again, keeps a
// queue, or opens a connection by itself.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

// A Conversation is one attempt of one transfer with one peer: signed messages
// on a control connection and the data connections that belong to it. The
// methods may be used by several goroutines at once.
type Conversation interface {
	// Send signs and sends a message of the attempt.
	Send(ctx context.Context, kind protocol.Kind, body []byte) error
	// Receive returns the next message, its signature checked. It fails with
	// CodeDisconnected when the peer is gone. An Abort is not returned: once
	// the peer has sent one, all methods fail with the code in it.
	Receive(ctx context.Context) (*protocol.Envelope, error)
	// DataKey is the fingerprint of the certificate that this end's data
	// connections show.
	DataKey() [32]byte
	// Streams is how many data connections this end would have if it sends, 1
	// to MaxStreams.
	Streams() int
	// OpenData returns a connection to the peer that showed the certificate
	// with fingerprint peerKey. Of several streams, which both ends have agreed
	// on, it makes one. ctx must last as long as it is used.
	OpenData(ctx context.Context, peerKey [32]byte, streams int) (net.Conn, error)
}

// MaxStreams is the most data connections of an attempt.
const MaxStreams = 8

// AcceptStreams decides how many data connections a receiver agrees to when the
// sender would have some: as many, but no more than MaxStreams.
func AcceptStreams(wanted int) int { return min(max(wanted, 1), MaxStreams) }

// AgreedStreams checks the receiver's number against what was offered. The
// error has code mft.CodeProtocol.
func AgreedStreams(wanted, agreed int) (int, error) {
	if agreed < 1 || agreed > wanted {
		return 0, Nonsense("%d data connections were agreed to, %d were offered", agreed, wanted)
	}
	return agreed, nil
}

// Limits that both ends hold to. They bound memory, not the size of a
// transfer.
const (
	// Window is how many items may be announced and not yet settled.
	Window = protocol.Window
	// SmallMax is the size in bytes up to which a file travels as a whole, in
	// a pack with others.
	SmallMax = 256 << 10
	// Chunk is the content in bytes that is read, hashed and written at once.
	Chunk = 256 << 10
	// ReadAhead is how many chunks wait between two goroutines.
	ReadAhead = 8
	// WriteTimeout is how long a receiver may take to take WriteStep bytes, or
	// a sender one of the receiver's small frames, before the attempt is given
	// up. It is longer than a slow disk needs for a flush.
	WriteTimeout = 5 * time.Minute
	WriteStep    = 256 << 10
	// AliveEvery is how often each end writes on the data connection that it
	// is there, and Patience how long the other believes it when nothing at
	// all comes: a network can swallow a connection without telling anybody.
	// A frame that is under way shows that too, however long it takes.
	AliveEvery = 15 * time.Second
	Patience   = time.Minute
)

// A Meter counts what a transfer has found and moved. The zero value is ready;
// it may be read while the transfer runs.
type Meter struct {
	totalItems, totalBytes, movedItems, movedBytes, sameItems, sameBytes atomic.Int64
}

// Snapshot returns what has been found in the source and what has been moved.
func (m *Meter) Snapshot() (totals, moved mft.Count) {
	return mft.Count{Items: m.totalItems.Load(), Bytes: m.totalBytes.Load()},
		mft.Count{Items: m.movedItems.Load(), Bytes: m.movedBytes.Load()}
}

// Unchanged returns what of it was at the destination before.
func (m *Meter) Unchanged() mft.Count {
	return mft.Count{Items: m.sameItems.Load(), Bytes: m.sameBytes.Load()}
}

// Same adds to what was at the destination before.
func (m *Meter) Same(items, size int64) {
	m.sameItems.Add(items)
	m.sameBytes.Add(size)
}

// Found adds to what has been found.
func (m *Meter) Found(items, size int64) {
	m.totalItems.Add(items)
	m.totalBytes.Add(size)
}

// Moved adds to what has been moved.
func (m *Meter) Moved(items, size int64) {
	m.movedItems.Add(items)
	m.movedBytes.Add(size)
}

// Show makes the meter say what another one says.
func (m *Meter) Show(totals, moved, unchanged mft.Count) {
	m.totalItems.Store(totals.Items)
	m.totalBytes.Store(totals.Bytes)
	m.movedItems.Store(moved.Items)
	m.movedBytes.Store(moved.Bytes)
	m.sameItems.Store(unchanged.Items)
	m.sameBytes.Store(unchanged.Bytes)
}

// Reset begins anew, as each attempt does.
func (m *Meter) Reset() {
	m.totalItems.Store(0)
	m.totalBytes.Store(0)
	m.movedItems.Store(0)
	m.movedBytes.Store(0)
	m.sameItems.Store(0)
	m.sameBytes.Store(0)
}

// Note is told what a person would want to read in the timeline of the
// transfer: EventMoving, EventVerified and EventItem. It is called by several
// goroutines and must not block for long.
type Note func(kind mft.EventKind, code mft.Code, detail string)

// A Refused error says that the peer decided against the transfer.
type Refused struct{ Decision mft.Decision }

// Error names the peer's reason.
func (r *Refused) Error() string {
	detail := r.Decision.Detail
	if detail == "" {
		detail = r.Decision.Code.Sentence()
	}
	return fmt.Sprintf("the peer refused the transfer: %s [%s]", detail, r.Decision.Code)
}

// Unwrap gives the refusal's code to mft.CodeOf.
func (r *Refused) Unwrap() error {
	return &mft.Error{Code: r.Decision.Code, Op: "offer", Err: errors.New(r.Decision.Detail)}
}

// abortTimeout bounds how long a peer that does not read delays the end of an
// attempt.
const abortTimeout = 3 * time.Second

// Abort tells the peer that this end has given the attempt up because of cause,
// so that it need not wait for what will not come. It does so although ctx may
// have ended, and whether that arrives makes no difference to this end. A peer
// that has refused is told nothing: it does not wait.
func Abort(ctx context.Context, conv Conversation, cause error) {
	var refused *Refused
	if errors.As(cause, &refused) {
		return
	}
	reason := mft.ReasonOf(cause)
	if ctx.Err() != nil || errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
		// What interrupts one attempt says nothing about the next.
		reason.Code = mft.CodeDisconnected
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	f := protocol.Failure{Code: reason.Code, Detail: reason.Detail}
	_ = conv.Send(ctx, protocol.KindAbort, protocol.AppendFailure(nil, &f))
}

// Failures remembers the first reason for which an item was not delivered. The
// zero value is ready and safe for concurrent use.
type Failures struct {
	mu    sync.Mutex
	first mft.Reason
}

// Add notes a reason.
func (f *Failures) Add(code mft.Code, detail string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first.Code == "" {
		f.first = mft.Reason{Code: code, Detail: detail}
	}
}

// First returns the first reason, zero when there is none.
func (f *Failures) First() mft.Reason {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.first
}

// Nonsense makes the error of a peer that breaks the protocol.
func Nonsense(format string, args ...any) error {
	return mft.Fail(mft.CodeProtocol, "read from the peer", "", fmt.Errorf(format, args...))
}

// Disconnected makes an error of a read from or write to the data connection
// that failed, unless it has a code already: what cannot be parsed is no
// disconnection.
func Disconnected(op string, err error) error {
	var coded *mft.Error
	code := mft.CodeDisconnected
	if errors.As(err, &coded) {
		code = coded.Code
	}
	return mft.Fail(code, op+" the data connection", "", err)
}

// Cause returns why ctx ended when it has, and err when it has not: when one
// goroutine of an attempt fails, the others only report that they were
// stopped.
func Cause(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}
