package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine/filesys"
)

// A host is what the places of files depend on.
type host struct {
	os   string // as runtime.GOOS
	root bool   // the user may do anything
	home string // "" when the user has none
	env  func(string) string
}

func thisHost(env func(string) string) host {
	home, err := os.UserHomeDir()
	if err != nil {
		home = ""
	}
	return host{os: runtime.GOOS, root: os.Geteuid() == 0, home: home, env: env}
}

// Find returns the file that holds the configuration: explicit when it is not
// empty, else the one that env names as MFT_CONFIG, else the first that
// exists of mft's own places and azure-mft's old ones. It returns "" when
// there is none, which is no error: see Default. A file that was named but is
// not there is an error.
func Find(explicit string, env func(string) string) (string, error) {
	for _, named := range []string{explicit, env("MFT_CONFIG")} {
		if named == "" {
			continue
		}
		if _, err := os.Stat(named); err != nil {
			return "", mft.Fail(mft.CodeConfig, "find configuration", named, filesys.Cause(err))
		}
		return filepath.Abs(named)
	}
	for _, path := range places(thisHost(env)) {
		switch _, err := os.Stat(path); {
		case err == nil:
			return path, nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
			return "", mft.Fail(mft.CodeConfig, "find configuration", path, filesys.Cause(err))
		}
	}
	return "", nil
}

// places lists where a configuration may lie, the first that exists wins: the
// user's own (not for root), the host's, then azure-mft's. azure-mft also
// looked in ./.var/azmft; that is left out, because whoever writes a directory
// in which the agent is started would then command it.
func places(h host) []string {
	own := h.env("XDG_CONFIG_HOME")
	system := []string{"/etc/mft/mft.yaml", "/var/mft2/config.yaml", "/var/azmft/azmft.config.yaml"}
	switch {
	case h.os == "windows":
		own = h.env("APPDATA")
		system = nil
		if all := h.env("PROGRAMDATA"); all != "" {
			system = []string{filepath.Join(all, "mft", "mft.yaml"), filepath.Join(all, "mft2", "config.yaml")}
		}
	case !filepath.IsAbs(own):
		own = ""
		if h.home != "" {
			own = filepath.Join(h.home, ".config")
		}
	}
	var list []string
	if own != "" && !h.root {
		list = append(list, filepath.Join(own, "mft", "mft.yaml"))
	}
	list = append(list, system...)
	if h.os == "darwin" && h.home != "" {
		own = filepath.Join(h.home, "Library", "Application Support")
	}
	if own != "" {
		list = append(list, filepath.Join(own, "azmft.config.yaml"))
	}
	return list
}

// Default is the configuration of a host without a file: its name is the host
// name made legal, its data in /var/lib/mft for root and in the user's own
// data directory otherwise. Nobody is allowed anything.
func Default(env func(string) string) *Config {
	name, err := os.Hostname()
	if err != nil {
		name = ""
	}
	data := dataDir(thisHost(env))
	return &Config{
		Agent: Agent{
			Name:         legalName(name),
			Listen:       defaultListen,
			DataDir:      data,
			KeysDir:      filepath.Join(data, "keys"),
			Socket:       filepath.Join(data, "agent.sock"),
			MaxTransfers: defaultTransfers,
		},
		Peers: make(map[mft.AgentName]Peer),
	}
}

// SystemSocket is where the agent of the whole host listens to commands when
// no configuration says otherwise.
func SystemSocket(env func(string) string) string {
	h := thisHost(env)
	h.root = true
	return filepath.Join(dataDir(h), "agent.sock")
}

func dataDir(h host) string {
	switch {
	case h.os == "windows":
		for _, name := range []string{"PROGRAMDATA", "LOCALAPPDATA"} {
			if dir := h.env(name); dir != "" && (name != "PROGRAMDATA" || h.root) {
				return filepath.Join(dir, "mft")
			}
		}
		return filepath.Join(h.home, "mft")
	case h.root:
		return "/var/lib/mft"
	}
	if dir := h.env("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "mft")
	}
	if h.home == "" {
		return filepath.Join(os.TempDir(), "mft")
	}
	return filepath.Join(h.home, ".local", "share", "mft")
}

// legalName makes an agent name of a host's name: its first label, with
// whatever is not allowed replaced by single hyphens.
func legalName(host string) mft.AgentName {
	label, _, _ := strings.Cut(strings.ToLower(host), ".")
	words := strings.FieldsFunc(label, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	s := strings.Join(words, "-")
	if len(s) > 63 {
		s = strings.TrimRight(s[:63], "-")
	}
	name, err := mft.ParseAgentName(s)
	if err != nil {
		return "agent"
	}
	return name
}
