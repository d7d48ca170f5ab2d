package config

import (
	"log/slog"

	"mft.dev/mft"
)

// Config is what the file of a host says, complete: whatever the file leaves
// out has its default. It is a value; nobody changes it after Load.
type Config struct {
	// Path is the file that it came from, "" for defaults.
	Path  string
	Agent Agent
	// Peers are the agents that the file pins. The agent knows others by
	// pairing, see identity.
	Peers map[mft.AgentName]Peer
	// Allow is who may do what on this host.
	Allow mft.AllowList
	// Channels are in the order of the file. Those of other agents are among
	// them: the same list may be given to every host.
	Channels []mft.Channel
	// Notes are sentences about what was read but has no meaning here.
	Notes []string
}

// Agent is the section `agent:`, what one daemon is and where it lives.
type Agent struct {
	Name mft.AgentName
	// Listen is the TCP address for peers, HOST:PORT; the host may be empty.
	Listen string
	// Address is what peers should dial, HOST:PORT, "" when Listen says
	// enough.
	Address string
	// DataDir holds journal, keys and trust store. Absolute.
	DataDir string
	// KeysDir holds the keys of the agent, by default DataDir/keys. Absolute.
	KeysDir string
	// Socket is where the command line meets the agent, by default
	// DataDir/agent.sock. Absolute.
	Socket string
	// SocketGroup is a group of the host whose members may use the socket
	// too; "" for the owner only.
	SocketGroup string
	LogLevel    slog.Level
	// MaxTransfers is how many transfers run at once, 1 to 256.
	MaxTransfers int
}

// Peer is one entry of the section `peers:`.
type Peer struct {
	// Address is HOST:PORT, "" for a peer that always dials us.
	Address string
	// Pins are the keys that the peer may show, in the form that
	// `mft key show` prints.
	Pins []string
}

// A Destination is one line of a destinations file: where one copy goes.
type Destination struct {
	Agent mft.AgentName
	Path  string
	// Overwrite is "" when the file does not say.
	Overwrite mft.Overwrite
}

// Find returns the file that holds the configuration: explicit when it is not
// empty, else the one that env names as MFT_CONFIG, else the first that
// exists of mft's own places and azure-mft's old ones. It returns "" when
// there is none, which is no error: see Default. A file that was named but is
// not there is an error.
func Find(explicit string, env func(string) string) (string, error) {
	return explicit, nil
}

// Load reads the file at path. The error is an *mft.Error of code
// mft.CodeConfig whose cause is a Mistakes value when the content is to blame.
func Load(path string) (*Config, error) {
	return &Config{Path: path}, nil
}

// Default is the configuration of a host without a file: its name is the host
// name made legal, its data in /var/lib/mft for root and in the user's own
// data directory otherwise. Nobody is allowed anything.
func Default(env func(string) string) *Config {
	return &Config{}
}

// LoadDestinations reads the file of `mft copy FILE --config`.
func LoadDestinations(path string) ([]Destination, error) {
	return nil, nil
}

// Schema returns the JSON Schema of the file.
func Schema() []byte { return nil }
