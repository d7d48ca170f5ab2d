package link

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/identity"
	"mft.dev/mft/link/transport"
)

// peerLinks is what a link has with one peer. Link.mu guards it.
type peerLinks struct {
	up      []*control // the newest last
	dialing *attemptToDial
	changed time.Time // when the first came or the last went
	failure error     // why there is none
}

// attemptToDial is shared by all who want the connection, and over for them when the peer
// has dialled meanwhile: where this end's packets are lost its own attempt takes long.
type attemptToDial struct {
	over chan struct{} // closed when c and err are set
	c    *control
	err  error
}

// of returns the entry of a peer. The caller holds mu.
func (l *Link) of(peer mft.AgentName) *peerLinks {
	p := l.peers[peer]
	if p == nil {
		p = &peerLinks{}
		l.peers[peer] = p
	}
	return p
}

// add makes a connection one that conversations can use. The newest is used
// first: the peer may have lost its end of the others.
func (l *Link) add(c *control) {
	l.mu.Lock()
	p := l.of(c.peer)
	if len(p.up) == 0 {
		p.changed = c.since
	}
	p.up = append(p.up, c)
	p.failure = nil
	if p.dialing != nil {
		p.dialing.settle(p, c, nil)
	}
	l.c.Changed()
	var surplus *control
	if len(p.up) > maxConnections {
		surplus = p.up[0]
	}
	l.mu.Unlock()
	l.c.Log.Info("a peer is connected", "peer", c.peer, "remote", c.remote, "inbound", !c.dialled, "software", c.software)
	if surplus != nil {
		surplus.wire.End(mft.Fail(mft.CodeBusy, "keep connection to peer", string(c.peer), errors.New("it has made newer ones")))
	}
}

// forget takes back add.
func (l *Link) forget(c *control, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.of(c.peer)
	at := slices.Index(p.up, c)
	if at < 0 {
		return
	}
	p.up = slices.Delete(p.up, at, at+1)
	defer l.c.Changed()
	if len(p.up) == 0 {
		p.changed = l.c.Now()
		p.failure = mft.Fail(mft.CodeDisconnected, "keep connection to peer", string(c.peer), cause)
	}
	l.c.Log.Info("a peer is disconnected", "peer", c.peer, "remote", c.remote, "cause", cause)
}

// connected returns the newest connection to a peer, or nil.
func (l *Link) connected(peer mft.AgentName) *control {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.peers[peer]; p != nil && len(p.up) > 0 {
		return choose(p.up)
	}
	return nil
}

// choose picks the newest, which is the least likely to be dead without
// anybody having noticed. If both ends dialled at once it is the one that this
// end dialled: it can then connect for data while its offer is on the way.
func choose(up []*control) *control {
	newest := up[len(up)-1]
	for _, c := range up {
		if c.dialled && newest.since.Sub(c.since) < dialWithin {
			return c
		}
	}
	return newest
}

// connect returns a connection to a peer and dials if there is none. Those
// who want one at the same time share one attempt.
func (l *Link) connect(ctx context.Context, name mft.AgentName) (*control, error) {
	peer, ok := l.c.Trust.Peer(name)
	if !ok {
		return nil, mft.Fail(mft.CodeUnknownPeer, "connect to peer", string(name), nil)
	}
	if c := l.connected(name); c != nil {
		return c, nil
	}
	if peer.Address == "" {
		return nil, mft.Fail(mft.CodeUnreachable, "connect to peer", string(name),
			errors.New("it is not connected, and no address is known to dial"))
	}
	l.mu.Lock()
	p := l.of(name)
	if len(p.up) > 0 { // it came just now
		defer l.mu.Unlock()
		return choose(p.up), nil
	}
	mine := p.dialing == nil
	if mine {
		p.dialing = &attemptToDial{over: make(chan struct{})}
	}
	a := p.dialing
	l.mu.Unlock()
	if mine {
		if err := l.spawn(ctx, func(ctx context.Context) { l.attempt(ctx, a, peer) }); err != nil {
			l.failed(a, name, err)
		}
	}
	select {
	case <-a.over:
		return a.c, a.err
	case <-ctx.Done():
		return nil, transport.Interrupted("connect to peer "+string(name), ctx)
	}
}

// attempt dials once, and carries the connection if that works out.
func (l *Link) attempt(ctx context.Context, a *attemptToDial, peer identity.Peer) {
	if c, err := l.dialControl(ctx, peer); err != nil {
		l.failed(a, peer.Name, err)
	} else {
		l.add(c)
		c.serve(ctx)
	}
}

// failed tells those who wait, unless they have a connection.
func (l *Link) failed(a *attemptToDial, peer mft.AgentName, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.of(peer); p.dialing == a {
		p.failure = err
		a.settle(p, nil, err)
	}
}

// settle ends the wait for the attempt, which is that of p. The caller holds Link.mu.
func (a *attemptToDial) settle(p *peerLinks, c *control, err error) {
	a.c, a.err, p.dialing = c, err, nil
	close(a.over)
}

// Open starts a conversation with peer about the transfer id: over a control
// connection that is up, or by dialling. Nothing is sent before the first
// Send. It waits for Serve to begin. Errors: mft.CodeUnknownPeer,
// mft.CodeUnreachable, mft.CodeUntrusted, mft.CodeVersion, mft.CodeBusy when
// the connection carries its 256 conversations, mft.CodeDisconnected,
// mft.CodeMaintenance when Serve has ended.
func (l *Link) Open(ctx context.Context, peer mft.AgentName, id mft.TransferID, channel string) (*Conversation, error) {
	c, err := l.connect(ctx, peer)
	if err != nil {
		return nil, err
	}
	conv := newConversation(c, id, channel)
	if err := c.count(conv); err != nil {
		return nil, err
	}
	return conv, nil
}

// Keep keeps a control connection to peer up until ctx ends: while there is
// none it dials, after a pause that grows from 1 s to 60 s. It returns the
// context's error, or why there is no point: mft.CodeUnknownPeer when the
// peer is not or no longer known, mft.CodeUnreachable when it has no address,
// mft.CodeMaintenance when Serve has ended.
func (l *Link) Keep(ctx context.Context, peer mft.AgentName) error {
	pause := firstPause
	for {
		p, ok := l.c.Trust.Peer(peer)
		switch {
		case !ok:
			return mft.Fail(mft.CodeUnknownPeer, "keep connection to peer", string(peer), nil)
		case p.Address == "":
			return mft.Fail(mft.CodeUnreachable, "keep connection to peer", string(peer), errors.New("no address is known to dial"))
		}
		began := time.Now()
		c, err := l.connect(ctx, peer)
		if err == nil {
			select {
			case <-c.wire.Done():
			case <-ctx.Done():
			}
		}
		if time.Since(began) > longestPause {
			pause = firstPause // it had worked
		}
		select {
		case <-l.stopped:
			return errStopped()
		default:
		}
		if ctx.Err() == nil && err != nil {
			l.c.Log.Debug("a peer cannot be connected", "peer", peer, "error", err, "pause", pause)
		}
		// Half of it by chance: hosts that lost each other at the same moment
		// should not come back at the same moment.
		if !transport.Sleep(ctx, pause/2+rand.N(pause/2)) {
			return ctx.Err()
		}
		pause = min(2*pause, longestPause)
	}
}

// Drop closes every connection to peer, as after its removal.
func (l *Link) Drop(peer mft.AgentName) {
	l.mu.Lock()
	var up []*control
	if p := l.peers[peer]; p != nil {
		up = slices.Clone(p.up)
	}
	l.mu.Unlock()
	for _, c := range up {
		c.wire.End(mft.Fail(mft.CodeUntrusted, "keep connection to peer", string(peer), errors.New("an operator ended it")))
	}
}

// PeerState is one peer and the connection to it.
type PeerState struct {
	Name      mft.AgentName
	Address   string
	Connected bool
	// Since is when the connection was made or lost; zero when there was
	// none since the link began.
	Since time.Time
	// Inbound says that the peer dialled.
	Inbound bool
	// Remote is the network address of the other end; Software what it says
	// it runs.
	Remote   string
	Software string
	// Conversations counts those of all connections with the peer.
	Conversations int
	// LastError says why there is no connection, nil when there is one or
	// none was tried.
	LastError error
}

// Peers returns the state of every known peer, by name.
func (l *Link) Peers() []PeerState {
	var out []PeerState
	for _, known := range l.c.Trust.List() {
		out = append(out, l.state(known))
	}
	return out
}

func (l *Link) state(known identity.Peer) PeerState {
	s := PeerState{Name: known.Name, Address: known.Address}
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.peers[known.Name]
	if p == nil {
		return s
	}
	s.Since, s.LastError = p.changed, p.failure
	for _, c := range p.up { // the newest speaks for all
		s.Connected, s.Inbound, s.Remote, s.Software = true, !c.dialled, c.remote, c.software
		s.Conversations += c.underWay()
	}
	return s
}

// underWay counts the conversations of a connection. Link.mu may be held:
// control.mu comes after it.
func (c *control) underWay() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}
