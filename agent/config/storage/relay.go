package storage

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"mft.dev/mft/agent/config/leaf"
)

// Relay is an agent that keeps letters and objects for others, as one of them sees
// it.
type Relay struct {
	Agent   leaf.AgentName `yaml:"agent" json:"agent" need:"yes" doc:"Name of the agent that serves. It has to be a peer, by pairing or by its pin."`
	Address Addresses      `yaml:"address,flow" json:"address" need:"yes" doc:"HOST:PORT where its relay listens; of several the first that can be reached."`
}

// Served is the section relay: what this host keeps for agents that cannot reach
// each other.
type Served struct {
	Listen  leaf.ListenOn            `yaml:"listen" json:"listen" need:"yes" doc:"HOST:PORT for the agents; the host may be empty. Not that of agent.listen."`
	Agents  []leaf.AgentName         `yaml:"agents,flow" json:"agents" need:"yes" doc:"Agents that are served. Each has to be a peer too, by pairing or by its pin."`
	Dir     Path                     `yaml:"dir,omitempty" json:"dir,omitempty" doc:"Directory for what is kept. Default: DATA/depot."`
	Total   Bytes                    `yaml:"total,omitempty" json:"total,omitempty" doc:"Bytes of the objects of all agents together, such as 2TiB. Default: what the file system has, but for the reserve."`
	Reserve Bytes                    `yaml:"reserve,omitempty" json:"reserve,omitempty" doc:"Bytes of the file system that are left free, for letters and whatever else the host does. Default: 1GiB."`
	Quota   *Quota                   `yaml:"quota,omitempty" json:"quota,omitempty" doc:"What each agent may have."`
	Quotas  map[leaf.AgentName]Quota `yaml:"quotas,omitempty" json:"quotas,omitempty" doc:"What an agent may have that may have more or less than the others."`
	Keep    *Keep                    `yaml:"keep,omitempty" json:"keep,omitempty" doc:"How long what nobody comes for is kept. Only the time counts for which the relay runs."`
}

// Quota is what one agent may have at a relay. What is 0 has its default.
type Quota struct {
	Letters     Count `yaml:"letters,omitempty" json:"letters,omitempty" doc:"Letters that it has written and that others have not taken away. Default: 10000."`
	Objects     Count `yaml:"objects,omitempty" json:"objects,omitempty" doc:"Objects: one for each transfer on its way. Default: 10000."`
	Bytes       Bytes `yaml:"bytes,omitempty" json:"bytes,omitempty" doc:"Bytes of its objects, such as 500GiB. Default: 100GiB."`
	Requests    Count `yaml:"requests,omitempty" json:"requests,omitempty" doc:"Requests a second, on average. Default: 200."`
	Connections Count `yaml:"connections,omitempty" json:"connections,omitempty" doc:"Open connections. Default: 16."`
}

// Keep is how long what nobody comes for is kept. What is 0 has its default.
type Keep struct {
	Unfinished Age `yaml:"unfinished,omitempty" json:"unfinished,omitempty" doc:"Objects that are not whole and to which nothing comes. Default: 168h."`
	Unfetched  Age `yaml:"unfetched,omitempty" json:"unfetched,omitempty" doc:"Objects that are whole and that nobody reads. Default: 384h."`
}

// Check implements strict.Whole.
func (s *Served) Check() error {
	seen := map[leaf.AgentName]bool{}
	for _, name := range s.Agents {
		if seen[name] {
			return fmt.Errorf("agents names %s twice", name)
		}
		seen[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(s.Quotas)) {
		if !seen[name] {
			return fmt.Errorf("quotas has %s, which is not among the agents", name)
		}
	}
	return nil
}

// Misfit says what is wrong with the relay that an agent uses or serves, which
// listens to its peers at listen; "" if nothing is. Both sections may be nil.
func Misfit(own leaf.AgentName, listen leaf.ListenOn, x *Exchange, s *Served) string {
	switch {
	case x != nil && x.Relay != nil && x.Relay.Agent == own:
		return "exchange.relay.agent is this agent itself; an agent needs no relay to reach its own peers"
	case s != nil && slices.Contains(s.Agents, own):
		return "relay.agents has this agent itself; it reaches directly whom it serves"
	case s != nil && s.Listen == listen:
		return "relay.listen is agent.listen; the relay needs a port of its own"
	}
	return ""
}

// Of returns the quota of an agent: its own, and where that says nothing that of
// all.
func (s *Served) Of(name leaf.AgentName) Quota {
	q := s.Quotas[name]
	if s.Quota != nil {
		for to, by := range map[*Count]Count{
			&q.Letters: s.Quota.Letters, &q.Objects: s.Quota.Objects, &q.Requests: s.Quota.Requests, &q.Connections: s.Quota.Connections,
		} {
			if *to == 0 {
				*to = by
			}
		}
		if q.Bytes == 0 {
			q.Bytes = s.Quota.Bytes
		}
	}
	return q
}

// Addresses are places to dial, which may be written as the only one.
type Addresses []leaf.DialTo

// Lone implements strict.Lone.
func (*Addresses) Lone() {}

// A Count is a number of things, 1 to 1,000,000.
type Count int64

// ReadText implements strict.Leaf.
func (v *Count) ReadText(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 || n > 1_000_000 {
		return errors.New("want a number from 1 to 1000000")
	}
	*v = Count(n)
	return nil
}

// Schema implements strict.Leaf.
func (*Count) Schema() map[string]any {
	return map[string]any{"type": "integer", "minimum": 1, "maximum": 1_000_000}
}

// Bytes is a size: a number of bytes, or one with a unit.
type Bytes int64

// units are the units of sizes.
var units = []struct {
	name string
	size int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"", 1}}

// ReadText implements strict.Leaf.
func (v *Bytes) ReadText(s string) error {
	for _, u := range units {
		number, has := strings.CutSuffix(s, u.name)
		if !has {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 1 || n > 1<<60/u.size {
			break
		}
		*v = Bytes(n * u.size)
		return nil
	}
	return errors.New("want a size, such as 500GiB or 2TiB")
}

// String returns the size as ReadText reads it.
func (v Bytes) String() string {
	for _, u := range slices.Backward(units[:len(units)-1]) {
		if v >= Bytes(u.size) && v%Bytes(u.size) == 0 {
			return strconv.FormatInt(int64(v)/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(v), 10)
}

// MarshalText implements encoding.TextMarshaler.
func (v Bytes) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Schema implements strict.Leaf.
func (*Bytes) Schema() map[string]any {
	return map[string]any{"type": []string{"string", "integer"}, "pattern": "^[0-9]+ ?([KMGT]iB)?$", "minimum": 1}
}

// An Age is how long something is kept, an hour to a year.
type Age time.Duration

// ReadText implements strict.Leaf.
func (v *Age) ReadText(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Hour || d > 366*24*time.Hour {
		return errors.New("want a time from 1h to 8784h, such as 168h")
	}
	*v = Age(d)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (v Age) MarshalText() ([]byte, error) { return []byte(time.Duration(v).String()), nil }

// Schema implements strict.Leaf.
func (*Age) Schema() map[string]any { return leaf.Text(`^([0-9]+(\.[0-9]+)?(s|m|h))+$`) }
