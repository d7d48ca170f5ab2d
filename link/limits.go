package link

import "time"

const (
	// envelopeLife is how long an envelope can be accepted. Over a direct
	// link it arrives at once; the rest is for a slow network.
	envelopeLife = 5 * time.Minute

	// dialWithin is the time for a connection that this end dials to become useful, TCP
	// included; entrance.GreetWithin is the same for the end that accepts.
	dialWithin = 15 * time.Second

	// maxConversations bounds those of one control connection.
	maxConversations = 256
	// maxConnections bounds the control connections with one peer. A second
	// is made when both dial at once, a third when one end lost its memory of
	// the first two.
	maxConnections = 4
	// inboxSize bounds the envelopes of a conversation that nobody has read
	// yet, and so what a peer can make this end remember: no exchange has
	// more than two from one end after the opening.
	inboxSize = 4

	// firstPause and longestPause bound the pause between attempts to connect.
	firstPause   = time.Second
	longestPause = time.Minute
)
