package agent

import (
	"context"
	"path/filepath"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/arrival"
	"mft.dev/mft/agent/canary"
	"mft.dev/mft/agent/conduct"
	"mft.dev/mft/agent/pairing"
	"mft.dev/mft/agent/telemetry"
	"mft.dev/mft/internal/resident"
	"mft.dev/mft/internal/restrict"
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
	Waiting   []mft.Transfer
	Channels  []arrival.Status // by name
	Telemetry []telemetry.Status
	Resident  int64             // memory in bytes, 0 where unknown
	Processes []restrict.Report // the walls around them
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
		Counts: stats.Transfers, Waiting: waiting, Resident: resident.Bytes(), Telemetry: a.tells.Status(),
	}
	a.mu.Lock()
	s.Started, s.Listening = a.started, a.listening
	a.mu.Unlock()
	s.Channels = a.channels.Status()
	if a.about != nil {
		s.Processes = a.about()
	}
	return s, nil
}

// Channels returns the channels that begin at this host.
func (a *Agent) Channels() *conduct.Set { return a.channels }

// Canaries tests them.
func (a *Agent) Canaries() *canary.Tester {
	return canary.New(canary.Config{
		Dir: filepath.Join(a.cfg.Agent.DataDir, "canary"), Journal: a.journal, Book: &a.book, Ways: a.ways, Channels: a.channels,
		List: a.foreman.List, Cancel: a.cancel, Now: a.now, Exchange: a.courier != nil,
	})
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
