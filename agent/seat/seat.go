// Package seat is for what an agent may have worker processes, and how it asks its
// supervisor for one.
//
//	table := seat.Of(cfg)                  // in both processes, each from its own reading
//	request := table.Files(peer, root)     // the agent asks by number
//	place, err := table.Find(request)      // the supervisor looks up what that stands for
//
// A request names a channel or a grant of the configuration, and nothing else: who the
// worker is and where it may go stands in the supervisor's own file. A digest of what
// the agent takes it for goes along, so that two readings of a file that was changed
// meanwhile are not mixed up.
package seat

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
)

// A Place is one channel or grant, or the directory of those of pairing, and who works for it.
type Place struct {
	// Name is for people, and unlike that of other places.
	Name string
	// Read and Write are the directories that it is about, absolute and clean.
	Read, Write []string
	RunAs       mft.RunAs
}

// A Table has the places of a configuration, in its order.
type Table struct {
	places   []Place
	files    []mft.Grant // of the first places
	requests []mft.Grant // of those behind them
	channels []string    // of those behind them
	paired   []string    // of the last: directories
	commands []Command
	exits    int // how many of them, the first, are of exits
}

// A Request asks for a worker, or for the process of a command.
type Request struct {
	Index  uint16
	Digest [16]byte
}

// Of returns the places of a configuration. What has no user of its own is for that
// of the agent.
func Of(cfg *config.Config) *Table {
	t := &Table{files: cfg.Allow.FilesFrom, requests: cfg.Allow.RequestsFrom}
	t.addCommands(cfg.Exits, cfg.Channels, cfg.Agent.Name, cfg.Agent.User)
	add := func(name string, read, write []string, as mft.RunAs) {
		if as.User == "" {
			as.User = cfg.Agent.User
		}
		t.places = append(t.places, Place{Name: name, Read: cleaned(read), Write: cleaned(write), RunAs: as})
	}
	for i, g := range t.files {
		add(fmt.Sprintf("files from %s into %s (%d)", g.Agent, g.Root, i), nil, append([]string{g.Root}, dirs(g.Markers, mft.EndDestination)...), g.RunAs)
	}
	for i, g := range t.requests {
		add(fmt.Sprintf("requests from %s for %s (%d)", g.Agent, g.Root, i), []string{g.Root}, nil, g.RunAs)
	}
	for _, c := range cfg.Channels {
		if c.From.Agent != cfg.Agent.Name {
			continue // it is another host's to conduct
		}
		t.channels = append(t.channels, c.Name)
		write := dirs(c.Markers, mft.EndSource)
		if c.After.Moves() {
			write = append(write, c.From.Path)
		}
		if c.After.Archive != "" {
			write = append(write, c.After.Archive)
		}
		add("channel "+c.Name, []string{c.From.Path}, write, c.RunAs)
	}
	for _, p := range cfg.Allow.Paired {
		t.paired = append(t.paired, filepath.Clean(p.Below))
		add("grants of pairing below "+p.Below, nil, []string{p.Below}, p.RunAs)
	}
	return t
}

// dirs are the directories of the markers of an end.
func dirs(markers []mft.Marker, end mft.End) (out []string) {
	for _, m := range markers {
		if m.End == end {
			out = append(out, filepath.Dir(m.Path))
		}
	}
	return out
}

func cleaned(dirs []string) []string {
	var out []string
	for _, dir := range dirs {
		if dir = filepath.Clean(dir); !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	return out
}

// Places returns all of them. The caller must not change them.
func (t *Table) Places() []Place { return t.places }

// Files returns the place of the grant by which a peer may send files to below root,
// and whether the configuration has one. For a grant of pairing it is that of the directory in
// which root lies.
func (t *Table) Files(peer mft.AgentName, root string) (Request, bool) {
	return t.grant(t.files, 0, peer, root)
}

// Requests returns the place of the grant by which a peer may ask for files below
// root.
func (t *Table) Requests(peer mft.AgentName, root string) (Request, bool) {
	return t.grant(t.requests, len(t.files), peer, root)
}

func (t *Table) grant(grants []mft.Grant, first int, peer mft.AgentName, root string) (Request, bool) {
	root = filepath.Clean(root)
	i := slices.IndexFunc(grants, func(g mft.Grant) bool { return g.Agent == peer && filepath.Clean(g.Root) == root })
	if i >= 0 {
		return t.request(first + i), true
	}
	// It comes from pairing.
	longest := -1
	for i, dir := range t.paired {
		if below(dir, root) && (longest < 0 || len(dir) > len(t.paired[longest])) {
			longest = i
		}
	}
	if longest < 0 {
		return Request{}, false
	}
	return t.request(len(t.places) - len(t.paired) + longest), true
}

// below reports whether a clean path is a directory or lies in it.
func below(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// Channel returns the place of a channel.
func (t *Table) Channel(name string) (Request, bool) {
	i := slices.Index(t.channels, name)
	if i < 0 || name == "" {
		return Request{}, false
	}
	return t.request(len(t.files) + len(t.requests) + i), true
}

func (t *Table) request(i int) Request {
	return Request{Index: uint16(i), Digest: t.places[i].digest()}
}

// digest is that of everything that counts of a place.
func (p *Place) digest() (d [16]byte) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q %t", p.Name, p.Read, p.Write, p.RunAs.User, p.RunAs.Group, p.RunAs.AllowRoot))
	copy(d[:], sum[:])
	return d
}

// Find returns what a request asks for, and its number.
func (t *Table) Find(r Request) (*Place, int, error) {
	i := int(r.Index)
	if i >= len(t.places) {
		return nil, 0, errors.New("the configuration has no such channel or grant")
	}
	if t.places[i].digest() != r.Digest {
		return nil, 0, errChanged
	}
	return &t.places[i], i, nil
}

var errChanged = errors.New("the configuration has changed since the agent was started: restart it")
