// Package end has the ends of channels as the file says them: `from`, `to`, and the
// section `groups:` of the server groups that they may name in place of an agent.
//
//	groups: {books: {members: [ledger, ledger-2], active: marker, marker: /srv/active}}
//	to: [{group: books, path: /srv/in}]
package end

import (
	"errors"
	"maps"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/strict"
)

// defaultAfter is how long an active member is away before another is.
const defaultAfter = 30 * time.Second

// A Group is a server group.
type Group struct {
	strict.Place
	Members []leaf.AgentName `yaml:"members" need:"yes" doc:"Agents, the preferred one first."`
	Active  Activity         `yaml:"active" doc:"How the active member is found: probe, the first that answers, as long as it does; marker, the one that has the marker; or manual, the one chosen by mft group use, which has the last word in any case. Default: probe."`
	Marker  leaf.HostPath    `yaml:"marker" doc:"File that is there on the active member, which names it in allow.files_from as its marker active."`
	After   leaf.PollTime    `yaml:"after" doc:"With probe, how long the active member is away before another is, 1s to 24h. Default: 30s."`
}

// Activity is an mft.Activity.
type Activity string

// ReadText implements strict.Leaf.
func (v *Activity) ReadText(s string) error {
	switch *v = Activity(s); mft.Activity(s) {
	case mft.ActiveProbe, mft.ActiveMarker, mft.ActiveManual:
		return nil
	}
	return errors.New("want probe, marker or manual")
}

// Schema implements strict.Leaf.
func (*Activity) Schema() map[string]any {
	return map[string]any{"enum": []mft.Activity{mft.ActiveProbe, mft.ActiveMarker, mft.ActiveManual}}
}

// An Entry is one end of a channel.
type Entry struct {
	strict.Place
	Agent leaf.AgentName `yaml:"agent" doc:"Agent on whose host the path is."`
	Group leaf.AgentName `yaml:"group" doc:"Server group on whose active member the path is, in place of agent."`
	Path  leaf.HostPath  `yaml:"path" need:"yes" doc:"Directory, absolute, in the form of that host."`
}

// Groups returns the groups by name. Mistakes go to d; agent reports whether a name is
// that of an agent.
func Groups(d *strict.Decoder, from map[leaf.AgentName]Group, agent func(leaf.AgentName) bool) (out []mft.ServerGroup) {
	for _, name := range slices.Sorted(maps.Keys(from)) {
		e := from[name]
		g := mft.ServerGroup{Name: mft.AgentName(name), Active: mft.ActiveProbe, Marker: string(e.Marker), After: defaultAfter}
		if e.Active != "" {
			g.Active = mft.Activity(e.Active)
		}
		if e.After != 0 {
			g.After = time.Duration(e.After)
		}
		for i, m := range e.Members {
			if slices.Contains(e.Members[:i], m) || m == name {
				d.Mistake(e.Line, e.Key+".members", "%s is there twice, or is the group itself", m)
			}
			g.Members = append(g.Members, mft.AgentName(m))
		}
		if agent(name) {
			d.Mistake(e.Line, e.Key, "an agent has this name; a group needs one of its own")
		}
		if len(g.Members) < 2 {
			d.Mistake(e.Line, e.Key+".members", "a group has two members or more")
		}
		if g.Active == mft.ActiveMarker && g.Marker == "" {
			d.Mistake(e.Line, e.Key+".marker", "missing; with active: marker it says who is active")
		}
		out = append(out, g)
	}
	return out
}

// find returns the group that an endpoint names, and whether it names one or an agent.
func (e Entry) find(d *strict.Decoder, groups []mft.ServerGroup) (g mft.ServerGroup, ok bool) {
	switch {
	case e.Key == "": // it is missing, which is said elsewhere
		return g, false
	case (e.Agent == "") == (e.Group == ""):
		d.Mistake(e.Line, e.Key+".agent", "say agent or group, one of them")
		return g, false
	case e.Group == "":
		return g, true
	}
	i := slices.IndexFunc(groups, func(g mft.ServerGroup) bool { return g.Name == mft.AgentName(e.Group) })
	if i < 0 {
		d.Mistake(e.Line, e.Key+".group", "there is no group %s", e.Group)
		return g, false
	}
	return groups[i], true
}

// Source returns where a channel begins, for the agent named own. Each member of a group has the channel in its
// file, and begins it when it is the active one.
func (e Entry) Source(d *strict.Decoder, groups []mft.ServerGroup, own mft.AgentName) mft.Endpoint {
	out := mft.Endpoint{Agent: mft.AgentName(e.Agent), Group: mft.AgentName(e.Group), Path: string(e.Path)}
	g, ok := e.find(d, groups)
	switch {
	case !ok || e.Group == "":
		return out
	case g.Active == mft.ActiveProbe:
		d.Mistake(e.Line, e.Key+".group", "which member of a source is active has to be found by a marker or chosen: hosts that lose each other would all be")
	}
	out.Agent = g.Members[0]
	if slices.Contains(g.Members, own) {
		out.Agent = own
	}
	return out
}

// Destination returns where a channel leads to.
func (e Entry) Destination(d *strict.Decoder, groups []mft.ServerGroup, from mft.AgentName) mft.Endpoint {
	if g, ok := e.find(d, groups); ok && slices.Contains(g.Members, from) {
		d.Mistake(e.Line, e.Key+".group", "the agent at which the channel begins is a member")
	}
	return mft.Endpoint{Agent: mft.AgentName(e.Agent), Group: mft.AgentName(e.Group), Path: string(e.Path)}
}

// Leads reports whether a channel leads to the agent named own, or may.
func Leads(c *mft.Channel, groups []mft.ServerGroup, own mft.AgentName) bool {
	return slices.ContainsFunc(c.To, func(to mft.Endpoint) bool {
		return to.Agent == own || slices.ContainsFunc(groups, func(g mft.ServerGroup) bool {
			return g.Name == to.Group && slices.Contains(g.Members, own)
		})
	})
}
