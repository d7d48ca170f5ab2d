package config

import (
	"log/slog"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/collector"
	"mft.dev/mft/agent/config/releases"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/agent/config/strict"
)

// Mistakes is everything that is wrong with one file, each with its line.
type Mistakes = strict.Mistakes

// Config is what the file of a host says, complete: whatever the file leaves
// out has its default. It is a value; nobody changes it after Load.
type Config struct {
	// Path is the file that it came from, "" for defaults.
	Path  string
	Agent Agent
	// Peers are the agents that the file pins. The agent knows others by
	// pairing, see identity.
	Peers map[mft.AgentName]Peer
	// Exchange is what peers are reached through that cannot be reached
	// directly; nil for none.
	Exchange *storage.Exchange
	// Telemetry is who is told what happens to transfers; nil for nobody.
	Telemetry *collector.Telemetry
	// Relay is what this host keeps for agents that cannot reach each other; nil
	// when it is no relay.
	Relay *storage.Served
	// Update is where newer versions come from; nil for nowhere.
	Update *releases.Update
	// Allow is who may do what on this host.
	Allow mft.AllowList
	// Calendars are in the order of their names.
	Calendars []mft.Calendar
	// Channels are in the order of the file. Those of other agents are among
	// them: the same list may be given to every host.
	Channels []mft.Channel
	// Groups are in the order of their names.
	Groups []mft.ServerGroup
	// Exits are the commands that this host runs, those of channels behind the
	// others.
	Exits []mft.Exit
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
	// User is who the agent's process is made when it is started as root; "" for one
	// process that is whoever started it.
	User string
	// NetworkUser is who the network process is made; "" for User.
	NetworkUser string
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
	// Path is the way that transfers to and from it take, "" when the file
	// does not say: then it is mft.PathAuto.
	Path mft.Path
}

// Paths returns the way that is configured for each peer.
func (c *Config) Paths() map[mft.AgentName]mft.Path {
	out := map[mft.AgentName]mft.Path{}
	for name, peer := range c.Peers {
		out[name] = peer.Path
	}
	return out
}

// A Destination is one line of a destinations file: where one copy goes.
type Destination struct {
	Agent mft.AgentName
	Path  string
	// Overwrite is "" when the file does not say.
	Overwrite mft.Overwrite
}
