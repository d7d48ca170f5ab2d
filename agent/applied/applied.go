// Package applied keeps the channels that `mft channel apply` has given an agent, in a
// file of its own beside the journal. The agent's own file is never written.
//
//	s := applied.Of(cfg)
//	channels, err := s.Channels()       // the own ones, and those of the file
//	plan, file, err := s.Plan(content)  // what would change
//	err = s.Keep(file)
//
// The agent's own file has the last word: a channel of one of its names is refused, and
// so is every command.
package applied

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
	"mft.dev/mft/internal/durable"
)

// File is what the file is called, in the data directory.
const File = "channels.yaml"

// A Store is the file of one agent.
type Store struct {
	path string
	self mft.AgentName
	own  []mft.Channel
	read func(content []byte) ([]mft.Channel, error)
}

// Of returns the store of the agent that has this file of its own. It reads nothing.
func Of(c *config.Config) *Store {
	return &Store{filepath.Join(c.Agent.DataDir, File), c.Agent.Name, c.Channels, c.ReadChannels}
}

// Own returns the channels of the agent's own file.
func (s *Store) Own() []mft.Channel { return slices.Clone(s.own) }

// Channels returns all channels of the agent. The error has code CodeConfig.
func (s *Store) Channels() ([]mft.Channel, error) {
	list, err := s.kept()
	return append(slices.Clone(s.own), list...), err
}

// kept returns what the file has. A channel that has come into the agent's own file
// since is left out.
func (s *Store) kept() ([]mft.Channel, error) {
	content, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []mft.Channel
	if err == nil {
		list, err = s.read(content)
	}
	if err != nil {
		return nil, mft.Fail(mft.CodeConfig, "read the channels that were applied", s.path, err)
	}
	return slices.DeleteFunc(list, func(ch mft.Channel) bool { return s.owns(ch.Name) }), nil
}

func (s *Store) owns(name string) bool {
	return slices.ContainsFunc(s.own, func(ch mft.Channel) bool { return ch.Name == name })
}

// A Kind is what becomes of a channel.
type Kind string

// What becomes of channels.
const (
	Added     Kind = "added"
	Changed   Kind = "changed"
	Removed   Kind = "removed"
	Same      Kind = "unchanged"
	Elsewhere Kind = "of another agent" // it does not begin at this host
)

// A Change is what becomes of one channel.
type Change struct {
	Channel string `json:"channel"`
	Kind    Kind   `json:"kind"`
	// Hosts are the agents that it concerns, the one that sends first.
	Hosts []mft.AgentName `json:"hosts"`
	// Fields are those that differ.
	Fields []Field `json:"fields,omitempty"`

	// New is the channel as it will be; zero for one that is removed.
	New mft.Channel `json:"-"`
}

// A Field is one key of a channel, with what it says before and after; empty is nothing.
type Field struct {
	Key    string `json:"key"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// Plan returns what a file would change, by the names of the channels, that are all the
// channels which are applied then: one that is not in the file is removed. The error has
// code CodeConfig.
func (s *Store) Plan(content []byte) ([]Change, error) {
	const op = "read channels"
	wanted, err := s.read(content)
	if err != nil {
		return nil, mft.Fail(mft.CodeConfig, op, "", err)
	}
	now, err := s.kept()
	if err != nil {
		return nil, err
	}
	before := map[string]mft.Channel{}
	for _, ch := range now {
		before[ch.Name] = ch
	}
	var out []Change
	for _, ch := range wanted {
		if s.owns(ch.Name) {
			return nil, mft.Fail(mft.CodeConfig, op, ch.Name, errors.New("the agent's own file has a channel of this name, and the last word; change it there, or choose another name"))
		}
		old, was := before[ch.Name]
		delete(before, ch.Name)
		c, err := s.change(old, was, ch)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	for _, ch := range before {
		if ch.From.Agent == s.self {
			out = append(out, Change{Channel: ch.Name, Kind: Removed, Hosts: hosts(ch)})
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return cmp.Compare(a.Channel, b.Channel) })
	return out, nil
}

// change tells a channel that is wanted from the one that was there before.
func (s *Store) change(old mft.Channel, was bool, ch mft.Channel) (Change, error) {
	c := Change{Channel: ch.Name, Kind: Same, Hosts: hosts(ch), New: ch}
	before, err := config.FieldsOf(old)
	if err != nil {
		return c, mft.Fail(mft.CodeInternal, "compare channel", ch.Name, err)
	}
	after, err := config.FieldsOf(ch)
	if err != nil {
		return c, mft.Fail(mft.CodeInternal, "compare channel", ch.Name, err)
	}
	if !was {
		c.Kind, before = Added, nil
	}
	keys := maps.Clone(after)
	maps.Copy(keys, before)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if before[key] != after[key] {
			c.Fields = append(c.Fields, Field{key, before[key], after[key]})
		}
	}
	switch {
	case ch.From.Agent != s.self && (!was || old.From.Agent != s.self):
		c.Kind, c.Fields = Elsewhere, nil
	case was && len(c.Fields) > 0:
		c.Kind = Changed
	}
	return c, nil
}

// hosts are the agents of a channel.
func hosts(ch mft.Channel) []mft.AgentName {
	out := []mft.AgentName{ch.From.Agent}
	for _, to := range ch.To {
		if !slices.Contains(out, to.Agent) {
			out = append(out, to.Agent)
		}
	}
	return out
}

// Keep writes a file that Plan has taken, whole: it is in force from the next start at
// the latest.
func (s *Store) Keep(content []byte) error {
	if err := durable.WriteFile(s.path, content, 0o600); err != nil {
		return mft.Fail(durable.Code(err), "keep the channels that are applied", s.path, err)
	}
	return nil
}

// String says what becomes of a channel in a few words.
func (c Change) String() string {
	var keys []string
	for _, f := range c.Fields {
		keys = append(keys, f.Key)
	}
	if c.Kind != Changed {
		return string(c.Kind)
	}
	return fmt.Sprintf("%s: %s", c.Kind, strings.Join(keys, ", "))
}
