// Package errand is what an agent and its workers say to each other: one errand on
// one connection, from an order to its end.
//
//	agent                           worker
//	           ◀── ready ──          (it is there)
//	  order    ──────────▶
//	           ◀── send, receive, raw, read, prepare, apply … ──   each is answered
//	  reply, failed ─────▶
//	           ◀── note, meter ──    not answered
//	  cancel   ──────────▶           (stop; it still may ask)
//	           ◀── done ──
//
// A [Port] is either end. The set of messages is closed; neither end believes the
// other. The worker is told where files are and looks at nothing else; the agent
// takes nothing of a worker but what its own transfer may say.
package errand

import (
	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer/delta"
)

// A Kind says what a message is.
type Kind uint8

// The messages. Each has a type below of the same name, or nothing to say.
const (
	// Of the agent.
	KindOrder  Kind = iota + 1
	KindCancel      // Failure: why
	KindReply       // what was asked for
	KindFailed      // Failure

	// Of the worker, not answered.
	KindReady
	KindNote
	KindMeter
	KindDone

	// Of the worker, answered.
	KindSend      // Message
	KindReceive   // answered with Heard
	KindRaw       // answered with Raw, which brings a connection
	KindPlain     // Plain, answered with a connection that needs no handshake
	KindRead      // answered with ledger.State
	KindCommitted // Committed, answered with Keys
	KindPrepare   // Prepare, answered with Prepared
	KindApply     // ledger.Change
	KindOwn       // may this end deliver the transfer
	KindRecall    // Recall, answered with Marks
	KindKeep      // Keep
	KindForget    // Forget
)

// A Task is what a worker is to do.
type Task uint8

// The tasks.
const (
	TaskReceive Task = iota + 1
	TaskSend
	TaskRecover
	TaskDiscard
)

// An Order says what is to be done for one transfer. Of Receive and Send that of the
// task is set, and with it Line.
type Order struct {
	Task     Task
	Transfer mft.TransferID
	Line     *Line
	Receive  *Receive
	Send     *Send
	// Landing is where TaskRecover and TaskDiscard look.
	Landing journal.Landing
}

// A Line is how the conversation's data connections come to be.
type Line struct {
	Peer mft.AgentName
	// Plain says that there are none: content comes from and goes to the agent,
	// which shows Key.
	Plain bool
	Key   [32]byte
	// Dials says that this end dials; Streams is how many connections it would have.
	Dials   bool
	Streams int
}

// Receive is receiver.Incoming.
type Receive struct {
	Offer   mft.Offer
	Landing journal.Landing
	Parcel  bool
	Own     bool // somebody has to be asked whether this end delivers it
	Memory  bool // there is one
}

// Send is sender.Outgoing, and where its sources are.
type Send struct {
	Channel     string
	Peer, From  mft.AgentName
	Sources     []string
	Destination string
	Requested   bool
	Overwrite   mft.Overwrite
	Compare     mft.Compare
	Compress    mft.Compress
	Mirror      mft.Mirror
	LastTry     bool
	// Root is the directory of the channel, or that of the grant by which the peer
	// asked for the sources.
	Root string
}

// Note is transfer.Note.
type Note struct {
	Kind   mft.EventKind
	Code   mft.Code
	Detail string
}

// Meter is what a transfer.Meter shows.
type Meter struct{ Totals, Moved, Unchanged mft.Count }

// Message is what the worker says in the conversation.
type Message struct {
	Kind protocol.Kind
	Body []byte
}

// Heard is an envelope in its wire form, whose signature the agent has checked.
type Heard struct{ Envelope []byte }

// Raw is a data connection before its handshake, see dataconn.Raw.
type Raw struct {
	Name  string
	Heard []byte
}

// Plain asks for a connection to the peer of this key.
type Plain struct {
	PeerKey [32]byte
	Streams int
}

// Committed asks for the keys of what was committed, from the one with this number.
type Committed struct{ From int }

// Keys are keys and digests of 48 bytes, as journal.Committed gives them. None ends
// the list.
type Keys struct{ Keys []byte }

// Prepare is a batch to be PREPARED, and Prepared its number.
type (
	Prepare  struct{ Entries []journal.Entry }
	Prepared struct{ Batch int64 }
)

// Change is what is to be journaled.
type Change = ledger.Change

// Recall asks for the marks of a file, Keep has them remembered, Forget not.
type (
	Recall struct {
		Path     string
		Identity confine.Identity
	}
	Marks struct{ Record *delta.Record }
	Keep  struct {
		Path     string
		Identity confine.Identity
		Record   *delta.Record
	}
	Forget struct{ Path string }
)

// Done is how an errand ended. Without a failure that of a task that sends has the
// receipt and the envelope that carried it.
type Done struct {
	Failure  *Failure
	Receipt  *mft.Receipt
	Envelope []byte
}
