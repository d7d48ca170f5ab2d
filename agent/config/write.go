package config

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/collector"
	"mft.dev/mft/agent/config/command"
	"mft.dev/mft/agent/config/content"
	"mft.dev/mft/agent/config/expect"
	"mft.dev/mft/agent/config/releases"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/agent/config/when"
)

// A document is a configuration as a file would have it.
type document struct {
	Agent struct {
		Name         mft.AgentName `yaml:"name" json:"name"`
		Listen       string        `yaml:"listen" json:"listen"`
		Address      string        `yaml:"address,omitempty" json:"address,omitempty"`
		Data         string        `yaml:"data" json:"data"`
		Keys         string        `yaml:"keys" json:"keys"`
		Socket       string        `yaml:"socket" json:"socket"`
		SocketGroup  string        `yaml:"socket_group,omitempty" json:"socket_group,omitempty"`
		LogLevel     string        `yaml:"log_level" json:"log_level"`
		MaxTransfers int           `yaml:"max_transfers" json:"max_transfers"`
	} `yaml:"agent" json:"agent"`
	Peers    map[mft.AgentName]documentPeer `yaml:"peers,omitempty" json:"peers,omitempty"`
	Exchange *storage.Exchange              `yaml:"exchange,omitempty" json:"exchange,omitempty"`
	Relay    *storage.Served                `yaml:"relay,omitempty" json:"relay,omitempty"`
	Update   *releases.Update               `yaml:"update,omitempty" json:"update,omitempty"`
	Allow    struct {
		FilesFrom    []documentFiles    `yaml:"files_from,omitempty" json:"files_from,omitempty"`
		RequestsFrom []documentRequests `yaml:"requests_from,omitempty" json:"requests_from,omitempty"`
		TracesFrom   []mft.AgentName    `yaml:"traces_from,flow,omitempty" json:"traces_from,omitempty"`
	} `yaml:"allow,omitempty" json:"allow"`
	Telemetry *collector.Telemetry            `yaml:"telemetry,omitempty" json:"telemetry,omitempty"`
	Groups    map[mft.AgentName]documentGroup `yaml:"groups,omitempty" json:"groups,omitempty"`
	Calendars map[string]map[string]any       `yaml:"calendars,omitempty" json:"calendars,omitempty"`
	Channels  []documentChannel               `yaml:"channels,omitempty" json:"channels,omitempty"`
	Exits     []command.Document              `yaml:"exits,omitempty" json:"exits,omitempty"`
}

type documentPeer struct {
	Address string   `yaml:"address,omitempty" json:"address,omitempty"`
	Pin     []string `yaml:"pin,flow" json:"pin"`
	Path    mft.Path `yaml:"path,omitempty" json:"path,omitempty"`
}

type documentFiles struct {
	Agent      mft.AgentName `yaml:"agent" json:"agent"`
	Into       string        `yaml:"into" json:"into"`
	AllowSetID bool          `yaml:"allow_setid,omitempty" json:"allow_setid,omitempty"`
	RootSetID  bool          `yaml:"allow_root_setid,omitempty" json:"allow_root_setid,omitempty"`
	Delete     bool          `yaml:"delete,omitempty" json:"delete,omitempty"`
	// Markers are paths by kind.
	Markers  map[mft.MarkerKind][]string `yaml:"markers,omitempty,flow" json:"markers,omitempty"`
	Versions map[string]any              `yaml:"versions,omitempty,flow" json:"versions,omitempty"`
}

type documentRequests struct {
	Agent mft.AgentName `yaml:"agent" json:"agent"`
	Root  string        `yaml:"root" json:"root"`
}

type documentChannel struct {
	Name string             `yaml:"name" json:"name"`
	From documentEndpoint   `yaml:"from,flow" json:"from"`
	To   []documentEndpoint `yaml:"to,flow" json:"to"`
	When map[string]any     `yaml:"when,flow" json:"when"`
	// Markers are paths by end and kind.
	Markers   map[string]map[string]string `yaml:"markers,omitempty" json:"markers,omitempty"`
	Expect    map[string]any               `yaml:"expect,omitempty,flow" json:"expect,omitempty"`
	Select    map[string]any               `yaml:"select,omitempty" json:"select,omitempty"`
	Mirror    map[string]any               `yaml:"mirror,omitempty,flow" json:"mirror,omitempty"`
	Symlinks  mft.Symlinks                 `yaml:"symlinks,omitempty" json:"symlinks,omitempty"`
	Guard     map[string]any               `yaml:"guard,omitempty,flow" json:"guard,omitempty"`
	Order     map[string]any               `yaml:"order,omitempty,flow" json:"order,omitempty"`
	Bandwidth map[string]any               `yaml:"bandwidth,omitempty" json:"bandwidth,omitempty"`
	After     map[string]any               `yaml:"after,omitempty,flow" json:"after,omitempty"`
	Overwrite mft.Overwrite                `yaml:"overwrite,omitempty" json:"overwrite,omitempty"`
	Compare   mft.Compare                  `yaml:"compare,omitempty" json:"compare,omitempty"`
	Compress  mft.Compress                 `yaml:"compress,omitempty" json:"compress,omitempty"`
	Preserve  []string                     `yaml:"preserve,omitempty,flow" json:"preserve,omitempty"`
}

type documentGroup struct {
	Members []mft.AgentName `yaml:"members,flow" json:"members"`
	Active  mft.Activity    `yaml:"active" json:"active"`
	Marker  string          `yaml:"marker,omitempty" json:"marker,omitempty"`
	After   string          `yaml:"after" json:"after"`
}

type documentEndpoint struct {
	Agent mft.AgentName `yaml:"agent,omitempty" json:"agent,omitempty"`
	Group mft.AgentName `yaml:"group,omitempty" json:"group,omitempty"`
	Path  string        `yaml:"path" json:"path"`
}

// YAML returns c as a file that Load reads as c again, notes and path aside.
func (c *Config) YAML() ([]byte, error) { return yaml.Marshal(c.document()) }

// MarshalJSON implements json.Marshaler, in the words of the file.
func (c *Config) MarshalJSON() ([]byte, error) { return json.Marshal(c.document()) }

func (c *Config) document() document {
	var d document
	a := &d.Agent
	a.Name, a.Listen, a.Address = c.Agent.Name, c.Agent.Listen, c.Agent.Address
	a.Data, a.Keys, a.Socket, a.SocketGroup = c.Agent.DataDir, c.Agent.KeysDir, c.Agent.Socket, c.Agent.SocketGroup
	a.LogLevel, a.MaxTransfers = strings.ToLower(c.Agent.LogLevel.String()), c.Agent.MaxTransfers
	for _, name := range slices.Sorted(maps.Keys(c.Peers)) {
		if d.Peers == nil {
			d.Peers = make(map[mft.AgentName]documentPeer)
		}
		p := c.Peers[name]
		d.Peers[name] = documentPeer{p.Address, p.Pins, p.Path}
	}
	d.Exchange, d.Relay, d.Update, d.Telemetry = c.Exchange, c.Relay, c.Update, c.Telemetry
	for _, g := range c.Allow.FilesFrom {
		d.Allow.FilesFrom = append(d.Allow.FilesFrom, documentFiles{g.Agent, g.Root, g.AllowSetID, g.AllowRootSetID, g.AllowDelete, markersOf(g), content.DocumentOfVersions(g.Versions)})
	}
	for _, g := range c.Allow.RequestsFrom {
		d.Allow.RequestsFrom = append(d.Allow.RequestsFrom, documentRequests{g.Agent, g.Root})
	}
	d.Allow.TracesFrom = c.Allow.TracesFrom
	for _, g := range c.Groups {
		if d.Groups == nil {
			d.Groups = map[mft.AgentName]documentGroup{}
		}
		d.Groups[g.Name] = documentGroup{g.Members, g.Active, g.Marker, g.After.String()}
	}
	d.Calendars = when.DocumentOfCalendars(c.Calendars)
	for _, ch := range c.Channels {
		d.Channels = append(d.Channels, documentOf(ch))
	}
	for _, e := range c.Exits {
		d.Exits = append(d.Exits, command.DocumentOf(e))
	}
	return d
}

func documentOf(ch mft.Channel) documentChannel {
	d := documentChannel{
		Name: ch.Name, From: documentEndpoint(ch.From), Overwrite: ch.Overwrite, Compare: ch.Compare,
		Compress: ch.Compress, Preserve: ch.Preserve.Names(), When: when.DocumentOf(ch),
	}
	if ch.From.Group != "" {
		d.From.Agent = "" // whichever member this host is
	}
	for _, to := range ch.To {
		d.To = append(d.To, documentEndpoint(to))
	}
	d.Expect = expect.DocumentOf(ch.Expect)
	for _, m := range ch.Markers {
		if d.Markers == nil {
			d.Markers = map[string]map[string]string{}
		}
		if d.Markers[string(m.End)] == nil {
			d.Markers[string(m.End)] = map[string]string{}
		}
		d.Markers[string(m.End)][string(m.Kind)] = m.Path
	}
	d.Select, d.Mirror, d.Guard = content.DocumentOf(ch)
	d.Symlinks = ch.Select.Symlinks
	d.Bandwidth = when.DocumentOfBandwidth(ch.Bandwidth)
	d.Order, d.After = content.DocumentOfOrder(ch.Order), content.DocumentOfAfter(ch.After)
	return d
}

// markersOf returns the markers of a grant by kind.
func markersOf(g mft.Grant) map[mft.MarkerKind][]string {
	if len(g.Markers) == 0 {
		return nil
	}
	out := map[mft.MarkerKind][]string{}
	for _, m := range g.Markers {
		out[m.Kind] = append(out[m.Kind], m.Path)
	}
	return out
}
