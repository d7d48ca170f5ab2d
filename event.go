package mft

import "time"

// EventKind says what happened to a transfer or a channel.
type EventKind string

// The events of a transfer, in the order in which a person meets them, then
// those of agents.
const (
	EventDetected  EventKind = "detected"  // a channel saw a new or changed file
	EventStable    EventKind = "stable"    // it stopped changing
	EventPlanned   EventKind = "planned"   // the transfer exists
	EventRequested EventKind = "requested" // the peer was asked to send
	EventOffered   EventKind = "offered"   // the offer was sent, or came in
	EventAccepted  EventKind = "accepted"
	EventMoving    EventKind = "moving" // the first content moved in this attempt
	EventVerified  EventKind = "verified"
	EventDelivered EventKind = "delivered"
	EventRemoved   EventKind = "removed" // a mirror removed what is not in the source
	EventDone      EventKind = "done"
	// What became of a file at the source of a channel that every destination has.
	EventSourceRemoved  EventKind = "source-removed"
	EventSourceArchived EventKind = "source-archived"
	EventSourceLeft     EventKind = "source-left" // it stays: it has changed, or, with a code, cannot leave
	EventWaiting        EventKind = "waiting"
	EventItem           EventKind = "item" // one item was skipped or failed
	EventRejected       EventKind = "rejected"
	EventFailed         EventKind = "failed"
	EventCancelled      EventKind = "cancelled"
	EventExitBegun      EventKind = "exit-started" // a command begins to run
	EventExitEnded      EventKind = "exit-ended"   // it is over; a code says that it failed
	EventRunOrdered     EventKind = "run-ordered"  // an operator wants a channel to run
	EventRunBegun       EventKind = "run-started"  // a channel begins to run
	EventRunEnded       EventKind = "run-ended"    // it has run; a code says that it failed
	// EventExpected says that what was expected of a channel did not come to pass, or, with
	// CodeOK, that it has.
	EventExpected EventKind = "expectation"
	EventFailover EventKind = "failover" // another member of a server group is active
	EventPaused   EventKind = "paused"
	EventResumed  EventKind = "resumed"

	EventChannelChanged  EventKind = "channel-changed" // by mft channel apply
	EventChannelPaused   EventKind = "channel-paused"
	EventChannelResumed  EventKind = "channel-resumed"
	EventChannelEnabled  EventKind = "channel-enabled"
	EventChannelDisabled EventKind = "channel-disabled"

	EventAgentStarted EventKind = "agent-started"
	EventAgentStopped EventKind = "agent-stopped"
	EventPeerAdded    EventKind = "peer-added"
	EventPeerRemoved  EventKind = "peer-removed"
	EventKeyRotated   EventKind = "key-rotated"
	EventLinkUp       EventKind = "link-up"
	EventLinkDown     EventKind = "link-down"
)

// An Event is one line of the journal. Seq is given by the journal: it grows
// by one with every event of a host and has no gaps.
type Event struct {
	Seq      int64
	Time     time.Time
	Kind     EventKind
	Transfer TransferID // zero when it concerns none
	Channel  string
	Peer     AgentName
	Code     Code   // CodeOK or empty when nothing is wrong
	Detail   string // for people; may name files
}
