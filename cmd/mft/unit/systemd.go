package unit

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/config"
)

// A Wanted is what the agent is to be run as.
type Wanted struct {
	// Name is that of the unit, without .service.
	Name string
	// Binary and Config are absolute paths; Config may be "".
	Binary, Config string
	// User and Group run the agent. Root keeps the capabilities that giving
	// files their owner takes, and no other.
	User, Group string
	// Write are directories that the agent writes to beside those of the
	// configuration, such as those that pairing allows peers.
	Write []string
}

// mark begins every unit that this package has written.
const mark = "# Written by mft service install; put changes into a drop-in (systemctl edit)."

// stateRoot is where systemd makes the directory of a StateDirectory.
const stateRoot = "/var/lib/"

// Unit returns the unit for an agent with this configuration. The error is
// mft.CodeConfig for a path that a unit cannot name.
func (w Wanted) Unit(cfg *config.Config) (string, error) {
	write := w.writes(cfg)
	for _, path := range append([]string{w.Binary, w.Config}, write...) {
		if strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return "", mft.Fail(mft.CodeConfig, "write unit", path, fmt.Errorf("a path in a unit has no control characters"))
		}
	}
	run := quoted(w.Binary, false) + " run"
	if w.Config != "" {
		run += " --config " + quoted(w.Config, true)
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line(mark)
	line("[Unit]\nDescription=mft agent %s\nWants=network-online.target\nAfter=network-online.target", cfg.Agent.Name)
	line("# It is always started again: what waits in the journal has been promised.\nStartLimitIntervalSec=0\n")
	access := "main"
	if w.several(cfg) {
		access = "all" // it is not the supervisor that knows when the agent is ready
	}
	line("[Service]\nType=notify\nNotifyAccess=%s\nExecStart=%s", access, run)
	line("Restart=on-failure\nRestartSec=5s\nTimeoutStartSec=10min\nTimeoutStopSec=90s\nWatchdogSec=2min\n")
	line("User=%s\nGroup=%s", w.User, w.Group)
	if cfg.Agent.SocketGroup != "" {
		line("SupplementaryGroups=%s", cfg.Agent.SocketGroup)
	}
	w.state(&b, cfg, write)
	w.bounds(&b, cfg)
	line("\n[Install]\nWantedBy=multi-user.target")
	return b.String(), nil
}

// several reports whether a supervisor runs as root, and the agent as a user of its own.
func (w Wanted) several(cfg *config.Config) bool { return w.User == "root" && cfg.Agent.User != "" }

// writes lists the directories that an agent writes to, each once.
func (w Wanted) writes(cfg *config.Config) []string {
	out := []string{cfg.Agent.DataDir, cfg.Agent.KeysDir, filepath.Dir(cfg.Agent.Socket)}
	if w.several(cfg) {
		out = append(out, filepath.Dir(cfg.Agent.DataDir))
	}
	for _, g := range cfg.Allow.FilesFrom {
		out = append(out, g.Root)
		for _, m := range g.Markers {
			out = append(out, filepath.Dir(m.Path))
		}
	}
	for _, ch := range cfg.Channels {
		for _, m := range ch.Markers {
			if ch.From.Agent == cfg.Agent.Name && m.End == mft.EndSource {
				out = append(out, filepath.Dir(m.Path))
			}
		}
	}
	if cfg.Exchange != nil && cfg.Exchange.Dir != nil {
		out = append(out, string(cfg.Exchange.Dir.Path))
	}
	if cfg.Relay != nil && cfg.Relay.Dir != "" {
		out = append(out, string(cfg.Relay.Dir))
	}
	out = append(out, w.Write...)
	for i, path := range out {
		out[i] = filepath.Clean(path)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// state says where the agent writes.
func (w Wanted) state(b *strings.Builder, cfg *config.Config, write []string) {
	// The supervisor makes the data directory of an agent that is another user: systemd would
	// take it back for root at each start.
	if rest, ok := strings.CutPrefix(cfg.Agent.DataDir, stateRoot); ok && !w.several(cfg) && rest != "" && !strings.ContainsAny(rest, ` "\%$`) {
		fmt.Fprintf(b, "StateDirectory=%s\nStateDirectoryMode=0700\n", rest)
	}
	b.WriteString("\n# Everything else is read-only. A directory that is made later counts from the\n# next start.\nProtectSystem=strict\n")
	var paths []string
	for _, path := range write {
		paths = append(paths, quoted("-"+path, false))
	}
	fmt.Fprintf(b, "ReadWritePaths=%s\n", strings.Join(paths, " "))
	private := "yes"
	if slices.ContainsFunc(append(slices.Clone(write), w.Binary, w.Config), temporary) || slices.ContainsFunc(sources(cfg), temporary) {
		private = "no" // the configuration names something there
	}
	fmt.Fprintf(b, "ProtectHome=read-only\nPrivateTmp=%s\n", private)
}

func temporary(path string) bool {
	return path == "/" || path == "/tmp" || path == "/var/tmp" || strings.HasPrefix(path, "/tmp/") || strings.HasPrefix(path, "/var/tmp/")
}

// sources lists what the configuration has the agent read.
func sources(cfg *config.Config) []string {
	var out []string
	for _, g := range cfg.Allow.RequestsFrom {
		out = append(out, g.Root)
	}
	for _, c := range cfg.Channels {
		if c.From.Agent == cfg.Agent.Name {
			out = append(out, c.From.Path)
		}
	}
	return out
}

// ownerCapabilities are what giving files of others their owner, mode and place
// takes.
const ownerCapabilities = "CAP_CHOWN CAP_FOWNER CAP_FSETID CAP_DAC_OVERRIDE"

// supervisorCapabilities are what making processes other users, ending them, and taking
// capabilities from them takes besides; workers that are root keep the second.
const supervisorCapabilities = "CAP_SETUID CAP_SETGID CAP_SETPCAP CAP_KILL CAP_DAC_READ_SEARCH"

// bounds says what the agent may do.
func (w Wanted) bounds(b *strings.Builder, cfg *config.Config) {
	var capabilities []string
	if w.User == "root" {
		capabilities = append(capabilities, ownerCapabilities)
	}
	if w.several(cfg) {
		capabilities = append(capabilities, supervisorCapabilities)
	}
	if lowPort(cfg.Agent.Listen) {
		capabilities = append(capabilities, "CAP_NET_BIND_SERVICE")
		if w.User != "root" {
			b.WriteString("AmbientCapabilities=CAP_NET_BIND_SERVICE\n")
		}
	}
	fmt.Fprintf(b, "CapabilityBoundingSet=%s\n", strings.Join(capabilities, " "))
	setID := slices.ContainsFunc(cfg.Allow.FilesFrom, func(g mft.Grant) bool { return g.AllowSetID })
	if !setID {
		b.WriteString("RestrictSUIDSGID=yes\n")
	}
	b.WriteString(`NoNewPrivileges=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self
SystemCallErrorNumber=EPERM
`)
}

func lowPort(listen string) bool {
	_, port, err := net.SplitHostPort(listen)
	n, nerr := strconv.Atoi(port)
	return err == nil && nerr == nil && n > 0 && n < 1024
}

// quoted writes a word as systemd.syntax(7) reads it. In the arguments of a
// command a dollar begins a variable.
func quoted(s string, argument bool) string {
	s = strings.ReplaceAll(s, "%", "%%")
	if argument {
		s = strings.ReplaceAll(s, "$", "$$")
	}
	if !strings.ContainsAny(s, " \t\"'\\;") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// Sysusers returns what makes the user of the agent, for sysusers.d(5).
func (w Wanted) Sysusers(cfg *config.Config) string {
	user := w.User
	if w.several(cfg) {
		user = cfg.Agent.User
	}
	return fmt.Sprintf("%s\nu %s - \"mft agent\" %s\n", mark, user, cfg.Agent.DataDir)
}
