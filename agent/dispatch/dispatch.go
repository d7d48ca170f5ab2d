// Package dispatch runs the transfers of a queue: as many at once as there may
// be, each when its time has come.
//
// A [Dispatcher] is the queue's owner: [Dispatcher.Put] and its like change the
// queue and have it looked at, [Dispatcher.Run] starts what may run. What an
// attempt does, and what follows it, is for whoever made the dispatcher; which
// transfer is next is for package queue.
package dispatch

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/queue"
)

// Config is what a dispatcher needs; every field must be set.
type Config struct {
	// Limit is how many attempts run at once, at least 1. One peer is given all
	// but one of these places.
	Limit int
	// Work makes one attempt, and puts its transfer back if there is to be
	// another.
	Work func(ctx context.Context, peer mft.AgentName, e queue.Entry)
	// Blocked is told of transfers that wait behind a shut gate, and why.
	Blocked func(ctx context.Context, why map[mft.TransferID]mft.Reason)
	// Held reports whether no other attempt is to begin, for good.
	Held func() bool
	Now  func() time.Time
}

// A Dispatcher runs what a queue holds. Methods may be called concurrently.
type Dispatcher struct {
	c     Config
	wake  chan struct{}  // the queue is to be looked at
	hands sync.WaitGroup // attempts under way

	mu      sync.Mutex // guards what follows
	queue   *queue.Queue
	running int
}

// New returns a dispatcher with an empty queue. It starts nothing.
func New(c Config) *Dispatcher {
	c.Limit = max(c.Limit, 1)
	return &Dispatcher{c: c, wake: make(chan struct{}, 1), queue: queue.New()}
}

// change changes the queue, and has it looked at.
func (d *Dispatcher) change(f func(*queue.Queue)) {
	d.mu.Lock()
	f(d.queue)
	d.mu.Unlock()
	d.poke()
}

func (d *Dispatcher) poke() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Put adds a transfer, or changes one that is there.
func (d *Dispatcher) Put(peer mft.AgentName, e queue.Entry) {
	d.change(func(q *queue.Queue) { q.Put(peer, e) })
}

// PutAfter is Put for a transfer that waits for delay first.
func (d *Dispatcher) PutAfter(peer mft.AgentName, e queue.Entry, delay time.Duration) {
	e.NotBefore = time.Time{}
	if delay > 0 {
		e.NotBefore = d.c.Now().Add(delay)
	}
	d.Put(peer, e)
}

// Drop removes a transfer that waits.
func (d *Dispatcher) Drop(peer mft.AgentName, id mft.TransferID) {
	d.change(func(q *queue.Queue) { q.Drop(peer, id) })
}

// Open says that a peer has been reached.
func (d *Dispatcher) Open(peer mft.AgentName) { d.change(func(q *queue.Queue) { q.Open(peer) }) }

// Rouse lets all transfers of a peer run now, whatever they wait for.
func (d *Dispatcher) Rouse(peer mft.AgentName) { d.change(func(q *queue.Queue) { q.Rouse(peer) }) }

// Shut keeps the transfers of a peer from running for a reason that holds for
// all of them: see queue.Queue.Shut.
func (d *Dispatcher) Shut(peer mft.AgentName, reason mft.Reason) {
	d.change(func(q *queue.Queue) { q.Shut(peer, d.c.Now(), reason, rand.Float64()) })
}

// Run starts what the queue has until ctx ends, and returns when nothing runs
// any more.
func (d *Dispatcher) Run(ctx context.Context) {
	defer d.hands.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		for d.startNext(ctx) {
		}
		d.tellBlocked(ctx)
		d.mu.Lock()
		now := d.c.Now()
		next := d.queue.Next(now)
		d.mu.Unlock()
		wait := time.Hour
		if !next.IsZero() {
			wait = next.Sub(now)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		case <-timer.C:
		}
	}
}

// startNext starts one transfer if there is one and there is room.
func (d *Dispatcher) startNext(ctx context.Context) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ctx.Err() != nil || d.running >= d.c.Limit || d.c.Held() {
		return false
	}
	peer, e, ok := d.queue.Take(d.c.Now(), max(d.c.Limit-1, 1))
	if !ok {
		return false
	}
	d.running++
	d.hands.Go(func() {
		d.c.Work(ctx, peer, e)
		d.change(func(q *queue.Queue) {
			d.running--
			q.Ended(peer)
		})
	})
	return true
}

// tellBlocked tells why transfers behind a shut gate wait. Those that wait for
// nothing but their turn stay queued.
func (d *Dispatcher) tellBlocked(ctx context.Context) {
	const atOnce = 500
	d.mu.Lock()
	blocked := d.queue.Untold(atOnce)
	d.mu.Unlock()
	if len(blocked) > 0 {
		d.c.Blocked(ctx, blocked)
	}
	if len(blocked) == atOnce {
		d.poke()
	}
}
