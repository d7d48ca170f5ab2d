// Package notice tells peers of transfers that ended here while they still wait
// for them there.
//
// [Notices.Add] has a peer told as soon as it can be reached, [Notices.Poke]
// has what is due tried again, [Notices.Load] finds what an earlier life of
// the agent did not come to tell: that a peer was told is an event of the
// transfer. [Notices.Run] does the telling.
//
// Nothing answers a notice. It counts as told once the peer has read it and the connection
// has outlived that for a moment, or the letter is in the peer's queue; a second copy does
// no harm. The package refuses to end a transfer itself.
package notice

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/journal"
	"mft.dev/mft/link"
	"mft.dev/mft/protocol"
)

// Config is what notices need; every field must be set.
type Config struct {
	Journal *journal.Journal
	Trail   *trail.Trail
	Log     *slog.Logger
	// Open opens a conversation with the peer of a transfer over the link, nil
	// when the peer is to be told by letter.
	Open func(ctx context.Context, t mft.Transfer) (*link.Conversation, error)
	// Post tells the peer by letter; nil without an exchange.
	Post func(ctx context.Context, t mft.Transfer, c *protocol.Cancel) error
}

// Notices are what peers are still to be told. Methods may be called
// concurrently.
type Notices struct {
	c    Config
	wake chan struct{}

	mu  sync.Mutex // guards due
	due map[mft.AgentName]map[mft.TransferID]bool
}

// toldDetail marks the event that says that the peer knows.
const toldDetail = "the other end was told"

// tellTimeout is how long telling one peer may take.
const tellTimeout = 30 * time.Second

// atOnce is how many notices one connection carries at a time: transfers need
// it too.
const atOnce = 64

// A notice counts as told when the peer has read it within readWithin, which it has not on a
// connection that is dead without anybody having noticed, and the connection has stayed up
// for outlive. One that was not read is sent anew after a while: there may be another
// connection by then, which nobody is told of while the dead one counts.
const (
	readWithin = 10 * time.Second
	outlive    = 2 * time.Second
	unread     = 15 * time.Second
)

// New returns notices of which none is due. It starts nothing.
func New(c Config) *Notices {
	return &Notices{c: c, wake: make(chan struct{}, 1), due: map[mft.AgentName]map[mft.TransferID]bool{}}
}

// Add has the peer told that transfer id has ended.
func (n *Notices) Add(peer mft.AgentName, id mft.TransferID) {
	n.mu.Lock()
	if n.due[peer] == nil {
		n.due[peer] = map[mft.TransferID]bool{}
	}
	n.due[peer][id] = true
	n.mu.Unlock()
	n.Poke()
}

// Repeat has a peer told once more that a send to it has ended without delivery,
// if it has.
func (n *Notices) Repeat(ctx context.Context, peer mft.AgentName, id mft.TransferID) error {
	t, known, err := n.c.Journal.Transfer(ctx, id)
	if err == nil && known && t.Peer == peer && t.Role == mft.RoleSend && (t.State == mft.StateCancelled || t.State == mft.StateFailed) {
		n.Add(peer, id)
	}
	return err
}

// Poke has the due notices tried again.
func (n *Notices) Poke() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// Load finds what an earlier life of the agent did not come to tell.
func (n *Notices) Load(ctx context.Context) error {
	const enough = 1000 // an end that nobody was told of for longer than that is history
	ended, err := n.c.Journal.Transfers(ctx, journal.Filter{
		Role:   mft.RoleSend, // the end of a receive is told when the sender comes again
		States: []mft.State{mft.StateCancelled, mft.StateFailed}, Limit: enough, Newest: true,
	})
	if err != nil {
		return err
	}
	for _, t := range ended {
		if t.Attempts == 0 && !t.Requested {
			continue // the peer never heard of it
		}
		if strings.HasPrefix(t.Reason.Detail, trail.EndedThere) {
			continue // it told us
		}
		if _, _, delivered, err := n.c.Journal.Receipt(ctx, t.ID); err != nil || delivered {
			continue // it has ended there as well
		}
		events, err := n.c.Journal.TransferEvents(ctx, t.ID)
		if err != nil {
			return err
		}
		told := false
		for _, e := range events {
			told = told || e.Detail == toldDetail
		}
		if !told {
			n.Add(t.Peer, t.ID)
		}
	}
	return nil
}

// Run tells peers until ctx ends.
func (n *Notices) Run(ctx context.Context) {
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.wake:
		case <-again:
		}
		n.mu.Lock()
		due := map[mft.AgentName][]mft.TransferID{}
		for peer, ids := range n.due {
			for id := range ids {
				due[peer] = append(due[peer], id)
			}
		}
		n.mu.Unlock()
		var all sync.WaitGroup
		var missed atomic.Bool
		for peer, ids := range due {
			all.Go(func() {
				if !n.tellPeer(ctx, peer, ids) {
					missed.Store(true)
				}
			})
		}
		all.Wait()
		if again = nil; missed.Load() {
			again = time.After(unread)
		}
	}
}

// tellPeer tells one peer what it can; the rest stays due. It reports whether what it sent
// was read.
func (n *Notices) tellPeer(ctx context.Context, peer mft.AgentName, ids []mft.TransferID) bool {
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	if len(ids) > atOnce {
		ids = ids[:atOnce]
		defer n.Poke()
	}
	var told []mft.TransferID
	var last *link.Conversation
	for _, id := range ids {
		conv, posted, err := n.tell(ctx, id)
		switch code := mft.CodeOf(err); {
		case posted:
			n.mark(ctx, id)
			n.forget(peer, id)
		case err == nil && conv == nil, code == mft.CodeUnknownPeer:
			n.forget(peer, id)
		case err != nil:
			n.c.Log.Debug("a peer could not be told", "peer", peer, "transfer", id, "err", err)
			return true // the link tells when it can be
		default:
			defer conv.Close()
			told, last = append(told, id), conv
		}
	}
	if last == nil {
		return true
	}
	wait, stop := context.WithTimeout(ctx, readWithin)
	err := last.Echo(wait)
	if stop(); err != nil {
		n.c.Log.Debug("a notice was not read", "peer", peer, "err", err)
		return false
	}
	wait, stop = context.WithTimeout(ctx, outlive)
	defer stop()
	if _, err := last.Receive(wait); wait.Err() == nil || ctx.Err() != nil {
		n.c.Log.Debug("a connection did not outlive a notice", "peer", peer, "err", err)
		return false
	}
	for _, id := range told {
		n.mark(ctx, id)
		n.forget(peer, id)
	}
	return true
}

func (n *Notices) forget(peer mft.AgentName, id mft.TransferID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.due[peer], id)
	if len(n.due[peer]) == 0 {
		delete(n.due, peer)
	}
}

// tell sends one notice. It returns its conversation, or that it was posted, or
// neither when there is nothing to tell.
func (n *Notices) tell(ctx context.Context, id mft.TransferID) (conv *link.Conversation, posted bool, err error) {
	t, ok, err := n.c.Journal.Transfer(ctx, id)
	if err != nil || !ok || (t.Attempts == 0 && !t.Requested) {
		return nil, false, err
	}
	c := protocol.Cancel{Transfer: t.ID, Code: t.Reason.Code, Detail: t.Reason.Detail}
	if c.Code.OK() {
		c.Code = mft.CodeCancelled
	}
	if conv, err = n.c.Open(ctx, t); err != nil {
		return nil, false, err
	}
	if conv == nil {
		err := n.c.Post(ctx, t, &c)
		return nil, err == nil, err
	}
	if err := conv.Send(ctx, protocol.KindCancel, protocol.AppendCancel(nil, &c)); err != nil {
		conv.Close()
		return nil, false, err
	}
	return conv, false, nil
}

// mark remembers that the peer was told.
func (n *Notices) mark(ctx context.Context, id mft.TransferID) {
	err := n.c.Trail.Write(context.WithoutCancel(ctx), id, func(tx *journal.Tx) error {
		t, ok, err := tx.Transfer(id)
		if err != nil || !ok {
			return err
		}
		kind := mft.EventCancelled
		if t.State == mft.StateFailed {
			kind = mft.EventFailed
		}
		return n.c.Trail.Tell(tx, id, kind, t.Reason.Code, toldDetail)
	})
	if err != nil {
		n.c.Log.Warn("cannot remember that a peer was told", "transfer", id, "err", err)
	}
}
