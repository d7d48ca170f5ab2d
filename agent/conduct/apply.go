package conduct

import (
	"cmp"
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/farend"
	"mft.dev/mft/agent/group"
	"mft.dev/mft/trigger/firing"
)

// Apply has the set conduct these channels instead of those before; what begins at other
// hosts is left out. A channel that is the same goes on as it is. One that has changed, or
// is gone, ends the run that is under way as it began it, and the new order counts
// from then on. When there is an error nothing has changed.
func (s *Set) Apply(channels []mft.Channel) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted, fresh := map[string]bool{}, map[string]*Conductor{}
	for _, ch := range channels {
		if ch.From.Agent != s.host.Self {
			continue
		}
		wanted[ch.Name] = true
		old := s.conducted[ch.Name]
		if old != nil && reflect.DeepEqual(old.Channel, ch) {
			continue
		}
		x, err := s.conductor(ch)
		if err != nil {
			return err
		}
		if old != nil {
			x.orders, x.throttle = old.orders, old.throttle
		}
		fresh[ch.Name] = x
	}
	for name, old := range s.conducted {
		x := fresh[name]
		if x == nil && wanted[name] {
			delete(s.next, name)
			old.retire(false)
			continue
		}
		s.next[name] = x // nil when it is gone
		old.retire(true)
	}
	s.far.Know(append(farend.Of(slices.Concat(channels, s.begun()), s.host.Groups, s.host.Self), group.Marks(s.host.Groups, s.host.Self)...))
	for name, x := range fresh {
		if s.conducted[name] == nil {
			s.conducted[name] = x
			if s.start != nil {
				s.start(name)
			}
		}
	}
	return nil
}

// begun returns the channels as they are conducted now. The caller holds mu.
func (s *Set) begun() (out []mft.Channel) {
	for _, x := range s.conducted {
		out = append(out, x.Channel)
	}
	return out
}

// Check returns what is wrong with channels, if anything is.
func (s *Set) Check(channels []mft.Channel) error {
	for _, ch := range channels {
		if _, err := s.conductor(ch); err != nil {
			return err
		}
	}
	return nil
}

// Channels returns those that begin here, by name, as they will be when runs that are
// under way have ended.
func (s *Set) Channels() (out []mft.Channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, x := range s.conducted {
		if next, changed := s.next[name]; changed {
			x = next
		}
		if x != nil {
			out = append(out, x.Channel)
		}
	}
	slices.SortFunc(out, func(a, b mft.Channel) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// get returns the conductor of a channel, nil if there is none, and whether another order
// waits for the end of its run.
func (s *Set) get(channel string) (x *Conductor, waits bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, waits = s.next[channel]
	return s.conducted[channel], waits
}

// latest returns the conductor of a channel as it will be when the run under way has ended.
func (s *Set) latest(x *Conductor) *Conductor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmp.Or(s.next[x.Channel.Name], x)
}

// all returns the conductors.
func (s *Set) all() []*Conductor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.conducted))
}

// Run works until ctx is done.
func (s *Set) Run(ctx context.Context) {
	var all sync.WaitGroup
	start := func(name string) { all.Go(func() { s.keep(ctx, name) }) }
	s.mu.Lock()
	for name := range s.conducted {
		start(name)
	}
	s.start = start
	s.far.Start(ctx)
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	s.start = nil
	s.mu.Unlock()
	all.Wait()
	s.far.Stop()
}

// keep conducts a channel by one order after the other.
func (s *Set) keep(ctx context.Context, name string) {
	for ctx.Err() == nil {
		x, _ := s.get(name)
		x.Run(ctx)
		if ctx.Err() == nil && !s.succeed(name) {
			return
		}
	}
}

// Settle returns when what was applied is in force, but for channels that have a run under
// way, or when ctx is done.
func (s *Set) Settle(ctx context.Context) {
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for s.replaces() {
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

// replaces reports whether a conductor that has nothing to do waits to be replaced.
func (s *Set) replaces() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.next {
		if s.conducted[name].Status().Phase == firing.Idle {
			return true
		}
	}
	return false
}

// succeed puts the next order about a channel into force, and reports whether there
// is one.
func (s *Set) succeed(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, changed := s.next[name]
	delete(s.next, name)
	switch {
	case !changed: // it was taken back
		return true
	case next == nil:
		delete(s.conducted, name)
		return false
	}
	s.conducted[name] = next
	return true
}

// retire has the conductor end when no run is under way, or not.
func (x *Conductor) retire(yes bool) {
	x.retiring.Store(yes)
	x.wake()
}

// leaves reports whether the conductor can end, and keeps its state then.
func (x *Conductor) leaves(ctx context.Context) bool {
	return x.retiring.Load() && x.state.Phase == firing.Idle && x.save(ctx, x.state, x.hopes) == nil
}

// forgetMarkers forgets what other files said when the markers of the channel were
// others. When it last succeeded need not be said anew.
func forgetMarkers(s firing.State) firing.State {
	shown := maps.Clone(s.Shown)
	maps.DeleteFunc(shown, func(spot firing.Spot, _ int64) bool {
		return !strings.HasSuffix(string(spot), "/"+string(mft.MarkerCompletion))
	})
	s.Shown = shown
	return s
}
