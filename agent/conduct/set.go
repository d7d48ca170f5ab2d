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
}

// A Set is the channels that begin at this host.
type Set struct {
	watched   map[string]*arrival.Watcher
	conducted map[string]*Conductor
}

const (
	defaultLook  = time.Second
	defaultRetry = time.Minute
)

// Open returns the channels that begin at this host, and starts nothing. CodeConfig
// says what is wrong with one.
func Open(channels []mft.Channel, h Host) (*Set, error) {
	s := &Set{watched: map[string]*arrival.Watcher{}, conducted: map[string]*Conductor{}}
	for _, ch := range channels {
		when, arrives := arrival.Trigger(ch, h.Self)
		if !arrives && !Conducts(ch, h.Self) {
			continue
		}
		w := arrival.New(arrival.Config{
			Channel: ch, When: when, Journal: h.Journal, Trail: h.Trail, Log: h.Log, Now: h.Now, Plan: h.Plan, Placed: h.Placed,
		})
		s.watched[ch.Name] = w
		if arrives {
			continue
		}
		c, err := New(Config{
			Channel: ch, Source: w, Journal: h.Journal, Log: h.Log, Now: h.Now,
			Hold: h.Hold, Release: h.Release, Look: defaultLook, Retry: defaultRetry,
		})
		if err != nil {
			return nil, err
		}
		s.conducted[ch.Name] = c
	}
	return s, nil
}

// Run works until ctx is done.
func (s *Set) Run(ctx context.Context) {
	var all sync.WaitGroup
	for name, w := range s.watched {
		if c := s.conducted[name]; c != nil {
			all.Go(func() { c.Run(ctx) })
		} else {
			all.Go(func() { w.Run(ctx) })
		}
	}
	all.Wait()
}

// Root returns the directory of the source of a channel that begins here, in the form
// of this host, or nothing.
func (s *Set) Root(channel string) string {
	if w := s.watched[channel]; w != nil {
		return w.Root()
	}
	return ""
}

// Status tells how the channels stand, by name.
func (s *Set) Status() []arrival.Status {
	var out []arrival.Status
	for name, w := range s.watched {
		shown := w.Status()
		if c := s.conducted[name]; c != nil {
			now := c.Status()
			shown.Watching = strings.Join(c.kinds(), ", ") + ": " + now.String()
			if now.Problem != nil {
				shown.Problem = now.Problem
			}
		}
		out = append(out, shown)
	}
	slices.SortFunc(out, func(x, y arrival.Status) int { return strings.Compare(x.Name, y.Name) })
	return out
}
