// Package view is what people and programs are shown of an agent's transfers: rows
// and events of the journal, with what moves at this moment.
package view

import (
	"context"
	"errors"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// A View shows the transfers of one agent. Its methods may be called by any
// goroutine.
type View struct {
	Journal *journal.Journal
	// Flush writes events that have happened and wait for others.
	Flush func()
	// Live returns a transfer that runs with what has moved by now, and its rate in
	// bytes a second on average over the attempt; any other as it is, and 0.
	Live func(mft.Transfer) (mft.Transfer, float64)
}

// Transfers returns the transfers that f chooses, those that run with what has
// moved this moment.
func (v *View) Transfers(ctx context.Context, f journal.Filter) ([]mft.Transfer, error) {
	list, err := v.Journal.Transfers(ctx, f)
	for i := range list {
		list[i], _ = v.Live(list[i])
	}
	return list, err
}

// Transfer returns one transfer and its rate: see Live. The error is CodeNotFound.
func (v *View) Transfer(ctx context.Context, id mft.TransferID) (t mft.Transfer, rate float64, err error) {
	t, err = v.Row(ctx, id)
	if err == nil {
		t, rate = v.Live(t)
	}
	return t, rate, err
}

// Row returns what the journal has of a transfer. The error is CodeNotFound.
func (v *View) Row(ctx context.Context, id mft.TransferID) (mft.Transfer, error) {
	t, ok, err := v.Journal.Transfer(ctx, id)
	if err == nil && !ok {
		err = mft.Fail(mft.CodeNotFound, "find transfer", id.String(), errors.New("this agent has no transfer of that id"))
	}
	return t, err
}

// TransferEvents returns the story of one transfer, oldest first.
func (v *View) TransferEvents(ctx context.Context, id mft.TransferID) ([]mft.Event, error) {
	v.Flush()
	return v.Journal.TransferEvents(ctx, id)
}

// Exits returns the commands that were run because of a transfer.
func (v *View) Exits(ctx context.Context, id mft.TransferID) ([]journal.ExitRun, error) {
	return v.Journal.Exits(ctx, id)
}

// Events returns up to limit events with Seq > after, oldest first.
func (v *View) Events(ctx context.Context, after int64, limit int) ([]mft.Event, error) {
	return v.Journal.Events(ctx, after, limit)
}

// NewestEvent returns the Seq of the last event.
func (v *View) NewestEvent() int64 { return v.Journal.Newest() }

// AwaitEvents blocks until there is an event with Seq > after.
func (v *View) AwaitEvents(ctx context.Context, after int64) error {
	return v.Journal.Wait(ctx, after)
}
