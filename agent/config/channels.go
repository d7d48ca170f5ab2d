package config

import (
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/strict"
)

// channelsFile is a file of channels alone.
type channelsFile struct {
	Channels []channelEntry `yaml:"channels" doc:"Standing orders, as in the agent's own file."`
}

// ReadChannels reads a file that has channels and nothing else, in the words of an agent's
// own file c, whose calendars they may name. Commands are not for such a file. The error is a
// strict.Mistakes value.
func (c *Config) ReadChannels(content []byte) ([]mft.Channel, error) {
	if len(content) > maxFile {
		return nil, strict.Mistakes{{What: "the file is larger than 1 MiB"}}
	}
	root, err := strict.Parse(content)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return nil, strict.Mistakes{{What: "the file is empty; `channels: []` says that there are none"}}
	}
	d := &strict.Decoder{}
	var f channelsFile
	d.Decode(root, &f)
	var out []mft.Channel
	once := onlyOnce(d)
	for i := range f.Channels {
		entry := &f.Channels[i]
		once(entry)
		if len(entry.Exits) > 0 {
			d.Mistake(entry.Line, entry.Key+".exits", "commands are only run for what stands in the agent's own file")
		}
		if entry.Guard != nil && len(entry.Guard.Check) > 0 {
			d.Mistake(entry.Guard.Line, entry.Guard.Key+".check", "commands are only run for what stands in the agent's own file")
		}
		if entry.After != nil {
			d.Mistake(entry.After.Line, entry.After.Key, "what is removed from this host can only be said in the agent's own file")
		}
		if entry.RunAs != nil {
			d.Mistake(entry.RunAs.Line, entry.RunAs.Key, "who reads the files can only be said in the agent's own file")
		}
		out = append(out, entry.channel(d, nil, c.Calendars, c.Agent.Name))
	}
	return out, d.Err()
}

// onlyOnce returns what finds channels of one name.
func onlyOnce(d *strict.Decoder) func(entry *channelEntry) {
	first := make(map[leaf.ChannelName]int)
	return func(entry *channelEntry) {
		if line, twice := first[entry.Name]; twice && entry.Name != "" {
			d.Mistake(entry.Line, entry.Key+".name", "a channel of this name is on line %d already", line)
		}
		first[entry.Name] = entry.Line
	}
}

// FieldsOf returns what a file says of a channel: for each key, "when.schedule" for
// instance, its value. Lists and tables below that are JSON.
func FieldsOf(ch mft.Channel) (map[string]string, error) {
	b, err := yaml.Marshal(documentOf(ch))
	if err != nil {
		return nil, fmt.Errorf("describing channel %s: %w", ch.Name, err)
	}
	var all map[string]any
	if err := yaml.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("describing channel %s: %w", ch.Name, err)
	}
	delete(all, "name")
	out := map[string]string{}
	for key, v := range all {
		below, ok := v.(map[string]any)
		if !ok {
			below = map[string]any{"": v}
		}
		for k := range below {
			name := key
			if k != "" {
				name += "." + k
			}
			out[name] = text(below[k])
		}
	}
	return out, nil
}

// text writes a value of a file on one line.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any, map[string]any:
		if b, err := json.Marshal(v); err == nil {
			return string(b)
		}
	}
	return fmt.Sprint(v)
}
