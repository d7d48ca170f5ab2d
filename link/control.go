package link

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/path"
	"mft.dev/mft/link/transport"
	"mft.dev/mft/link/wire"
	"mft.dev/mft/protocol"
)

// A control is one control connection and the conversations over it. What
// comes in is dealt with by one goroutine, which never waits for a
// conversation or for Handle: what is slow there keeps nobody else from being
// heard.
type control struct {
	link     *Link
	wire     *wire.Conn
	secure   net.Conn // that wire is over
	tally    path.Tally
	peer     mft.AgentName
	pin      identity.Pin // what the peer showed
	keyID    [16]byte     // what we showed; what we send over it is signed with it
	dialled  bool         // by this end
	remote   string       // network address of the other end
	software string       // as the peer says
	speaks   uint8        // the highest version that the peer speaks
	since    time.Time

	mu            sync.Mutex
	over          bool
	open          int // conversations that count against the limit
	conversations map[attempt]*Conversation
}

// An attempt is what an envelope belongs to.
type attempt struct {
	transfer mft.TransferID
	nonce    protocol.Nonce
}

// serve carries the connection until it breaks or ctx ends.
func (c *control) serve(ctx context.Context) {
	c.wire.Serve(ctx, func(envelope []byte) error { return c.receive(ctx, envelope) }, c.outlived)
}

// ended is called when the connection is over: so are its conversations.
func (c *control) ended(cause error) {
	c.mu.Lock()
	c.over = true
	var all []*Conversation
	for _, conv := range c.conversations {
		all = append(all, conv)
	}
	c.mu.Unlock()
	if !errors.Is(cause, wire.ErrPeerLeft) && mft.CodeOf(cause) != mft.CodeMaintenance {
		c.link.c.Log.Warn("a connection was ended", "peer", c.peer, "remote", c.remote, "cause", cause)
	}
	c.link.forget(c, cause)
	for _, conv := range all {
		conv.end(c.gone())
	}
}

// gone returns what those who use the connection are told when it is over.
func (c *control) gone() error {
	return mft.Fail(mft.CodeDisconnected, "talk to peer", string(c.peer), c.wire.Cause())
}

// send hands an envelope to the network.
func (c *control) send(ctx context.Context, envelope []byte) error {
	err := c.wire.Send(ctx, protocol.ControlEnvelope, envelope)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return transport.Interrupted("send to peer "+string(c.peer), ctx)
	}
	return mft.Fail(mft.CodeDisconnected, "send to peer", string(c.peer), err)
}

// outlived returns why the connection should end: the peer's key is no longer
// trusted, or ours was replaced and nothing is under way, so that a new
// connection can show the new one.
func (c *control) outlived() error {
	if !c.link.c.Trust.Trusts(c.peer, c.pin, c.link.c.Now()) {
		return mft.Fail(mft.CodeUntrusted, "keep connection to peer", string(c.peer),
			errors.New("its key is no longer trusted"))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy() == 0 && c.link.c.Keys.KeyID() != c.keyID {
		return mft.Fail(mft.CodeMaintenance, "keep connection to peer", string(c.peer),
			errors.New("this agent has a new key to show"))
	}
	return nil
}

// others is how many conversations are under way besides one.
func (c *control) others() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(0, c.busy()-1)
}

// busy is how many conversations are under way that are about a transfer. Those
// about markers last for ever, one after the other. The caller holds mu.
func (c *control) busy() int {
	n := c.open
	for _, conv := range c.conversations {
		if conv.Opening().Kind == protocol.KindMarkers {
			n--
		}
	}
	return n
}
