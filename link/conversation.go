package link

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"sync/atomic"

	"mft.dev/mft"
	"mft.dev/mft/link/dataconn"
	"mft.dev/mft/link/transport"
	"mft.dev/mft/protocol"
)

// A Conversation is the exchange about one attempt of one transfer. It ends
// when it is closed, when the peer sends an Abort, or when its control
// connection breaks. Methods may be called concurrently.
type Conversation struct {
	conn     *control
	transfer mft.TransferID
	channel  string
	opening  atomic.Pointer[protocol.Envelope]
	data     *dataconn.Side

	inbox chan *protocol.Envelope
	done  chan struct{} // closed when the conversation is over

	mu    sync.Mutex
	cause error // why it is over

	// conn.mu guards what follows.
	counted bool
	key     attempt
}

func newConversation(c *control, id mft.TransferID, channel string) *Conversation {
	return &Conversation{
		conn: c, transfer: id, channel: channel,
		inbox: make(chan *protocol.Envelope, inboxSize), done: make(chan struct{}),
		data: dataconn.New(),
	}
}

// Peer returns the agent at the other end.
func (c *Conversation) Peer() mft.AgentName { return c.conn.peer }

// Speaks returns the highest version of the protocol that the other end speaks.
func (c *Conversation) Speaks() uint8 { return c.conn.speaks }

// Transfer returns the transfer that the conversation is about.
func (c *Conversation) Transfer() mft.TransferID { return c.transfer }

// Opening returns the envelope that opened the conversation: received for
// one that a peer opened, else the first that was sent, nil before that. The
// caller must not change it.
func (c *Conversation) Opening() *protocol.Envelope { return c.opening.Load() }

// Send signs body into an envelope of this kind and returns when it has been
// handed to the network. The first envelope of a conversation made by Open is
// of an opening kind and gets a fresh nonce and the next sequence; answers
// carry the nonce of the opening. An opening kind that is sent later, a
// Cancel, starts a conversation of its own at the peer, to which nobody here
// listens. Errors: mft.CodeDisconnected, mft.CodeTimeout or mft.CodeCancelled
// when ctx ends, what Config.NextSequence returns, and what ended the
// conversation, see Receive.
func (c *Conversation) Send(ctx context.Context, kind protocol.Kind, body []byte) error {
	select {
	case <-c.done:
		return c.why()
	default:
	}
	if len(body) > protocol.MaxBody {
		return mft.Fail(mft.CodeProtocol, "send "+kind.String()+" to", string(c.Peer()), errors.New("it is too long"))
	}
	e := &protocol.Envelope{Kind: kind, Transfer: c.transfer, Channel: c.channel, Body: body}
	wire, err := c.seal(ctx, e)
	if err != nil {
		return err
	}
	if err := c.conn.send(ctx, wire); err != nil || kind != protocol.KindOffer {
		return err
	}
	c.anticipate(ctx)
	return nil
}

// seal gives e its nonce and sequence and signs it. The first opening is
// registered before it leaves: the answer may come at once.
func (c *Conversation) seal(ctx context.Context, e *protocol.Envelope) ([]byte, error) {
	if !e.Kind.Opens() {
		opening := c.opening.Load()
		if opening == nil {
			return nil, mft.Fail(mft.CodeInternal, "send "+e.Kind.String()+" to", string(c.Peer()),
				errors.New("nothing was sent yet that it could follow"))
		}
		e.Nonce = opening.Nonce
		return c.conn.sign(e)
	}
	if _, err := rand.Read(e.Nonce[:]); err != nil {
		return nil, mft.Fail(mft.CodeInternal, "choose a nonce", "", err)
	}
	sequence, err := c.conn.link.c.NextSequence(ctx, c.Peer())
	if err != nil {
		return nil, err
	}
	e.Sequence = sequence
	wire, err := c.conn.sign(e)
	if err != nil {
		return nil, err
	}
	if c.opening.CompareAndSwap(nil, e) {
		err = c.conn.register(c, e)
	}
	return wire, err
}

// Receive returns the next envelope from the peer, verified. What came before
// the conversation ended is returned first. Errors:
// mft.CodeDisconnected when the control connection is gone, the peer's own code
// after its Abort, mft.CodeCancelled after Close, mft.CodeBusy when more came than was read, the code of an
// answer that could not be accepted (mft.CodeExpired, mft.CodeProtocol), and
// mft.CodeTimeout or mft.CodeCancelled when ctx ends.
func (c *Conversation) Receive(ctx context.Context) (*protocol.Envelope, error) {
	select {
	case e := <-c.inbox:
		return e, nil
	case <-c.done:
		select {
		case e := <-c.inbox:
			return e, nil
		default:
			return nil, c.why()
		}
	case <-ctx.Done():
		return nil, transport.Interrupted("wait for peer "+string(c.Peer()), ctx)
	}
}

// deliver puts an envelope into the inbox. It never waits.
func (c *Conversation) deliver(e *protocol.Envelope) {
	select {
	case c.inbox <- e:
	default:
		c.end(mft.Fail(mft.CodeBusy, "hear peer", string(c.Peer()), errors.New("more came than was read")))
	}
}

// Echo returns when the peer has read all that was sent before on the connection.
func (c *Conversation) Echo(ctx context.Context) error { return c.conn.wire.Echo(ctx) }

// Close ends the conversation at this end and frees what it holds. It does
// not tell the peer. It may be called more than once.
func (c *Conversation) Close() {
	c.end(mft.Fail(mft.CodeCancelled, "talk to peer", string(c.Peer()), errors.New("the conversation was closed here")))
}

// end makes the conversation over, once; the first cause counts.
func (c *Conversation) end(cause error) {
	c.mu.Lock()
	if c.cause != nil {
		c.mu.Unlock()
		return
	}
	c.cause = cause
	close(c.done)
	c.mu.Unlock()
	c.withdraw()
	c.data.Close()
	c.conn.release(c)
}

func (c *Conversation) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}
