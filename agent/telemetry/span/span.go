// Package span makes spans of the events of a transfer.
//
// [Of] returns everything that has ended, as a function of the events alone:
// asked again after a restart it returns the same spans with the same ids, so
// nothing need be remembered, and a collector that is told twice can tell.
//
// The id of a trace is the id of the transfer, and the id of the sender's whole
// span follows from it. So the spans of both ends join one trace although the
// ends exchange nothing for it.
//
// The package looks at no clock, and never at names of files.
package span

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"mft.dev/mft"
)

// An ID names a span within its trace. The zero ID is none.
type ID [8]byte

// A Phase is what a span is about.
type Phase string

// The phases of a transfer, in the order in which a quick one goes through
// them. Whole is all of it; Queue to Finish follow each other without a gap,
// Wait and Pause may come between any two, and an Exit runs beside them.
const (
	Whole   Phase = ""
	Queue   Phase = "queue"   // until it is offered
	Offer   Phase = "offer"   // until the peer accepts
	Compare Phase = "compare" // until the first content moves
	Move    Phase = "move"    // until everything is verified
	Commit  Phase = "commit"  // until everything is delivered
	Finish  Phase = "finish"  // until the transfer is done
	Wait    Phase = "wait"
	Pause   Phase = "pause"
	Exit    Phase = "exit" // a command that runs because of the transfer
)

// A Span is a part of a transfer that has ended.
type Span struct {
	Transfer mft.TransferID
	ID       ID
	// Parent is the span that it is part of, zero for the first of a trace. Remote
	// says that the parent is at the other end.
	Parent     ID
	Remote     bool
	Role       mft.Role
	Phase      Phase
	Start, End time.Time
	// Outcome is the event that ended it; its Code says why it went wrong.
	Outcome mft.Event
	// Attempt counts the offers so far, 0 before the first.
	Attempt int
}

// Name returns the name of the span, of which there are few.
func (s Span) Name() string {
	name := "mft " + string(s.Role)
	if s.Phase != Whole {
		name += " " + string(s.Phase)
	}
	return name
}

// Failed reports whether the span ended because something went wrong. What an
// operator wants is not wrong.
func (s Span) Failed() bool {
	switch s.Outcome.Code {
	case "", mft.CodeOK, mft.CodeDelivered, mft.CodeCancelled, mft.CodePaused:
		return false
	}
	return true
}

// WholeID returns the id of the whole span of one end of a transfer.
func WholeID(transfer mft.TransferID, role mft.Role) ID { return idOf(transfer, role, Whole, 0) }

// idOf returns the id of the span that the event seq began.
func idOf(transfer mft.TransferID, role mft.Role, phase Phase, seq int64) (id ID) {
	seed := append([]byte("mft span 1\x00"), transfer[:]...)
	seed = append(seed, role...)
	seed = append(append(append(seed, 0), phase...), 0)
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(seed, uint64(seq)))
	copy(id[:], sum[:])
	id[7] |= 1 // never zero, which would be none
	return id
}

// follows says which phase an event begins.
var follows = map[mft.EventKind]Phase{
	mft.EventDetected: Queue, mft.EventStable: Queue, mft.EventRequested: Queue, mft.EventPlanned: Queue, mft.EventResumed: Queue,
	mft.EventOffered: Offer, mft.EventAccepted: Compare, mft.EventMoving: Move, mft.EventVerified: Commit,
	mft.EventDelivered: Finish, mft.EventWaiting: Wait, mft.EventPaused: Pause,
}

// ends reports whether a transfer ends with an event.
func ends(kind mft.EventKind) bool { return mft.State(kind).Terminal() }

// Ends reports whether an event may end a span: others need not be looked at.
func Ends(kind mft.EventKind) bool {
	_, phase := follows[kind]
	return phase || ends(kind) || kind == mft.EventExitEnded
}

// Of returns the spans of one end of a transfer that have ended, in the order
// in which they did. The events are all those of the transfer, oldest first.
func Of(role mft.Role, events []mft.Event) []Span {
	f := fold{role: role}
	for _, e := range events {
		f.add(e)
	}
	return f.out
}

// A fold is what is known of a transfer after some of its events.
type fold struct {
	role    mft.Role
	first   *mft.Event // nil before there is one
	phase   Phase      // the one that goes on, Whole for none
	since   mft.Event
	attempt int
	ended   bool
	exits   []mft.Event // those that run
	out     []Span
}

func (f *fold) add(e mft.Event) {
	if f.first == nil {
		f.first = &e
	}
	switch next, is := follows[e.Kind]; {
	case e.Kind == mft.EventExitBegun:
		f.exits = append(f.exits, e)
	case e.Kind == mft.EventExitEnded && len(f.exits) == 0:
		f.close(Exit, e, e) // what is told of a command only when it is over
	case e.Kind == mft.EventExitEnded:
		f.close(Exit, f.exits[0], e)
		f.exits = f.exits[1:]
	case f.ended:
		// That the other end was told, or the like.
	case ends(e.Kind):
		if f.phase != Whole {
			f.close(f.phase, f.since, e)
		}
		f.close(Whole, *f.first, e)
		f.ended = true
	case is && (next != f.phase || next == Offer):
		if f.phase != Whole {
			f.close(f.phase, f.since, e)
		}
		if next == Offer {
			f.attempt++
		}
		f.phase, f.since = next, e
	}
}

// close adds the span from one event to another.
func (f *fold) close(phase Phase, from, to mft.Event) {
	s := Span{
		Transfer: to.Transfer, Role: f.role, Phase: phase, Start: from.Time, End: to.Time, Outcome: to, Attempt: f.attempt,
		ID: idOf(to.Transfer, f.role, phase, from.Seq), Parent: WholeID(to.Transfer, f.role),
	}
	if phase == Whole {
		s.ID, s.Parent = WholeID(to.Transfer, f.role), ID{}
		if f.role == mft.RoleReceive {
			s.Parent, s.Remote = WholeID(to.Transfer, mft.RoleSend), true
		}
	}
	if s.End.Before(s.Start) { // a clock was set
		s.End = s.Start
	}
	f.out = append(f.out, s)
}
