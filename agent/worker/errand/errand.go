// Package errand is what an agent and its workers say to each other: one errand on
// one connection, from an order to its end.
//
//	agent                           worker
//	           ◀── ready ──          (it is there)
//	  order    ──────────▶
//	           ◀── send, receive, raw, read, prepare, apply … ──   each is answered
//	  reply, failed ─────▶
//	           ◀── note, meter ──    not answered
//	           ◀── hint ──           of TaskWatch
//	  mark     ──────────▶           of TaskAttend; each is answered
//	           ◀── reply, failed
//	  cancel   ──────────▶           (stop; it still may ask)
//	           ◀── done ──
//
// A [Port] is either end. The set of messages is closed; neither end believes the
// other. The worker is told where files are and looks at nothing else; the agent
// takes nothing of a worker but what its own transfer may say.
package errand

import (
	"mft.dev/mft"
	"mft.dev/mft/agent/departure/clearing"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/journal/ledger"
	"mft.dev/mft/protocol"
	"mft.dev/mft/transfer/delta"
	"mft.dev/mft/trigger"
	"mft.dev/mft/trigger/marker"
	"mft.dev/mft/trigger/pace"
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
	KindMark        // Mark, answered with Marked; while TaskAttend lasts

	// Of the worker, not answered.
	KindReady
	KindNote
	KindMeter
	KindHint // Hint
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
	KindThings    // Things
	KindWatched   // with what keeps watch now, see package watch: of TaskWatch, which ends then, and TaskAttend
	KindFound     // Page: what TaskLook finds, and what TaskSend has read before it says so
	KindParts     // Parts, answered with Known: what a TaskLook that has a Key comes to
)

// A Task is what a worker is to do.
type Task uint8

// The tasks.
const (
	TaskReceive Task = iota + 1
	TaskSend
	TaskRecover
	TaskDiscard
	TaskFind
	TaskLook   // tell of what lies at the source of a channel
	TaskWatch  // tell of what changes there, until it is cancelled
	TaskSound  // see whether it is what its guard demands
	TaskRead   // see whether a file of it can be read
	TaskAttend // carry out orders about markers, until it is cancelled
	TaskClear  // have files leave the source
	TaskScene  // answer the question of a rehearsal
	TaskWhole  // tell of all that a mirror would send
	TaskOffer  // see what would be offered
)

// An Order says what is to be done for one transfer. Of Receive and Send that of the
// task is set, and with it Line, but for TaskOffer, which has Send.
type Order struct {
	Task     Task
	Transfer mft.TransferID
	Line     *Line
	Receive  *Receive
	Send     *Send
	// Landing is where TaskRecover and TaskDiscard look.
	Landing journal.Landing
	Find    *Find
	// Dirs are the directories of markers that are of interest, of TaskAttend.
	Dirs   []string
	Source *Source         // of the tasks from TaskLook on, but for TaskAttend
	Clear  *clearing.Order // of TaskClear
	Scene  *Scene          // of TaskScene
}

// Find is what a peer asks for, below the directory that it may ask for.
type Find struct {
	Request mft.Request
	Root    string
	List    bool // only see that Root can be listed; nothing is asked for
}

// A Source is that of a channel.
type Source struct {
	Root string
	// Paths, Deep and Key are those of lookout.Search, for TaskLook; Key is nil when there is no
	// Known. TaskRead is about the first of Paths.
	Paths []string
	Deep  bool
	Key   *[16]byte
	// Select and Guard are those of source.Place, for TaskSound, and Now is in nanoseconds
	// since 1970.
	Select mft.Selection
	Guard  mft.Guard
	Now    int64
	// Channel and Mirror are those of scene.Whole.
	Channel string
	Mirror  mft.Mirror
}

// A Scene is what scene.At looks at, with the question in its wire form.
type Scene struct {
	Root, Top string
	Question  []byte
}

// A Mark is an order about a marker in the tree below Root, or elsewhere.
type Mark struct {
	Root  string
	Order marker.Order
}

// Marked is what marker.Hand reports.
type Marked struct{ Is bool }

// A Hint is a path that is worth a look, see lookout.Lookout.
type Hint struct {
	Path     string
	Reliable bool
}

// Parts are what lookout.Search.Known is asked about, lookout.MaxParts at most, and Known is
// what it says.
type (
	Parts struct{ Parts []trigger.Part }
	Known struct{ Known []bool }
)

// A Page is some of what was found, see PageOf.
type Page struct{ Found []byte }

// Found is what is at one path, or why nobody knows; what is not known of an identity is zero.
type Found struct {
	Path               string
	Size, MTime, CTime int64
	Inode              uint64
	Mode               uint32
	Failure            *Failure
}

// Things is some of what a mirror would send.
type Things struct{ Things []Thing }

// A Thing is a scene.Thing.
type Thing struct {
	Item    mft.Item
	Stays   bool
	Failure *Failure
}

// PageSize is how much a Page has at most, and Things.
const PageSize = 1000

// Identity is what is known of what was found.
func (f *Found) Identity() confine.Identity {
	return confine.Identity{Size: f.Size, MTime: f.MTime, CTime: f.CTime, Inode: f.Inode, Mode: f.Mode}
}

// FoundOf is what is told of something.
func FoundOf(p string, id confine.Identity, err error) Found {
	return Found{Path: p, Size: id.Size, MTime: id.MTime, CTime: id.CTime, Inode: id.Inode, Mode: id.Mode, Failure: FailureOf(err)}
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
	Preserve    mft.Preserve
	LastTry     bool
	// Pace is how fast the channel may send, empty for no limit.
	Pace pace.Plan
	// Took says that the agent wants to know what is read.
	Took bool
	// Root is the directory of the channel, or that of the grant by which the peer
	// asked for the sources.
	Root string
	// Select and Guard are those of source.Place.
	Select mft.Selection
	Guard  mft.Guard
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

// Prepare is a batch to be PREPARED, see PrepareOf, and Prepared its number.
type (
	Prepare  struct{ Entries []byte }
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
	Ends     []End  // of TaskClear, also beside a failure
	Answers  []byte // of TaskScene, in their wire form
	Offer    *Offered
}

// Offered is what of an offer only who reads the content knows, of TaskOffer.
type Offered struct {
	Announced mft.Count
	Single    bool
}

// An End is a clearing.End.
type End struct {
	Fate    uint8
	Where   string
	Failure *Failure
	CTime   int64
}
