package config

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/command"
	"mft.dev/mft/agent/config/end"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/agent/config/strict"
	"mft.dev/mft/agent/config/when"
	"mft.dev/mft/internal/confine/filesys"
	"mft.dev/mft/trigger"
)

// maxFile is the size in bytes above which a file is refused unread: no
// configuration of a host comes near it.
const maxFile = 1 << 20

// The defaults that do not depend on the host.
const (
	defaultListen    = ":7420"
	defaultTransfers = 8

	maxRules = 32 << 10 // of a mirror: they travel with its offer
)

// Load reads the file at path. The error is an *mft.Error of code
// mft.CodeConfig whose cause is a Mistakes value when the content is to blame.
func Load(path string) (*Config, error) { return load(path, when.ReadFile) }

// LoadAlone is Load for who asks the agent: files of holidays, which are the agent's, are
// not read.
func LoadAlone(path string) (*Config, error) {
	return load(path, func(string) ([]string, error) { return nil, nil })
}

func load(path string, holidays func(path string) ([]string, error)) (*Config, error) {
	content, err := readFile(path)
	if err != nil {
		return nil, mft.Fail(mft.CodeConfig, "read configuration", path, err)
	}
	cfg, err := readWith(content, Default(os.Getenv), holidays)
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
	return readWith(content, defaults, when.ReadFile)
}

func readWith(content []byte, defaults *Config, holidays func(path string) ([]string, error)) (*Config, error) {
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
	return f.config(d, defaults, holidays)
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
func (f *file) config(d *strict.Decoder, defaults *Config, holidays func(path string) ([]string, error)) (*Config, error) {
	cfg := *defaults
	cfg.Agent, cfg.Exchange, cfg.Relay, cfg.Update, cfg.Telemetry = f.Agent.over(defaults.Agent), f.Exchange, f.Relay, f.Update, f.Telemetry
	if cfg.Telemetry != nil {
		cfg.Notes = append(cfg.Notes, cfg.Telemetry.Notes()...)
	}
	if why := storage.Misfit(leaf.AgentName(cfg.Agent.Name), leaf.ListenOn(cfg.Agent.Listen), f.Exchange, f.Relay); why != "" {
		d.Mistake(0, "relay", "%s", why)
	}
	f.Agent.check(d)
	cfg.Peers = make(map[mft.AgentName]Peer)
	for _, name := range slices.Sorted(maps.Keys(f.Peers)) {
		e := f.Peers[name]
		cfg.Peers[mft.AgentName(name)] = e.peer(d, name, cfg.Agent.Name)
		if mft.Path(e.Path) == mft.PathRelay && cfg.Exchange == nil {
			d.Mistake(e.Line, e.Key+".path", "relay needs an exchange; see the section exchange")
		}
	}
	f.Allow.into(d, &cfg)
	exits, notes := command.List(d, f.Exits)
	cfg.Exits, cfg.Notes = exits, append(cfg.Notes, notes...)
	cfg.Groups = end.Groups(d, f.Groups, func(name leaf.AgentName) bool {
		_, is := f.Peers[name]
		return is || name == f.Agent.Name
	})
	cfg.Calendars = when.Calendars(d, f.Calendars, holidays)
	once := onlyOnce(d)
	for i := range f.Channels {
		entry := &f.Channels[i]
		once(entry)
		c := entry.channel(d, cfg.Groups, cfg.Calendars, cfg.Agent.Name)
		if c.From.Agent == cfg.Agent.Name {
			c.RunAs = entry.RunAs.user(d, &cfg)
		}
		cfg.Channels = append(cfg.Channels, c)
		exits, notes := command.OfChannel(d, entry.Exits, &c, c.From.Agent == cfg.Agent.Name, end.Leads(&c, cfg.Groups, cfg.Agent.Name))
		cfg.Exits, cfg.Notes = append(cfg.Exits, exits...), append(cfg.Notes, append(notes, entry.notes(cfg.Agent.Name)...)...)
	}
	if cfg.Agent.User != "" && slices.ContainsFunc(cfg.Exits, func(e mft.Exit) bool { return e.Unconfined }) {
		cfg.Notes = append(cfg.Notes, "exits: with agent.user a command that is unconfined has the walls of the agent all the same: sudo and the like do not work")
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
	set(&a.NetworkUser, string(s.NetworkUser))
	set(&a.LogLevel, slog.Level(s.LogLevel))
	set(&a.MaxTransfers, int(s.MaxTransfers))
	return a
}

// into writes what the section says to cfg, which has its agent already.
func (s *allowSection) into(d *strict.Decoder, cfg *Config) {
	for _, g := range s.FilesFrom {
		if g.RootSetID && !g.AllowSetID {
			d.Mistake(g.Line, g.Key+".allow_root_setid", "needs allow_setid beside it")
		}
		cfg.Allow.FilesFrom = append(cfg.Allow.FilesFrom,
			mft.Grant{
				Agent: mft.AgentName(g.Agent), Root: string(g.Into), AllowSetID: bool(g.AllowSetID), AllowRootSetID: bool(g.RootSetID), AllowDelete: bool(g.Delete),
				Markers: g.Markers.Markers(d), Versions: g.Versions.Bound(), RunAs: g.RunAs.user(d, cfg),
			})
	}
	for _, g := range s.RequestsFrom {
		cfg.Allow.RequestsFrom = append(cfg.Allow.RequestsFrom,
			mft.Grant{Agent: mft.AgentName(g.Agent), Root: string(g.Root), RunAs: g.RunAs.user(d, cfg)})
	}
	for _, name := range s.TracesFrom {
		cfg.Allow.TracesFrom = append(cfg.Allow.TracesFrom, mft.AgentName(name))
	}
	for _, p := range s.Paired {
		if same := func(o mft.Paired) bool { return filepath.Clean(o.Below) == filepath.Clean(string(p.Below)) }; slices.ContainsFunc(cfg.Allow.Paired, same) {
			d.Mistake(p.Line, p.Key+".below", "there is another entry for this directory")
		}
		cfg.Allow.Paired = append(cfg.Allow.Paired, mft.Paired{Below: string(p.Below), RunAs: p.RunAs.user(d, cfg)})
	}
}

// check finds what makes no sense without something else.
func (s agentSection) check(d *strict.Decoder) {
	if s.NetworkUser != "" && s.User == "" {
		d.Mistake(s.Line, s.Key+".network_user", "needs agent.user: without it there is one process, which has one user")
	}
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

func (e *channelEntry) channel(d *strict.Decoder, groups []mft.ServerGroup, calendars []mft.Calendar, own mft.AgentName) mft.Channel {
	c := mft.Channel{
		Name:      string(e.Name),
		From:      e.From.Source(d, groups, own),
		Select:    e.Select.Selection(),
		Overwrite: mft.OverwriteReplace,
		Compare:   mft.CompareQuick,
		Compress:  mft.CompressAuto,
	}
	set(&c.Overwrite, mft.Overwrite(e.Overwrite))
	set(&c.Compare, mft.Compare(e.Compare))
	set(&c.Compress, mft.Compress(e.Compress))
	for _, p := range e.Preserve {
		c.Preserve |= mft.Preserve(p)
	}
	for _, to := range e.To {
		if to.Agent == e.From.Agent && to.Agent != "" {
			d.Mistake(to.Line, to.Key+".agent", "the files are on this agent already; a channel leads to another one")
		}
		c.To = append(c.To, to.Destination(d, groups, c.From.Agent))
	}
	c.Select.Symlinks = mft.Symlinks(e.Symlinks)
	c.Markers = e.Markers.Markers(d)
	c.Mirror, c.Guard, c.Order, c.After = e.Mirror.Mirror(), e.Guard.Guard(), e.Order.Order(), e.After.After()
	c.Expect = e.Expect.Expectation(string(e.When.Timezone))
	e.When.Into(d, &c, calendars, c.From.Agent != own)
	c.Bandwidth = e.Bandwidth.Bandwidth(d, calendars, c.From.Agent != own)
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
	e.checkMirror(d, c)
	e.After.Fits(d, c)
	silence := slices.ContainsFunc(c.Markers, func(m mft.Marker) bool { return m.Kind == mft.MarkerSilence })
	if silence && c.Expect.Silence == 0 {
		d.Mistake(e.Line, e.Key, "a silence marker needs expect.silence, the time after which it is made")
	}
}

// checkMirror finds what does not go with a mirror.
func (e *channelEntry) checkMirror(d *strict.Decoder, c mft.Channel) {
	arrives := slices.ContainsFunc(c.When, func(t mft.Trigger) bool { return t.Kind == mft.TriggerArrival })
	switch {
	case !c.Mirror.On && e.Symlinks != "":
		d.Mistake(e.Line, e.Key+".symlinks", "is for a mirror; other channels send regular files only")
	case !c.Mirror.On:
	case arrives:
		d.Mistake(e.When.Line, e.When.Key, "a mirror runs by schedule, poll, marker or manual: that a file is gone is no arrival")
	case len(c.Select.Include)+len(c.Select.Exclude) > 0:
		d.Mistake(e.Line, e.Key+".select", "both ends of a mirror go by the same rules: write rules instead of include and exclude")
	case c.Order.Batch > 0:
		d.Mistake(e.Order.Line, e.Order.Key, "a mirror is one transfer of the whole source, which has no order")
	case c.Select.Latest > 0:
		d.Mistake(e.Line, e.Key+".select.latest", "a mirror is the whole of its source: what is not the latest would be removed at the destination")
	case len(strings.Join(trigger.MirrorRules(c), " ")) > maxRules:
		d.Mistake(e.Line, e.Key+".select.rules", "those of a mirror are 32 KiB at most")
	}
}

// notes says what an operator may have expected of the channel in vain.
func (e *channelEntry) notes(own mft.AgentName) []string {
	if e.From.Group == "" && mft.AgentName(e.From.Agent) != own {
		return []string{fmt.Sprintf("channel %s starts at agent %s; agent %s does not start it", e.Name, e.From.Agent, own)}
	}
	return nil
}
