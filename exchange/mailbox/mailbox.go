// Package mailbox takes letters from an agent's queue and hands each to its
// agent until it has been dealt with: at least once, several at a time, with a
// lease that is renewed for as long as that takes.
//
//	err := mailbox.Config{…}.Run(ctx)
//
// A letter that cannot be dealt with comes again, later each time; after
// MaxTries it is put aside with the reason, and removed from the queue, so that it
// holds up nobody. A letter is removed only after it was dealt with or put
// aside. The package does not know what letters say.
package mailbox

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

// Limits.
const (
	// MaxTries is how often a letter is taken before it is put aside.
	MaxTries = 5
	// Lease is how long a letter is hidden at a time, unless Delays says
	// otherwise.
	Lease = 2 * time.Minute
	// maxElsewhere is how often a letter for another agent is given back: at the
	// pace of Delays.Busy for about two weeks, which is longer than it is good for.
	maxElsewhere = 14 * 24 * 60 * 2
	// remembered bounds how many failing letters are counted here.
	remembered = 10_000
)

// Delays say how long a mailbox waits for what. What is 0 is as DefaultDelays
// has it.
type Delays struct {
	// Lease is how long a letter is hidden at a time. It is renewed at its half.
	Lease time.Duration
	// First is how long a letter that failed is hidden, twice as long each time;
	// Busy how long one that came too early, which does not count.
	First, Busy time.Duration
	// Pause is how long to wait after storage failed, or had nothing and did not
	// wait itself; up to LongPause while it fails.
	Pause, LongPause time.Duration
}

// DefaultDelays are those for storage that is far away.
func DefaultDelays() Delays {
	return Delays{Lease: Lease, First: 5 * time.Second, Busy: 30 * time.Second, Pause: time.Second, LongPause: time.Minute}
}

// complete fills in what is 0.
func (d Delays) complete() Delays {
	by := DefaultDelays()
	return Delays{
		Lease: cmp.Or(d.Lease, by.Lease), First: cmp.Or(d.First, by.First), Busy: cmp.Or(d.Busy, by.Busy),
		Pause: cmp.Or(d.Pause, by.Pause), LongPause: cmp.Or(d.LongPause, by.LongPause),
	}
}

// Config is what a mailbox needs.
type Config struct {
	Queue exchange.Queue
	// Handle deals with a letter. When it returns nil, whatever the letter
	// causes is durable. It may see the same letter again. An error with a code
	// that is mft.CodeBusy or CodeMaintenance means later, CodeElsewhere that it is
	// for another agent that takes letters from this queue; any other counts.
	Handle func(ctx context.Context, l exchange.Letter) error
	// Aside keeps a letter for the operator, with the reason. When it returns
	// nil that is durable.
	Aside func(ctx context.Context, l exchange.Letter, reason error) error
	// Reached is told whether the storage answers: nil, or the error. It is
	// called after each try.
	Reached func(error)
	// Shared says that others take letters from this queue too: how often the
	// storage has given one away says nothing of it.
	Shared bool
	// AtOnce is how many letters are dealt with at a time, 1 to
	// exchange.MaxTake.
	AtOnce int
	Delays Delays
	Log    *slog.Logger
}

// Run takes letters until ctx ends, and returns when nothing is under way any
// more. What was under way comes again.
func (c Config) Run(ctx context.Context) {
	c.Delays = c.Delays.complete()
	b := &box{Config: c, tries: map[string]int{}, room: make(chan struct{}, c.AtOnce)}
	defer b.hands.Wait()
	wait := b.Delays.Pause
	for ctx.Err() == nil {
		if b.Shared {
			// Two that look in one rhythm would leave a letter to each other for ever:
			// the same one would always be the first to look.
			sleep(ctx, rand.N(b.Delays.Pause))
		}
		begun := time.Now()
		n, err := b.take(ctx)
		if ctx.Err() != nil {
			return
		}
		b.Reached(err)
		switch {
		case err != nil:
			b.Log.Warn("cannot take letters", "err", err)
			sleep(ctx, wait)
			wait = min(2*wait, b.Delays.LongPause)
		case n == 0:
			sleep(ctx, b.Delays.Pause-time.Since(begun))
			fallthrough
		default:
			wait = b.Delays.Pause
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

type box struct {
	Config
	room  chan struct{}
	hands sync.WaitGroup

	mu    sync.Mutex
	tries map[string]int // of letters that failed, where the storage does not count
}

// take takes as many letters as there is room for, and starts on each.
func (b *box) take(ctx context.Context) (int, error) {
	select {
	case b.room <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	most := 1
	for most < b.AtOnce {
		select {
		case b.room <- struct{}{}:
			most++
			continue
		default:
		}
		break
	}
	letters, err := b.Queue.Take(ctx, most, b.Delays.Lease)
	for range most - len(letters) {
		<-b.room
	}
	for _, l := range letters {
		b.hands.Go(func() {
			defer func() { <-b.room }()
			b.deal(ctx, l)
		})
	}
	return len(letters), err
}

// deal deals with one letter.
func (b *box) deal(ctx context.Context, l exchange.Letter) {
	held, let := context.WithCancelCause(ctx)
	var renewing sync.WaitGroup
	renewing.Go(func() { b.renew(held, let, &l) })
	err := b.Handle(held, exchange.Letter{ID: l.ID, Body: l.Body, Taken: l.Taken})
	if lost := context.Cause(held); lost != nil {
		err = lost // it may be with another now; and if dealing with it failed, then for that
	}
	let(nil)
	renewing.Wait()
	if err == nil {
		b.remove(ctx, &l)
		return
	}
	if ctx.Err() != nil {
		return // it comes again when its lease ends
	}
	b.failed(ctx, &l, err)
}

// renew renews the lease of a letter until held ends, and changes its claim. When
// the lease is lost, held ends.
func (b *box) renew(held context.Context, let context.CancelCauseFunc, l *exchange.Letter) {
	tick := time.NewTicker(b.Delays.Lease / 2)
	defer tick.Stop()
	for {
		select {
		case <-held.Done():
			return
		case <-tick.C:
		}
		if err := b.Queue.Renew(held, l, b.Delays.Lease); mft.CodeOf(err) == mft.CodeNotFound {
			let(mft.Fail(mft.CodeBusy, "keep", "a letter", errors.New("its lease ended; another may have it")))
			return
		}
	}
}

// failed has a letter come again later, or puts it aside.
func (b *box) failed(ctx context.Context, l *exchange.Letter, cause error) {
	if code := mft.CodeOf(cause); code == mft.CodeBusy || code == mft.CodeMaintenance {
		b.Log.Debug("a letter comes again later", "err", cause)
		_ = b.Queue.Renew(ctx, l, b.Delays.Busy) // else it comes when its lease ends
		return
	}
	n := b.count(l)
	if mft.CodeOf(cause) == mft.CodeElsewhere && n < maxElsewhere {
		// At once to begin with: the other is likely to be there.
		b.Log.Debug("a letter is left to another agent of this name", "err", cause)
		d := min(b.Delays.Busy, b.Delays.Pause<<min(n-1, 10))
		_ = b.Queue.Renew(ctx, l, d/2+rand.N(d))
		return
	}
	b.Log.Info("a letter cannot be dealt with", "try", n, "err", cause)
	if n < MaxTries {
		_ = b.Queue.Renew(ctx, l, b.Delays.First<<(n-1))
		return
	}
	if err := b.Aside(ctx, *l, cause); err != nil {
		b.Log.Error("cannot put a letter aside", "err", err)
		return
	}
	b.remove(ctx, l)
}

// count returns how often a letter has failed, this time included.
func (b *box) count(l *exchange.Letter) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.tries) >= remembered {
		clear(b.tries) // some are tried more often
	}
	b.tries[l.ID]++
	if b.Shared {
		return b.tries[l.ID]
	}
	return max(b.tries[l.ID], l.Taken)
}

// remove removes a letter. If that fails it comes again, and is dealt with again.
func (b *box) remove(ctx context.Context, l *exchange.Letter) {
	b.mu.Lock()
	delete(b.tries, l.ID)
	b.mu.Unlock()
	if err := b.Queue.Remove(ctx, l); err != nil && mft.CodeOf(err) != mft.CodeNotFound {
		b.Log.Warn("cannot remove a letter that was dealt with", "err", err)
	}
}
