package link

import (
	"context"
	"net"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

// A Conversation is the exchange about one attempt of one transfer. It ends
// when it is closed or its control connection breaks. Methods may be called
// concurrently; Receive by one goroutine at a time.
type Conversation struct{}

// Peer returns the agent at the other end.
func (c *Conversation) Peer() mft.AgentName { return "" }

// Transfer returns the transfer that the conversation is about.
func (c *Conversation) Transfer() mft.TransferID { return mft.TransferID{} }

// Opening returns the envelope that opened the conversation: received for
// one that a peer opened, else the first that was sent, nil before that. The
// caller must not change it.
func (c *Conversation) Opening() *protocol.Envelope { return nil }

// Send signs body into an envelope of this kind and returns when it has been
// handed to the network. The first envelope of a conversation made by Open is
// of an opening kind and gets a fresh nonce and the next sequence; answers
// carry the nonce of the opening. An opening kind that is sent later, a
// Cancel, starts a conversation of its own at the peer, to which nobody here
// listens. Errors: mft.CodeDisconnected, mft.CodeTimeout.
func (c *Conversation) Send(ctx context.Context, kind protocol.Kind, body []byte) error { return nil }

// Receive returns kind and body of the next envelope from the peer, verified.
// Errors: mft.CodeDisconnected when the control connection is gone,
// mft.CodeCancelled after Close, mft.CodeBusy when more came than was read,
// and the code of an answer that could not be accepted.
func (c *Conversation) Receive(ctx context.Context) (protocol.Kind, []byte, error) {
	return 0, nil, nil
}

// DataKey returns the fingerprint of the certificate that this end shows on
// the data connections of the conversation. The certificate is made at the
// first call.
func (c *Conversation) DataKey() [32]byte { return [32]byte{} }

// OpenData returns a new data connection on which the other end has shown the
// certificate with fingerprint peerKey. The end that dialled the control
// connection dials; the other waits for it, at most 15 s. Call it once for
// each stream, always with the same key. The caller closes the connection;
// closing the conversation does not. The connection is a *Stream. Errors:
// mft.CodeUnreachable, mft.CodeUntrusted, mft.CodeTimeout,
// mft.CodeDisconnected.
func (c *Conversation) OpenData(ctx context.Context, peerKey [32]byte) (net.Conn, error) {
	return nil, nil
}

// Close ends the conversation at this end and frees what it holds. It does
// not tell the peer. It may be called more than once.
func (c *Conversation) Close() {}
