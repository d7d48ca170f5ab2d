package mft

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// AgentName names an agent: 1 to 63 bytes of lower-case letters, digits and
// single hyphens, starting and ending with a letter or digit. The rule is
// that of cloud containers and queues and of DNS labels, so that one name
// fits every place an agent is known by.
type AgentName string

// reservedAgentNames would collide with names that the exchanges use for
// their own containers.
var reservedAgentNames = [...]string{"publickeys"}

// ParseAgentName checks s and returns it as a name. The error is an *Error
// with code CodeBadName.
func ParseAgentName(s string) (AgentName, error) {
	bad := func(why string) (AgentName, error) {
		return "", &Error{
			Code: CodeBadName, Op: "read agent name", Subject: s,
			Err: fmt.Errorf("%s", why),
		}
	}
	if s == "" || len(s) > 63 {
		return bad("a name has 1 to 63 characters")
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '-' {
			if i == 0 || i == len(s)-1 || s[i-1] == '-' {
				return bad("hyphens stand alone between letters or digits")
			}
			continue
		}
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return bad("only lower-case letters, digits and hyphens are allowed")
		}
	}
	for _, r := range reservedAgentNames {
		if strings.EqualFold(s, r) {
			return bad("this name is reserved")
		}
	}
	return AgentName(s), nil
}

// An Endpoint is a place where files live: a path on the host of an agent, or of the
// active member of a server group. Path is absolute and in the form of that host.
type Endpoint struct {
	Agent AgentName
	// Group takes the place of Agent. Of a source, Agent is the member that this host
	// is, or the first.
	Group AgentName
	Path  string
}

// Name returns the group, or the agent if it is not a group.
func (e Endpoint) Name() AgentName {
	if e.Group != "" {
		return e.Group
	}
	return e.Agent
}

// String returns "agent:path", or "group:path".
func (e Endpoint) String() string { return string(e.Name()) + ":" + e.Path }

// An Activity says how the active member of a server group is found.
type Activity string

// The ways to find it.
const (
	ActiveProbe  Activity = "probe"  // the first that answers, as long as it does
	ActiveMarker Activity = "marker" // the one that has the marker
	ActiveManual Activity = "manual" // the one that an operator has chosen
)

// A ServerGroup is several agents of which one is active at a time.
type ServerGroup struct {
	// Name is in the form of an agent's, and the name of none.
	Name    AgentName
	Members []AgentName // the preferred one first
	Active  Activity
	// Marker is a path on each member, with ActiveProbe optional: who does not have
	// it is not active.
	Marker string
	// After is, with ActiveProbe, how long the active member is away before another is.
	After time.Duration
}

// A Grant is one line of a receiver's allow list: what one agent may do
// inside one directory of this host.
type Grant struct {
	// Agent is whom the grant is for.
	Agent AgentName
	// Root is the directory inside which the agent may act, absolute. "/"
	// means wherever the service user may.
	Root string
	// AllowSetID keeps setuid, setgid and sticky bits of files; otherwise
	// they are stripped.
	AllowSetID bool
	// AllowRootSetID keeps setuid on files that belong to root here, and setgid on those
	// of its group, too. Without it such files are refused.
	AllowRootSetID bool
	// AllowDelete lets the agent remove what is at the destination of a
	// mirror and not in its source.
	AllowDelete bool
	// Markers are those of this host that the agent may have looked at and written, each
	// for what it is for; while a block marker among them is there nothing that the agent
	// sends is taken into Root.
	Markers []Marker
	// Versions bounds how many old versions of a file stay below Root.
	Versions VersionBound
	// RunAs is who moves the files, where the agent has processes for that.
	RunAs RunAs
}

// A VersionBound is how many of those versions of each file stay that were set aside under
// OverwriteVersion. Its zero value is no bound.
type VersionBound struct {
	// Keep is how many stay at least, the newest; 0 means all.
	Keep int
	// MaxAge keeps others too, for so long after they were set aside.
	MaxAge time.Duration
}

// A RunAs is a user of the host, by name or number. Its zero value is the user of
// the agent.
type RunAs struct {
	User string
	// Group is that of the user when it is empty.
	Group string
	// AllowRoot lets the user be root.
	AllowRoot bool
}

// An AllowList is this host's own last word on who may do what. An agent that
// is not listed may do nothing. A manager can narrow it, never widen it.
type AllowList struct {
	// FilesFrom lists who may send files to this host, and into where.
	FilesFrom []Grant
	// RequestsFrom lists who may ask for files of this host, and from where.
	RequestsFrom []Grant
	// TracesFrom lists who may be told where a file came from and went that it has sent to
	// this host or got from it, and what commands said. Everybody may be told how a
	// transfer went that they are an end of.
	TracesFrom []AgentName
	// Paired says who works for grants that do not stand in the file of the host but come from
	// pairing; of those that hold a root, the one with the longest path.
	Paired []Paired
}

// A Paired is who works for the grants of pairing whose root is a directory, or lies below it.
type Paired struct {
	Below string
	RunAs RunAs
}

// Files returns the grants by which agent may send files here.
func (l AllowList) Files(agent AgentName) []Grant { return grantsOf(l.FilesFrom, agent) }

// Requests returns the grants by which agent may ask for files of this host.
func (l AllowList) Requests(agent AgentName) []Grant { return grantsOf(l.RequestsFrom, agent) }

// Traces reports whether agent may be told of all hops of a file.
func (l AllowList) Traces(agent AgentName) bool { return slices.Contains(l.TracesFrom, agent) }

func grantsOf(list []Grant, agent AgentName) []Grant {
	var out []Grant
	for _, g := range list {
		if g.Agent == agent {
			out = append(out, g)
		}
	}
	return out
}

// A Path is the way that transfers to and from a peer take.
type Path string

const (
	// PathAuto takes the direct link, and the exchange while there is none.
	PathAuto Path = "auto"
	// PathDirect takes the direct link alone.
	PathDirect Path = "direct"
	// PathRelay takes the exchange alone.
	PathRelay Path = "relay"
)

// ParsePath reads a path by its name. The error is an *Error with code
// CodeUsage.
func ParsePath(s string) (Path, error) {
	switch p := Path(strings.ToLower(s)); p {
	case PathAuto, PathDirect, PathRelay:
		return p, nil
	}
	return "", &Error{Code: CodeUsage, Op: "read path to a peer", Subject: s, Err: errors.New("want auto, direct or relay")}
}

// Hosts returns the agents that endpoints name, all members of groups among them.
func Hosts(list []Endpoint, groups []ServerGroup) (out []AgentName) {
	for _, e := range list {
		if e.Group == "" {
			out = append(out, e.Agent)
		}
		for _, g := range groups {
			if g.Name == e.Group {
				out = append(out, g.Members...)
			}
		}
	}
	return out
}
