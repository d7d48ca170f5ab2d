package config

import (
	"mft.dev/mft/agent/config/collector"
	"mft.dev/mft/agent/config/command"
	"mft.dev/mft/agent/config/expect"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/releases"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/agent/config/strict"
)

// The types of this file are the format: package strict fills and
// describes them by their tags.

// file is a configuration in mft's own words.
type file struct {
	Agent     agentSection                 `yaml:"agent" doc:"What this host is and where it keeps its things."`
	Peers     map[leaf.AgentName]peerEntry `yaml:"peers" doc:"Agents that this file pins, by name. Others are added by mft invite and mft join."`
	Exchange  *storage.Exchange            `yaml:"exchange" doc:"Storage that agents share who cannot reach each other."`
	Relay     *storage.Served              `yaml:"relay" doc:"What this host keeps for agents that reach it and that cannot reach each other."`
	Update    *releases.Update             `yaml:"update" doc:"Where newer versions of mft come from, for mft update."`
	Allow     allowSection                 `yaml:"allow" doc:"Who may do what on this host. Whoever is not listed may do nothing."`
	Telemetry *collector.Telemetry         `yaml:"telemetry" doc:"Who is told what happens to transfers."`
	Channels  []channelEntry               `yaml:"channels" doc:"Standing orders: what moves from where to where, and when."`
	Exits     []command.Entry              `yaml:"exits" doc:"Commands that this host runs because of transfers that it receives or, where they say so, sends."`
}

type agentSection struct {
	strict.Place
	Name         leaf.AgentName `yaml:"name" doc:"Name of the agent. Default: the host name made legal."`
	Listen       leaf.ListenOn  `yaml:"listen" doc:"HOST:PORT for peers; the host may be empty. Default: :7420."`
	Address      leaf.DialTo    `yaml:"address" doc:"HOST:PORT that peers should dial."`
	Data         leaf.LocalPath `yaml:"data" doc:"Directory of journal, keys and trust store. Default: /var/lib/mft for root, else ~/.local/share/mft."`
	Keys         leaf.LocalPath `yaml:"keys" doc:"Directory of the agent's keys. Default: DATA/keys."`
	Socket       leaf.LocalPath `yaml:"socket" doc:"Socket of the command line. Default: DATA/agent.sock."`
	SocketGroup  leaf.Word      `yaml:"socket_group" doc:"Group of the host whose members may use the socket too."`
	User         leaf.Word      `yaml:"user" doc:"User that the agent becomes when it is started as root, by name or number. Files are then moved by processes of their own, see run_as. Default: none; one process does everything, as who started it."`
	LogLevel     leaf.LogLevel  `yaml:"log_level" doc:"Least level that is logged. Default: info."`
	MaxTransfers leaf.AtOnce    `yaml:"max_transfers" doc:"How many transfers run at once. Default: 8."`
}

type peerEntry struct {
	strict.Place
	Address leaf.DialTo    `yaml:"address" doc:"HOST:PORT to dial; leave it out when the peer dials this host."`
	Pins    leaf.PinOrPins `yaml:"pin" need:"yes" doc:"The key that the peer shows, as mft key show prints it there; several while a key is rotated."`
	Path    path           `yaml:"path" doc:"How transfers travel: auto, over the direct link, and through the exchange while there is none; direct; or relay, through the exchange alone. Default: auto."`
}

type allowSection struct {
	FilesFrom    []filesGrant    `yaml:"files_from" doc:"Who may send files to this host, and into where."`
	RequestsFrom []requestsGrant `yaml:"requests_from" doc:"Who may ask for files of this host, and from where."`
}

type filesGrant struct {
	Agent      leaf.AgentName `yaml:"agent" need:"yes" doc:"Whom the grant is for."`
	Into       leaf.LocalPath `yaml:"into" need:"yes" doc:"Directory that the agent may write below."`
	AllowSetID leaf.YesNo     `yaml:"allow_setid" doc:"Keep setuid, setgid and sticky bits. Default: false."`
	Delete     leaf.YesNo     `yaml:"delete" doc:"Let mirrors of the agent remove files there. Default: false."`
	Markers    *markersThere  `yaml:"markers" doc:"Markers of this host that the agent may have looked at and written, as the destination markers of its channels."`
	RunAs      *runAsEntry    `yaml:"run_as" doc:"Who writes the files. Default: the user of the agent."`
}

type requestsGrant struct {
	Agent leaf.AgentName `yaml:"agent" need:"yes" doc:"Whom the grant is for."`
	Root  leaf.LocalPath `yaml:"root" need:"yes" doc:"Directory that the agent may ask for files below."`
	RunAs *runAsEntry    `yaml:"run_as" doc:"Who reads the files. Default: the user of the agent."`
}

// runAsEntry is a user of this host.
type runAsEntry struct {
	strict.Place
	User      leaf.Word  `yaml:"user" need:"yes" doc:"User of this host, by name or number. Needs agent.user."`
	Group     leaf.Word  `yaml:"group" doc:"Group, by name or number. Default: that of the user."`
	AllowRoot leaf.YesNo `yaml:"allow_root" doc:"Let the user be root. Default: false."`
}

type channelEntry struct {
	strict.Place
	Name      leaf.ChannelName `yaml:"name" need:"yes" doc:"Name of the channel, unique in the file."`
	From      endpointEntry    `yaml:"from" need:"yes" doc:"Where the files are."`
	To        []endpointEntry  `yaml:"to" need:"yes" doc:"Where they go."`
	When      whenEntry        `yaml:"when" need:"yes" doc:"What makes the channel fire."`
	Select    selectEntry      `yaml:"select" doc:"Which files move. Default: all."`
	Overwrite leaf.Overwrite   `yaml:"overwrite" doc:"What happens to a file of that name at the destination: true or replace, false or never, version. Default: true."`
	Compare   compare          `yaml:"compare" doc:"How a file is recognised that is there already: quick, by size and time; content; or none, which sends everything. Default: quick."`
	Exits     []command.Entry  `yaml:"exits" doc:"Commands that the receiving hosts run, and the sending host those that say at: source, because of what the channel sends; each of them those in its own file."`
	Compress  compress         `yaml:"compress" doc:"When what moves travels compressed: auto, when that is faster; always; or never. Default: auto."`

	Markers *markersEntry `yaml:"markers" doc:"Files by which the channel and the programs around it tell each other what they do."`
	Expect  *expect.Entry `yaml:"expect" doc:"What people count on of the channel."`

	RunAs *runAsEntry `yaml:"run_as" doc:"Who reads the files, and the markers of the source. Only the host of the source looks at it. Default: the user of the agent."`
}

type endpointEntry struct {
	strict.Place
	Agent leaf.AgentName `yaml:"agent" need:"yes" doc:"Agent on whose host the path is."`
	Path  leaf.HostPath  `yaml:"path" need:"yes" doc:"Directory, absolute, in the form of that host."`
}

type whenEntry struct {
	strict.Place
	Arrival  *arrivalEntry `yaml:"arrival" doc:"Fire when a file appears or changes and is stable."`
	Manual   leaf.YesNo    `yaml:"manual" doc:"Fire when an operator says so."`
	Schedule leaf.Schedule `yaml:"schedule" doc:"Fire by the clock: the fields of a crontab, five or six with seconds in front, with L, W and #; or @daily and the like."`
	Timezone leaf.Zone     `yaml:"timezone" doc:"Time zone of the schedule, such as Europe/London. Default: that of the host."`
	Marker   leaf.YesNo    `yaml:"marker" doc:"Fire when the trigger marker of the source appears."`
	Poll     leaf.PollTime `yaml:"poll" doc:"Fire each time so much time has passed, 1s to 24h."`
}

type arrivalEntry struct {
	Stable leaf.StableFor  `yaml:"stable" doc:"How long a file must stay the same before it moves, 10ms to 24h. Default: 2s."`
	Rescan leaf.RescanTime `yaml:"rescan" doc:"Longest time between two full scans of the source, 1s to 24h. Default: 10m where the system tells of all changes, else 30s."`
}

type selectEntry struct {
	Include []leaf.Pattern `yaml:"include" doc:"Globs; a file must match one. Default: every file."`
	Exclude []leaf.Pattern `yaml:"exclude" doc:"Globs; a file must match none."`
}

// azureFile is azure-mft's config.yaml: the keys of its README, with those of
// its code beside them.
type azureFile struct {
	Version leaf.VersionOne `yaml:"version" doc:"Always 1."`
	Config  azureSection    `yaml:"config" need:"yes" doc:"The whole configuration."`
}

type azureSection struct {
	strict.Place
	Agent          azureAgent       `yaml:"agent" doc:"What this host is."`
	Paths          azurePaths       `yaml:"paths" doc:"Where azure-mft kept its things."`
	AppInsightsKey azureKey         `yaml:"app_insights_key" doc:"Instrumentation key or connection string of Application Insights, where the events of transfers go."`
	MFT            azureStorage     `yaml:"mft" doc:"Where the storage account was named."`
	Azure          azureAccount     `yaml:"azure" doc:"How the storage account was reached."`
	FilesFrom      []leaf.AzureName `yaml:"allow_files_from" doc:"Agents that may send files to anywhere on this host."`
	RequestsFrom   []leaf.AzureName `yaml:"allow_requests_from" doc:"Agents that may ask for any file of this host."`
	Exits          []command.Azure  `yaml:"exits" doc:"Commands that run when a file of an agent has been delivered."`
}

type azureAgent struct {
	strict.Place
	Name     leaf.AgentName  `yaml:"name" need:"yes" doc:"Name of the agent."`
	LogLevel leaf.AzureLevel `yaml:"log_level" doc:"debug, or anything else for info."`
}

type azurePaths struct {
	Keys  strict.Unused `yaml:"keys_dir" doc:"No meaning: RSA keys of azure-mft are not used."`
	Cache strict.Unused `yaml:"cache_dir" doc:"No meaning: there is no cache."`
	Temp  strict.Unused `yaml:"tmp_dir" doc:"No meaning: parts lie beside the file that they become."`
}

type azureStorage struct {
	Account leaf.Word `yaml:"storage_account" doc:"Name of the storage account: the exchange for peers that cannot be reached directly."`
}

type azureAccount struct {
	Name     leaf.Word `yaml:"account_name" doc:"Name of the storage account: the exchange for peers that cannot be reached directly."`
	Key      azureKey  `yaml:"account_key" doc:"Key of the storage account. It is a secret in a file; mft's own format only says where secrets lie."`
	Insights azureKey  `yaml:"instrumentation_key" doc:"Instrumentation key or connection string of Application Insights, where the events of transfers go."`
}

// destinationsFile is the file of `mft copy --config` in its long form; the
// short form is the list alone.
type destinationsFile struct {
	Version      leaf.VersionOne    `yaml:"version"`
	Destinations []destinationEntry `yaml:"destinations" need:"yes"`
}

type destinationEntry struct {
	strict.Place
	Agent     leaf.AgentName `yaml:"agent" also:"name,destAgent,destinationAgent" need:"yes"`
	Path      leaf.HostPath  `yaml:"path" also:"destPath,destinationPath,destinationFileName" need:"yes"`
	Overwrite leaf.Overwrite `yaml:"overwrite"`
}
