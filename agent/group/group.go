// Package group says which member of a server group is the active one: the host
// that a channel leads to, or begins at, now.
//
// [Decide] is a pure function of what is seen of the members; [Groups] sees it, through
// package farend, and remembers the answer while it is in doubt. Where more than one
// member says that it is active, or none does, the answer is that there is none:
// nothing is sent, rather than to two.
package group

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/farend"
	"mft.dev/mft/journal"
	"mft.dev/mft/trigger/marker"
)

// Seen is what is seen of a member.
type Seen struct {
	// Known says that it was looked for.
	Known bool
	// Up says that its agent answers, and There that its marker is there.
	Up, There bool
	// Secret says that it answers, and does not let its marker be looked at.
	Secret bool
	// Problem is why it does not, or cannot be.
	Problem error
}

// Decide returns the active member of a group; last is the one before, empty if there was
// none, and lately says that it was fit for it a moment ago, or without one that nobody has
// looked for longer: the preferred member may answer in a moment. The error says why there is
// none now, with code CodeNoMember.
func Decide(g mft.ServerGroup, seen map[mft.AgentName]Seen, last mft.AgentName, lately bool) (mft.AgentName, error) {
	var fit []mft.AgentName
	var why []string
	for _, m := range g.Members {
		s := seen[m]
		switch {
		case !s.Known:
			why = append(why, string(m)+" was not asked yet")
		case !s.Up:
			why = append(why, fmt.Sprintf("%s does not answer: %v", m, s.Problem))
		case g.Marker != "" && !s.There && s.Problem != nil:
			why = append(why, fmt.Sprintf("%s: %v", m, s.Problem))
		case g.Marker != "" && !s.There:
			why = append(why, string(m)+" has no marker")
		default:
			fit = append(fit, m)
		}
	}
	none := func(why ...string) (mft.AgentName, error) {
		return "", mft.Fail(mft.CodeNoMember, "find the active member of group", string(g.Name), errors.New(strings.Join(why, "; ")))
	}
	unknown := slices.ContainsFunc(g.Members, func(m mft.AgentName) bool { return !seen[m].Known })
	secret := slices.ContainsFunc(g.Members, func(m mft.AgentName) bool { return seen[m].Secret })
	switch {
	case g.Active == mft.ActiveManual:
		return none("nobody has chosen one; mft group use does")
	case secret && g.Active == mft.ActiveMarker: // it may be active as well
		return none(why...)
	case slices.Contains(fit, last) && (g.Active == mft.ActiveProbe || len(fit) == 1):
		return last, nil
	case len(fit) == 0 && lately && last != "" && g.Active == mft.ActiveProbe:
		return last, nil
	case unknown: // the rest is known in a moment
		return none(why...)
	case len(fit) == 0:
		return none(why...)
	case g.Active == mft.ActiveProbe:
		if last != "" && lately {
			return last, nil // it may be back in a moment
		}
		if last == "" && lately && fit[0] != g.Members[0] {
			return none(why...)
		}
		return fit[0], nil
	case len(fit) > 1:
		return none(fmt.Sprintf("the markers of %v are there", fit))
	}
	return fit[0], nil
}

// Config is what groups need; every field must be set.
type Config struct {
	Groups []mft.ServerGroup
	Self   mft.AgentName
	// Ends knows what Marks returns.
	Ends interface {
		Look(mark farend.Mark) farend.Sight
	}
	Journal *journal.Journal
	Log     *slog.Logger
	Now     func() time.Time
}

// Groups are the server groups of an agent. Methods may be called concurrently.
type Groups struct {
	c Config

	mu   sync.Mutex // guards last and fit
	last map[mft.AgentName]mft.AgentName
	fit  map[mft.AgentName]time.Time // when the last was fit
}

// Marks are what an asker has to know of groups.
func Marks(groups []mft.ServerGroup, self mft.AgentName) (out []farend.Mark) {
	for _, g := range groups {
		for _, m := range g.Members {
			if m != self {
				out = append(out, mark(g, m))
			}
		}
	}
	return out
}

func mark(g mft.ServerGroup, member mft.AgentName) farend.Mark {
	return farend.Mark{Agent: member, Channel: string(g.Name), Kind: mft.MarkerActive, Path: g.Marker}
}

// New returns groups of which nothing is known.
func New(c Config) *Groups {
	return &Groups{c: c, last: map[mft.AgentName]mft.AgentName{}, fit: map[mft.AgentName]time.Time{}}
}

// All returns the groups. The caller must not change them.
func (s *Groups) All() []mft.ServerGroup {
	if s == nil {
		return nil
	}
	return s.c.Groups
}

// Find returns a group.
func (s *Groups) Find(name mft.AgentName) (mft.ServerGroup, bool) {
	i := slices.IndexFunc(s.c.Groups, func(g mft.ServerGroup) bool { return g.Name == name })
	if i < 0 {
		return mft.ServerGroup{}, false
	}
	return s.c.Groups[i], true
}

// Active returns the active member of a group. The error has code CodeNoMember.
func (s *Groups) Active(ctx context.Context, name mft.AgentName) (mft.AgentName, error) {
	g, ok := s.Find(name)
	if !ok {
		return "", mft.Fail(mft.CodeInternal, "find group", string(name), errors.New("there is none"))
	}
	seen := map[mft.AgentName]Seen{}
	for _, m := range g.Members {
		seen[m] = s.see(g, m)
	}
	now := s.c.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	last, known := s.last[name]
	if !known {
		b, err := s.c.Journal.Channel(ctx, key(name))
		if err != nil {
			return "", err
		}
		if last = mft.AgentName(b); !slices.Contains(g.Members, last) {
			last = ""
		}
		s.last[name], s.fit[name] = last, now
	}
	gone := now.Sub(s.fit[name])
	active, err := s.chosen(ctx, g)
	if err == nil && active == "" {
		active, err = Decide(g, seen, last, gone >= 0 && gone < g.After)
	}
	if err != nil {
		return "", err
	}
	if active == last && seen[active].Up {
		s.fit[name] = now
	}
	if active == last {
		return active, nil
	}
	if err := s.c.Journal.Update(ctx, func(tx *journal.Tx) error { return s.keep(tx, name, last, active) }); err != nil {
		return "", err
	}
	s.last[name], s.fit[name] = active, now
	s.c.Log.Info("a server group has another active member", "group", name, "before", last, "now", active)
	return active, nil
}

// keep remembers who is active, and tells the journal.
func (s *Groups) keep(tx *journal.Tx, name, last, active mft.AgentName) error {
	if err := tx.SetChannel(key(name), []byte(active)); err != nil || last == "" {
		return err
	}
	return tx.Append(mft.Event{Time: s.c.Now(), Kind: mft.EventFailover, Peer: active, Detail: fmt.Sprintf("group %s: %s is active, no longer %s", name, active, last)})
}

// key is where the active member is kept. No channel has such a name.
func key(name mft.AgentName) string { return "group " + string(name) }

// see looks for a member.
func (s *Groups) see(g mft.ServerGroup, member mft.AgentName) Seen {
	if member == s.c.Self {
		seen := Seen{Known: true, Up: true}
		if g.Marker != "" {
			seen.There, seen.Problem = marker.Tree("").Look(g.Marker)
		}
		return seen
	}
	sight := s.c.Ends.Look(mark(g, member))
	seen := Seen{Known: !sight.Unmet, Up: !sight.Unmet && sight.Away == nil, There: sight.There, Problem: sight.Away}
	if seen.Up && sight.Barred != nil {
		seen.Problem = sight.Barred
		code := mft.CodeOf(sight.Barred)
		seen.Secret = code == mft.CodeNotAllowed || code == mft.CodeVersion
		seen.Up = g.Marker != "" || code == mft.CodeVersion // it answered
	}
	return seen
}
