package link

import "time"

const (
	// envelopeLife is how long an envelope can be accepted. Over a direct
	// link it arrives at once; the rest is for a slow network.
	envelopeLife = 5 * time.Minute

	// greetWithin is the time for a connection to become useful, at the end
	// that accepts: the TLS handshake, and for a data connection the wait for
	// its conversation, for a control connection the Hello, for pairing the
	// request.
	greetWithin = 10 * time.Second
	// dialWithin is the same for the end that dials, TCP included.
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

	// maxPending and maxPendingOf bound the connections that are not useful
	// yet, of everybody and of one network address.
	maxPending   = 512
	maxPendingOf = 128

	// firstPause and longestPause bound the pause between attempts to connect.
	firstPause   = time.Second
	longestPause = time.Minute
)
