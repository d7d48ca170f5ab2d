package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/strict"
)

// LoadDestinations reads the file of `mft copy FILE --config`, a list:
//
//   - {agent: ledger, path: /srv/in/}
//   - {agent: erp, path: /srv/in/report.csv, overwrite: false}
//   - ledger:/srv/other/
//
// The list may stand under the key `destinations`, and that under `config`
// with `version: 1`. The names of azure-mft's flags (destAgent, destPath,
// destinationAgent, destinationFileName) are accepted for the keys. The error
// is an *mft.Error of code mft.CodeConfig.
func LoadDestinations(path string) ([]Destination, error) {
	content, err := readFile(path)
	if err == nil {
		var list []Destination
		if list, err = readDestinations(content); err == nil {
			return list, nil
		}
	}
	return nil, mft.Fail(mft.CodeConfig, "read destinations", path, err)
}

func readDestinations(content []byte) ([]Destination, error) {
	root, err := strict.Parse(content)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return nil, strict.Mistakes{{What: "no destination is named"}}
	}
	d := &strict.Decoder{}
	var f destinationsFile
	switch {
	case root.Kind == yaml.SequenceNode:
		d.Decode(root, &f.Destinations)
	case isAzure(root):
		var whole struct {
			Version leaf.VersionOne  `yaml:"version"`
			Config  destinationsFile `yaml:"config"`
		}
		d.Decode(root, &whole)
		f = whole.Config
	default:
		d.Decode(root, &f)
	}
	if len(f.Destinations) == 0 && d.Err() == nil {
		d.Mistake(root.Line, "", "no destination is named")
	}
	return f.list(d)
}

func (f *destinationsFile) list(d *strict.Decoder) ([]Destination, error) {
	var out []Destination
	first := make(map[Destination]int)
	for _, e := range f.Destinations {
		one := Destination{Agent: mft.AgentName(e.Agent), Path: string(e.Path)}
		if line, twice := first[one]; twice && one.Agent != "" && one.Path != "" {
			d.Mistake(e.Line, e.Key, "this destination is on line %d already", line)
		}
		first[one] = e.Line
		one.Overwrite = mft.Overwrite(e.Overwrite)
		out = append(out, one)
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	return out, nil
}

// ReadShort accepts "agent:path", the way an mft.Endpoint prints.
func (e *destinationEntry) ReadShort(s string) error {
	agent, path, ok := strings.Cut(s, ":")
	if !ok {
		return fmt.Errorf("want AGENT:PATH, or the keys agent and path")
	}
	if err := e.Agent.ReadText(agent); err != nil {
		return err
	}
	return e.Path.ReadText(path)
}

func (*destinationEntry) ShortSchema() map[string]any { return leaf.Text("^[^:]+:.+$") }
