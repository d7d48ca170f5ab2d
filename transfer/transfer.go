// Package transfer moves one transfer between two peers and commits it.
//
// [Send] and [Receive] are the two ends of one conversation and read like it:
// what one sends, the other expects, in the same order.
//
//	Send                                  Receive
//	  offer      ── control ──▶             (read by the agent, admitted with Admit)
//	             ◀── control ──              decide
//	  announce   ══ data ═════▶             plan
//	             ◀═════════════              want
//	  content    ═════════════▶             land
//	             ◀═════════════              commit
//	  seal       ── control ──▶
//	             ◀── control ──              receipt
//
// The receiver's promise is the commit order in commit.go: content is hashed
// and on stable storage before the journal says PREPARED, the journal says
// PREPARED before a name appears, and COMMITTED before the sender hears of it.
// [Recover] and [Discard] bring what a crash left behind to one of the two
// ends: delivered, or as if it had never been.
//
// The package decides nothing about who may send ([Admit] and [AdmitRequest]
// are pure functions over the allow list that the caller holds), does not
// retry, keeps no queue, and opens no connection itself.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"mft.dev/mft"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer/scan"
)

// A Conversation is one attempt of one transfer with one peer: signed messages
// on a control connection and the data connections that belong to it. The
// methods may be used by several goroutines at once.
type Conversation interface {
	// Send signs and sends a message of the attempt.
	Send(ctx context.Context, kind protocol.Kind, body []byte) error
	// Receive returns the next message, its signature checked. It fails with
	// CodeDisconnected when the peer is gone.
	Receive(ctx context.Context) (protocol.Kind, []byte, error)
	// DataKey is the fingerprint of the certificate that this end's data
	// connections show.
	DataKey() [32]byte
	// OpenData returns a connection to the peer that showed the certificate
	// with fingerprint peerKey.
	OpenData(ctx context.Context, peerKey [32]byte) (net.Conn, error)
}

// A Meter counts what a transfer has found and moved. The zero value is ready;
// it may be read while the transfer runs.
type Meter struct {
	totalItems, totalBytes, movedItems, movedBytes atomic.Int64
}

// Snapshot returns what has been found in the source and what has been moved.
func (m *Meter) Snapshot() (totals, moved mft.Count) {
	return mft.Count{Items: m.totalItems.Load(), Bytes: m.totalBytes.Load()},
		mft.Count{Items: m.movedItems.Load(), Bytes: m.movedBytes.Load()}
}

func (m *Meter) found(items, size int64) { m.totalItems.Add(items); m.totalBytes.Add(size) }
func (m *Meter) moved(items, size int64) { m.movedItems.Add(items); m.movedBytes.Add(size) }

func (m *Meter) reset() {
	m.totalItems.Store(0)
	m.totalBytes.Store(0)
	m.movedItems.Store(0)
	m.movedBytes.Store(0)
}

// Note is told what a person would want to read in the timeline of the
// transfer: EventMoving, EventVerified and EventItem. It is called by several
// goroutines and must not block for long.
type Note func(kind mft.EventKind, code mft.Code, detail string)

// Outgoing is what Send sends.
type Outgoing struct {
	// Offer is complete but for DataKey and Streams.
	Offer mft.Offer
	// Sources yield the items, in this order. Send does not close them.
	Sources []*scan.Source
	// LastTry makes files that never stop changing fail for good instead of
	// failing the attempt with CodeChanged.
	LastTry bool
	Meter   *Meter // required
	Note    Note   // required
}

// Incoming is what Receive receives.
type Incoming struct {
	// Offer was verified and admitted, and the transfer is in the journal in
	// state running.
	Offer   mft.Offer
	Landing journal.Landing
	Journal *journal.Journal
	Meter   *Meter // required
	Note    Note   // required
}

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

// Limits of one transfer. They bound memory, not the size of a transfer.
const (
	windowItems      = 16384 // announced and not yet settled
	itemsPerSend     = 512   // in one ITEMS frame
	itemBytesPerSend = 256 << 10
	smallMax         = 256 << 10 // a file up to this size travels in a PACK
	packTarget       = 512 << 10 // a PACK is sent when it has grown to this
	contentChunk     = 256 << 10 // of a DATA frame
	checkEvery       = 16 << 20  // content between two CHECK frames
	changedTries     = 5         // how often a changing file is read in one attempt
)

func protocolError(format string, args ...any) error {
	return mft.Fail(mft.CodeProtocol, "read from the peer", "", fmt.Errorf(format, args...))
}
