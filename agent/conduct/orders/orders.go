// Package orders has what operators have ordered of a channel: to run, to pause, to be
// disabled. Orders are in the journal, with who gave them, before they are obeyed, and
// outlast a restart; package agent/conduct obeys them.
package orders

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// Orders are what operators have ordered of a channel.
type Orders struct {
	// Asked counts the orders to run.
	Asked int64
	// Paused and Disabled say since when and by whose order; nil is not.
	Paused, Disabled *Order `json:",omitempty"`
}

// An Order is who gave it, and when.
type Order struct {
	By string
	At time.Time
}

// A Verb is what can be ordered of a channel.
type Verb string

// The verbs.
const (
	Ask     Verb = "run"
	Pause   Verb = "pause"
	Resume  Verb = "resume"
	Enable  Verb = "enable"
	Disable Verb = "disable"
)

// told is how the journal tells of an order.
func (v Verb) told() mft.EventKind {
	switch v {
	case Pause:
		return mft.EventChannelPaused
	case Resume:
		return mft.EventChannelResumed
	case Enable:
		return mft.EventChannelEnabled
	case Disable:
		return mft.EventChannelDisabled
	}
	return mft.EventRunOrdered
}

// after returns the orders when a verb has been added, and whether it changes anything.
func (o Orders) after(v Verb, by Order) (Orders, bool) {
	switch {
	case v == Ask:
		o.Asked++
	case v == Pause && o.Paused == nil:
		o.Paused = &by
	case v == Resume && o.Paused != nil:
		o.Paused = nil
	case v == Disable && o.Disabled == nil:
		o.Disabled = &by
	case v == Enable && o.Disabled != nil:
		o.Disabled = nil
	default:
		return o, false
	}
	return o, true
}

// A Book has the orders about one channel. Its methods may be called concurrently.
type Book struct {
	journal *journal.Journal
	channel string
	clock   func() time.Time

	mu    sync.Mutex // guards what follows, and is held while an order is written
	known bool
	now   Orders
}

// NewBook returns the book of a channel, which lies in the journal.
func NewBook(j *journal.Journal, channel string, now func() time.Time) *Book {
	return &Book{journal: j, channel: channel, clock: now}
}

// recall reads what is in the journal, unless that is known. The caller holds mu.
func (b *Book) recall(ctx context.Context) error {
	if b.known {
		return nil
	}
	written, err := b.journal.Orders(ctx, b.channel)
	if err == nil && len(written) > 0 {
		err = json.Unmarshal(written, &b.now)
	}
	if err != nil {
		return mft.Fail(mft.CodeJournal, "read orders about channel", b.channel, err)
	}
	b.known = true
	return nil
}

// Current returns the orders. The error is mft.CodeJournal.
func (b *Book) Current(ctx context.Context) (Orders, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.recall(ctx)
	return b.now, err
}

// Add writes an order, which is in the journal when it returns, with an event that says
// who gave it, and returns all that are in force. What is so already is not written.
// The errors are those of the journal.
func (b *Book) Add(ctx context.Context, v Verb, by string) (Orders, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.recall(ctx); err != nil {
		return b.now, err
	}
	at := b.clock()
	next, news := b.now.after(v, Order{By: by, At: at})
	if !news {
		return b.now, nil
	}
	written, err := json.Marshal(next)
	if err != nil {
		return b.now, mft.Fail(mft.CodeInternal, "write orders about channel", b.channel, err)
	}
	err = b.journal.Update(ctx, func(tx *journal.Tx) error {
		e := mft.Event{Time: at, Kind: v.told(), Channel: b.channel, Detail: "by " + by}
		return errors.Join(tx.SetOrders(b.channel, written), tx.Append(e))
	})
	if err != nil {
		b.known = false // it may have been written all the same
		return b.now, err
	}
	b.now = next
	return next, nil
}
