package conduct

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/almanac"
	"mft.dev/mft/agent/arrival"
	"mft.dev/mft/agent/departure"
	"mft.dev/mft/agent/exits/launch"
	"mft.dev/mft/agent/failover"
	"mft.dev/mft/agent/farend"
	"mft.dev/mft/agent/group"
	"mft.dev/mft/agent/lookout"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/journal"
)

// A Host is what the channels of an agent need of it; every field but Lookout and Launch must be set.
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
	// Leave is that of failover.Config.
	Leave func(ctx context.Context, id mft.TransferID, why mft.Reason) (mft.Transfer, error)
	// Lookout returns what looks at the source of a channel, nil for this process. It may be
	// nil itself.
	Lookout func(channel, root string) lookout.Lookout
	// Groups are the server groups.
	Groups []mft.ServerGroup
	Launch *launch.Desk // that of Config
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
	next    map[string]*Conductor
	start   func(name string) // while Run runs
	far     *farend.Ends
	almanac *almanac.Book
	groups  *group.Groups
}

const (
	defaultLook     = time.Second
	defaultRetry    = time.Minute
	defaultPatience = 15 * time.Minute
)

// Open returns the channels that begin at this host, and starts nothing. CodeConfig
// says what is wrong with one.
func Open(channels []mft.Channel, h Host) (*Set, error) {
	s := &Set{host: h, conducted: map[string]*Conductor{}, next: map[string]*Conductor{}, almanac: almanac.New(h.Now), far: farend.NewEnds(farend.Config{Open: h.Ask, Now: h.Now, Log: h.Log})}
	s.groups = group.New(group.Config{Groups: h.Groups, Self: h.Self, Ends: s.far, Journal: h.Journal, Log: h.Log, Now: h.Now})
	if err := s.Apply(channels); err != nil {
		return nil, err
	}
	return s, nil
}

// conductor returns one for a channel.
func (s *Set) conductor(ch mft.Channel) (*Conductor, error) {
	h := s.host
	when, arrives := arrival.Trigger(ch, h.Self)
	var at lookout.Lookout
	if h.Lookout != nil {
		at = h.Lookout(ch.Name, filepath.Clean(ch.From.Path))
	}
	source := arrival.New(arrival.Config{
		Channel: ch, When: when, At: at, Journal: h.Journal, Trail: h.Trail, Log: h.Log, Now: h.Now, Plan: s.plan(h), Placed: h.Placed,
	})
	return New(Config{
		Channel: ch, Journal: h.Journal, Log: h.Log, Now: h.Now, Arrives: arrives, Source: source,
		Hold: h.Hold, Release: h.Release, Look: defaultLook, Retry: defaultRetry, Patience: defaultPatience, Far: s.far, Groups: s.groups,
		Almanac: s.almanac, Launch: h.Launch, Departure: departure.New(departure.Config{
			Channel: ch, Hand: source.At, Journal: h.Journal, Trail: h.Trail, Log: h.Log, Now: h.Now, Again: source.Forget, Kept: source.Kept,
		}),
		Follower: failover.New(failover.Config{
			Channel: ch, Groups: s.groups, Journal: h.Journal, Trail: h.Trail, Now: h.Now, Plan: h.Plan, Placed: h.Placed,
			Leave: h.Leave, Destination: source.Destination,
		}),
	})
}

// Hurry has channels that lead to a peer repeat runs that failed: it is there now.
func (s *Set) Hurry(peer mft.AgentName) {
	s.far.Up(peer)
	for _, c := range s.all() {
		if slices.Contains(mft.Hosts(c.Channel.To, s.groups.All()), peer) {
			c.Hurry()
		}
	}
}

// Ended has a channel that begins here look at its run now, of which a transfer has ended.
func (s *Set) Ended(channel string) {
	if x, _ := s.get(channel); x != nil {
		x.wake()
	}
}

// Groups returns the server groups of the channels.
func (s *Set) Groups() *group.Groups { return s.groups }

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

// plan returns the plan of a host, which knows groups as well.
func (s *Set) plan(h Host) func(to mft.AgentName, o mft.Overwrite) (mft.Transfer, error) {
	return func(to mft.AgentName, o mft.Overwrite) (mft.Transfer, error) {
		if _, is := s.groups.Find(to); is {
			var err error
			if to, err = s.groups.Active(context.Background(), to); err != nil {
				return mft.Transfer{}, err
			}
		}
		return h.Plan(to, o)
	}
}
