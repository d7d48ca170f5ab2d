package agent

import (
	"context"
	"slices"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/arrival"
	"mft.dev/mft/agent/pairing"
	"mft.dev/mft/internal/resident"
	"mft.dev/mft/journal"
)

// Status is an agent as it is this moment.
type Status struct {
	Name      mft.AgentName
	Version   string
	Started   time.Time // zero before Run
	Listening string    // where it listens; empty for an agent that only dials
	Address   string    // what peers are told
	Peers     []pairing.Peer
	Counts    map[mft.State]int64
	// Waiting are the first transfers that wait, with their reasons.
	Waiting  []mft.Transfer
	Channels []arrival.Status // by name
	Resident int64            // memory in bytes, 0 where unknown
}

// statusWaiting is how many waiting transfers a status shows.
const statusWaiting = 100

// Status describes the agent.
func (a *Agent) Status(ctx context.Context) (Status, error) {
	stats, err := a.journal.Stats(ctx)
	if err != nil {
		return Status{}, err
	}
	waiting, err := a.Transfers(ctx, journal.Filter{States: []mft.State{mft.StateWaiting}, Limit: statusWaiting})
	if err != nil {
		return Status{}, err
	}
	s := Status{
		Name: a.Name(), Version: a.version, Address: a.Address(), Peers: a.Peers(),
		Counts: stats.Transfers, Waiting: waiting, Resident: resident.Bytes(),
	}
	a.mu.Lock()
	s.Started, s.Listening = a.started, a.listening
	a.mu.Unlock()
	for _, ch := range a.channels {
		s.Channels = append(s.Channels, ch.Status())
	}
	slices.SortFunc(s.Channels, func(x, y arrival.Status) int { return strings.Compare(x.Name, y.Name) })
	return s, nil
}

// Transfers returns the transfers that f chooses, those that run with what has
// moved this moment.
func (a *Agent) Transfers(ctx context.Context, f journal.Filter) ([]mft.Transfer, error) {
	list, err := a.journal.Transfers(ctx, f)
	for i := range list {
		list[i], _ = a.live(list[i])
	}
	return list, err
}

// Transfer returns one transfer and its rate: bytes a second on average over
// the attempt that runs, zero when none does. The error is CodeNotFound.
func (a *Agent) Transfer(ctx context.Context, id mft.TransferID) (t mft.Transfer, rate float64, err error) {
	t, err = a.find(ctx, id)
	if err == nil {
		t, rate = a.live(t)
	}
	return t, rate, err
}

// live replaces the counts of a transfer that runs.
func (a *Agent) live(t mft.Transfer) (mft.Transfer, float64) {
	at, _ := a.turns.Holder(t.ID).(*attempt)
	if at == nil || (t.State != mft.StateRunning && t.State != mft.StateVerifying) {
		return t, 0
	}
	totals, moved, begun := at.counts(t)
	if !begun {
		return t, 0
	}
	t.Totals, t.Moved, t.Unchanged = totals, moved, at.meter.Unchanged()
	if d := a.now().Sub(at.began).Seconds(); d > 0 {
		return t, float64(moved.Bytes) / d
	}
	return t, 0
}

// TransferEvents returns the story of one transfer, oldest first.
func (a *Agent) TransferEvents(ctx context.Context, id mft.TransferID) ([]mft.Event, error) {
	a.trail.Flush()
	return a.journal.TransferEvents(ctx, id)
}

// Exits returns the commands that were run because of a transfer.
func (a *Agent) Exits(ctx context.Context, id mft.TransferID) ([]journal.ExitRun, error) {
	return a.journal.Exits(ctx, id)
}

// Events returns up to limit events with Seq > after, oldest first.
func (a *Agent) Events(ctx context.Context, after int64, limit int) ([]mft.Event, error) {
	return a.journal.Events(ctx, after, limit)
}

// NewestEvent returns the Seq of the last event.
func (a *Agent) NewestEvent() int64 { return a.journal.Newest() }

// AwaitEvents blocks until there is an event with Seq > after.
func (a *Agent) AwaitEvents(ctx context.Context, after int64) error {
	return a.journal.Wait(ctx, after)
}
