// Package link connects agents directly: it listens, dials, keeps control
// connections, carries signed envelopes for any number of conversations over
// them, and opens the data connections of a conversation. It also holds the
// conversation by which two agents pair.
//
// Make a [Link] with [New] and run [Link.Serve] for as long as the agent
// lives. [Link.Open] starts a conversation with a peer; a conversation that a
// peer starts comes to Config.Handle. Either end may have dialled: over one
// control connection both may open conversations.
//
// Every envelope is verified before anybody sees it: signature, sender,
// recipient, times, and that an answer belongs to its opening. The link
// refuses to talk to an agent whose key is not pinned, never believes a name
// in a server name indication, and does not understand what envelopes say.
// It does not remember openings across connections: whoever accepts one
// checks [Conversation.Opening] against the durable replay window.
package link
