package config

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/command"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/agent/config/strict"
	"mft.dev/mft/internal/confine/filesys"
)

// maxFile is the size in bytes above which a file is refused unread: no
// configuration of a host comes near it.
const maxFile = 1 << 20

// The defaults that do not depend on the host.
const (
	defaultListen    = ":7420"
	defaultTransfers = 8
	defaultStable    = 2 * time.Second
)

// Load reads the file at path. The error is an *mft.Error of code
// mft.CodeConfig whose cause is a Mistakes value when the content is to blame.
func Load(path string) (*Config, error) {
	content, err := readFile(path)
	if err != nil {
		return nil, mft.Fail(mft.CodeConfig, "read configuration", path, err)
	}
	cfg, err := read(content, Default(os.Getenv))
	if err != nil {
		return nil, mft.Fail(mft.CodeConfig, "read configuration", path, err)
	}
	cfg.Path = path
	return cfg, nil
}

// readFile reads a file whole unless it is too large to be meant.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, filesys.Cause(err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, filesys.Cause(err)
	}
	if len(content) > maxFile {
		return nil, strict.Mistakes{{What: "the file is larger than 1 MiB"}}
	}
	return content, nil
}

// read makes of content what it says, over the defaults.
func read(content []byte, defaults *Config) (*Config, error) {
	root, err := strict.Parse(content)
	if err != nil {
		return nil, err
	}
	if root == nil {
		return defaults, nil
	}
	d := &strict.Decoder{}
	if isAzure(root) {
		var f azureFile
		d.Decode(root, &f)
		return f.config(d, defaults)
	}
	var f file
	d.Decode(root, &f)
	return f.config(d, defaults)
}

// isAzure says whether a file is azure-mft's: everything in it is under the
// key `config`.
func isAzure(root *yaml.Node) bool {
	if root.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i < len(root.Content); i += 2 {
		if root.Content[i].Value == "config" {
			return true
		}
	}
	return false
}

// config completes what the file says with the defaults.
func (f *file) config(d *strict.Decoder, defaults *Config) (*Config, error) {
	cfg := *defaults
	cfg.Agent, cfg.Exchange, cfg.Relay, cfg.Update, cfg.Telemetry = f.Agent.over(defaults.Agent), f.Exchange, f.Relay, f.Update, f.Telemetry
	if cfg.Telemetry != nil {
		cfg.Notes = append(cfg.Notes, cfg.Telemetry.Notes()...)
	}
	if why := storage.Misfit(leaf.AgentName(cfg.Agent.Name), leaf.ListenOn(cfg.Agent.Listen), f.Exchange, f.Relay); why != "" {
		d.Mistake(0, "relay", "%s", why)
	}
	cfg.Peers = make(map[mft.AgentName]Peer)
	for _, name := range slices.Sorted(maps.Keys(f.Peers)) {
		e := f.Peers[name]
		cfg.Peers[mft.AgentName(name)] = e.peer(d, name, cfg.Agent.Name)
		if mft.Path(e.Path) == mft.PathRelay && cfg.Exchange == nil {
			d.Mistake(e.Line, e.Key+".path", "relay needs an exchange; see the section exchange")
		}
	}
	for _, g := range f.Allow.FilesFrom {
		cfg.Allow.FilesFrom = append(cfg.Allow.FilesFrom,
			mft.Grant{
				Agent: mft.AgentName(g.Agent), Root: string(g.Into), AllowSetID: bool(g.AllowSetID), AllowDelete: bool(g.Delete),
				Markers: g.Markers.markers(d), RunAs: g.RunAs.user(d, &cfg),
			})
	}
	for _, g := range f.Allow.RequestsFrom {
		cfg.Allow.RequestsFrom = append(cfg.Allow.RequestsFrom,
			mft.Grant{Agent: mft.AgentName(g.Agent), Root: string(g.Root), RunAs: g.RunAs.user(d, &cfg)})
	}
	cfg.Exits, cfg.Notes = command.List(d, f.Exits)
	once := onlyOnce(d)
	for i := range f.Channels {
		entry := &f.Channels[i]
		once(entry)
		c := entry.channel(d)
		if c.From.Agent == cfg.Agent.Name {
			c.RunAs = entry.RunAs.user(d, &cfg)
		}
		cfg.Channels = append(cfg.Channels, c)
		exits, notes := command.OfChannel(d, entry.Exits, &c, cfg.Agent.Name)
		cfg.Exits, cfg.Notes = append(cfg.Exits, exits...), append(cfg.Notes, append(notes, entry.notes(cfg.Agent.Name)...)...)
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	return &cfg, nil
}

// over returns the section with what it leaves out taken from def. Keys and
// socket follow the data directory.
func (s agentSection) over(def Agent) Agent {
	a := def
	if s.Data != "" {
		a.DataDir = string(s.Data)
		a.KeysDir = filepath.Join(a.DataDir, "keys")
		a.Socket = filepath.Join(a.DataDir, "agent.sock")
	}
	set(&a.Name, mft.AgentName(s.Name))
	set(&a.Listen, string(s.Listen))
	set(&a.Address, string(s.Address))
	set(&a.KeysDir, string(s.Keys))
	set(&a.Socket, string(s.Socket))
	set(&a.SocketGroup, string(s.SocketGroup))
	set(&a.User, string(s.User))
	set(&a.LogLevel, slog.Level(s.LogLevel))
	set(&a.MaxTransfers, int(s.MaxTransfers))
	return a
}

// user returns who is meant. Without a process of its own nobody else can be.
func (e *runAsEntry) user(d *strict.Decoder, cfg *Config) mft.RunAs {
	if e == nil {
		return mft.RunAs{}
	}
	if cfg.Agent.User == "" {
		d.Mistake(e.Line, e.Key, "needs agent.user: without it there is one process, which has one user")
	}
	return mft.RunAs{User: string(e.User), Group: string(e.Group), AllowRoot: bool(e.AllowRoot)}
}

// set assigns value unless it is the zero value, which the file cannot say.
func set[T comparable](to *T, value T) {
	var zero T
	if value != zero {
		*to = value
	}
}

func (e peerEntry) peer(d *strict.Decoder, name leaf.AgentName, own mft.AgentName) Peer {
	if mft.AgentName(name) == own {
		d.Mistake(e.Line, e.Key, "this is the agent itself; name only others here")
	}
	if len(e.Pins) > 8 {
		d.Mistake(e.Line, e.Key+".pin", "has more than 8 keys")
	}
	p := Peer{Address: string(e.Address), Path: mft.Path(e.Path)}
	for _, one := range e.Pins {
		p.Pins = append(p.Pins, string(one))
	}
	return p
}

func (e *channelEntry) channel(d *strict.Decoder) mft.Channel {
	c := mft.Channel{
		Name:      string(e.Name),
		From:      e.From.endpoint(),
		Select:    e.Select.selection(),
		Overwrite: mft.OverwriteReplace,
		Compare:   mft.CompareQuick,
		Compress:  mft.CompressAuto,
	}
	set(&c.Overwrite, mft.Overwrite(e.Overwrite))
	set(&c.Compare, mft.Compare(e.Compare))
	set(&c.Compress, mft.Compress(e.Compress))
	for _, to := range e.To {
		if to.Agent == e.From.Agent && to.Agent != "" {
			d.Mistake(to.Line, to.Key+".agent", "the files are on this agent already; a channel leads to another one")
		}
		c.To = append(c.To, to.endpoint())
	}
	if a := e.When.Arrival; a != nil {
		t := mft.Trigger{Kind: mft.TriggerArrival, Stable: defaultStable}
		set(&t.Stable, time.Duration(a.Stable))
		set(&t.Rescan, time.Duration(a.Rescan))
		c.When = append(c.When, t)
	}
	if e.When.Manual {
		c.When = append(c.When, mft.Trigger{Kind: mft.TriggerManual})
	}
	if len(e.When.Schedule) > 0 {
		c.When = append(c.When, mft.Trigger{Kind: mft.TriggerSchedule, Expression: string(e.When.Schedule), Zone: string(e.When.Timezone)})
	} else if e.When.Timezone != "" && (e.Expect == nil || e.Expect.DueBy == "") {
		d.Mistake(e.When.Line, e.When.Key+".timezone", "it is that of a schedule or of expect.due_by, and there is neither")
	}
	if e.When.Poll > 0 {
		c.When = append(c.When, mft.Trigger{Kind: mft.TriggerPoll, Every: time.Duration(e.When.Poll)})
	}
	if e.When.Marker {
		c.When = append(c.When, mft.Trigger{Kind: mft.TriggerMarker})
	}
	if e.Markers != nil {
		c.Markers = e.Markers.markers(d)
	}
	c.Expect = e.Expect.Expectation(string(e.When.Timezone))
	e.check(d, c)
	return c
}

// check finds what does not go together.
func (e *channelEntry) check(d *strict.Decoder, c mft.Channel) {
	wrong := func(key, why string) { d.Mistake(e.When.Line, e.When.Key+key, "%s", why) }
	if len(c.When) == 0 && e.When.Key != "" {
		wrong("", "say arrival: {}, schedule, poll, marker or manual")
	}
	trigger := slices.ContainsFunc(c.Markers, func(m mft.Marker) bool { return m.Kind == mft.MarkerTrigger })
	if trigger != bool(e.When.Marker) {
		wrong(".marker", "marker: true and the path of a trigger in markers.source or markers.destination belong together")
	}
	silence := slices.ContainsFunc(c.Markers, func(m mft.Marker) bool { return m.Kind == mft.MarkerSilence })
	if silence && c.Expect.Silence == 0 {
		d.Mistake(e.Line, e.Key, "a silence marker needs expect.silence, the time after which it is made")
	}
}

// notes says what an operator may have expected of the channel in vain.
func (e *channelEntry) notes(own mft.AgentName) []string {
	if mft.AgentName(e.From.Agent) != own {
		return []string{fmt.Sprintf("channel %s starts at agent %s; agent %s does not start it", e.Name, e.From.Agent, own)}
	}
	return nil
}

// ReadShort accepts `when: manual`.
func (e *whenEntry) ReadShort(s string) error {
	switch s {
	case "manual":
		e.Manual = true
		return nil
	case "arrival":
		e.Arrival = &arrivalEntry{}
		return nil
	case "marker":
		e.Marker = true
		return nil
	}
	return fmt.Errorf("want arrival: {…}, schedule: …, poll: …, arrival, marker or manual")
}

func (*whenEntry) ShortSchema() map[string]any {
	return map[string]any{"enum": []string{"manual", "arrival", "marker"}}
}

func (e endpointEntry) endpoint() mft.Endpoint {
	return mft.Endpoint{Agent: mft.AgentName(e.Agent), Path: string(e.Path)}
}

func (e selectEntry) selection() mft.Selection {
	var s mft.Selection
	for _, p := range e.Include {
		s.Include = append(s.Include, string(p))
	}
	for _, p := range e.Exclude {
		s.Exclude = append(s.Exclude, string(p))
	}
	return s
}
