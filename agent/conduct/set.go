package conduct

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/arrival"
	"mft.dev/mft/agent/farend"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/journal"
)

// A Host is what the channels of an agent need of it; every field must be set.
type Host struct {
	Self    mft.AgentName
	Journal *journal.Journal
	Trail   *trail.Trail
	Log     *slog.Logger
	Now     func() time.Time
	// Plan and Placed are those of arrival.Config.
	Plan   func(to mft.AgentName, o mft.Overwrite) (mft.Transfer, error)
	Placed func(mft.Transfer)
	// Hold and Release are those of Config.
	Hold, Release func(ctx context.Context, id mft.TransferID) error
	// Ask is the Open of farend.Config.
	Ask func(ctx context.Context, peer mft.AgentName, id mft.TransferID) (farend.Conversation, error)
}

// A Set is the channels that begin at this host.
type Set struct {
	host Host

	mu        sync.Mutex // guards what follows
	conducted map[string]*Conductor
	// next has the conductors that wait for the end of a run, nil for a channel that is
	// gone then.
	next  map[string]*Conductor
	start func(name string) // while Run runs
	far   *farend.Ends
}

const (
	defaultLook     = time.Second
	defaultRetry    = time.Minute
	defaultPatience = 15 * time.Minute
)

// Open returns the channels that begin at this host, and starts nothing. CodeConfig
// says what is wrong with one.
func Open(channels []mft.Channel, h Host) (*Set, error) {
	s := &Set{host: h, conducted: map[string]*Conductor{}, next: map[string]*Conductor{}, far: farend.NewEnds(farend.Config{Open: h.Ask, Now: h.Now, Log: h.Log})}
	if err := s.Apply(channels); err != nil {
		return nil, err
	}
	return s, nil
}

// conductor returns one for a channel.
func (s *Set) conductor(ch mft.Channel) (*Conductor, error) {
	h := s.host
	when, arrives := arrival.Trigger(ch, h.Self)
	return New(Config{
		Channel: ch, Journal: h.Journal, Log: h.Log, Now: h.Now, Arrives: arrives,
		Source: arrival.New(arrival.Config{
			Channel: ch, When: when, Journal: h.Journal, Trail: h.Trail, Log: h.Log, Now: h.Now, Plan: h.Plan, Placed: h.Placed,
		}),
		Hold: h.Hold, Release: h.Release, Look: defaultLook, Retry: defaultRetry, Patience: defaultPatience, Far: s.far,
	})
}

// Hurry has channels that lead to a peer repeat runs that failed: it is there now.
func (s *Set) Hurry(peer mft.AgentName) {
	s.far.Up(peer)
	for _, c := range s.all() {
		if slices.ContainsFunc(c.Channel.To, func(to mft.Endpoint) bool { return to.Agent == peer }) {
			c.Hurry()
		}
	}
}

// Root returns the directory of the source of a channel that begins here, in the form
// of this host, or nothing.
func (s *Set) Root(channel string) string {
	if c, _ := s.get(channel); c != nil {
		return c.Source.Root()
	}
	return ""
}

// Status tells how the channels stand, by name.
func (s *Set) Status() []arrival.Status {
	var out []arrival.Status
	for _, c := range s.all() {
		shown, now := c.Source.Status(), c.Status()
		kinds := strings.Join(c.kinds(), ", ")
		if c.Arrives {
			kinds = strings.Replace(kinds, string(mft.TriggerArrival), shown.Watching, 1)
		}
		shown.Watching = kinds + ": " + now.String()
		if now.Problem != nil {
			shown.Problem = now.Problem
		}
		out = append(out, shown)
	}
	slices.SortFunc(out, func(x, y arrival.Status) int { return strings.Compare(x.Name, y.Name) })
	return out
}
