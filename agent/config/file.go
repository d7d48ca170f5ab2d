package config

import (
	"mft.dev/mft/agent/config/collector"
	"mft.dev/mft/agent/config/command"
	"mft.dev/mft/agent/config/content"
	"mft.dev/mft/agent/config/end"
	"mft.dev/mft/agent/config/expect"
	"mft.dev/mft/agent/config/leaf"
	"mft.dev/mft/agent/config/markers"
	"mft.dev/mft/agent/config/releases"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/agent/config/strict"
	"mft.dev/mft/agent/config/when"
)

// The types of this file are the format: package strict fills and
// describes them by their tags.

// file is a configuration in mft's own words.
type file struct {
	Agent     agentSection                       `yaml:"agent" doc:"What this host is and where it keeps its things."`
	Peers     map[leaf.AgentName]peerEntry       `yaml:"peers" doc:"Agents that this file pins, by name. Others are added by mft invite and mft join."`
	Exchange  *storage.Exchange                  `yaml:"exchange" doc:"Storage that agents share who cannot reach each other."`
	Relay     *storage.Served                    `yaml:"relay" doc:"What this host keeps for agents that reach it and that cannot reach each other."`
	Update    *releases.Update                   `yaml:"update" doc:"Where newer versions of mft come from, for mft update."`
	Allow     allowSection                       `yaml:"allow" doc:"Who may do what on this host. Whoever is not listed may do nothing."`
	Telemetry *collector.Telemetry               `yaml:"telemetry" doc:"Who is told what happens to transfers."`
	Groups    map[leaf.AgentName]end.Group       `yaml:"groups" doc:"Server groups by name: hosts of which one is active at a time."`
	Calendars map[leaf.ChannelName]when.Calendar `yaml:"calendars" doc:"Calendars by name, which channels that begin here may name: which days are working days."`
	Channels  []channelEntry                     `yaml:"channels" doc:"Standing orders: what moves from where to where, and when."`
	Exits     []command.Entry                    `yaml:"exits" doc:"Commands that this host runs because of transfers that it receives or, where they say so, sends."`
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
	NetworkUser  leaf.Word      `yaml:"network_user" doc:"User of the process that has the connections to peers, by name or number. Needs user. Default: user."`
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
	FilesFrom    []filesGrant     `yaml:"files_from" doc:"Who may send files to this host, and into where."`
	RequestsFrom []requestsGrant  `yaml:"requests_from" doc:"Who may ask for files of this host, and from where."`
	TracesFrom   []leaf.AgentName `yaml:"traces_from" doc:"Who may follow a file through this host with mft trace: its path here, what commands ran, and the agents that it came from and went to. Everybody learns how a transfer went that is theirs."`
	Paired       []pairedEntry    `yaml:"paired" doc:"As whom files are written and read that mft invite, join or peer allow granted, by directory. Default: the user of the agent, in its own process."`
}

type pairedEntry struct {
	strict.Place
	Below leaf.LocalPath `yaml:"below" need:"yes" doc:"Directory below which the directories of such grants lie, or that they are; the longest that fits counts."`
	RunAs *runAsEntry    `yaml:"run_as" need:"yes" doc:"Who writes and reads the files."`
}

type filesGrant struct {
	strict.Place
	Agent      leaf.AgentName    `yaml:"agent" need:"yes" doc:"Whom the grant is for."`
	Into       leaf.LocalPath    `yaml:"into" need:"yes" doc:"Directory that the agent may write below."`
	AllowSetID leaf.YesNo        `yaml:"allow_setid" doc:"Keep setuid, setgid and sticky bits. Default: false."`
	RootSetID  leaf.YesNo        `yaml:"allow_root_setid" doc:"With allow_setid, keep setuid and setgid also on files that belong to root or its group here: whoever may run them has its rights. Default: false, such files are refused."`
	Delete     leaf.YesNo        `yaml:"delete" doc:"Let mirrors of the agent remove files there. Default: false."`
	Markers    *markers.There    `yaml:"markers" doc:"Markers of this host that the agent may have looked at and written, as the destination markers of its channels."`
	Versions   *content.Versions `yaml:"versions" doc:"How many old versions of a file that the agent replaced stay, under overwrite: version. Default: all."`
	RunAs      *runAsEntry       `yaml:"run_as" doc:"Who writes the files. Default: the user of the agent."`
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
	From      end.Entry        `yaml:"from" need:"yes" doc:"Where the files are."`
	To        []end.Entry      `yaml:"to" need:"yes" doc:"Where they go."`
	When      when.Entry       `yaml:"when" need:"yes" doc:"What makes the channel fire."`
	Select    content.Select   `yaml:"select" doc:"Which files move. Default: all."`
	Overwrite leaf.Overwrite   `yaml:"overwrite" doc:"What happens to a file of that name at the destination: true or replace, false or never, version. Default: true."`
	Compare   compare          `yaml:"compare" doc:"How a file is recognised that is there already: quick, by size and time; content; or none, which sends everything. Default: quick."`
	Exits     []command.Entry  `yaml:"exits" doc:"Commands that the receiving hosts run, and the sending host those that say at: source, because of what the channel sends; each of them those in its own file."`
	Compress  compress         `yaml:"compress" doc:"When what moves travels compressed: auto, when that is faster; always; or never. Default: auto."`
	Preserve  preserved        `yaml:"preserve" doc:"What is kept of files besides content, mode, times and owner: xattrs, the extended attributes of users; acls, the access lists; links, which names are one file. On Linux. Default: nothing."`

	Markers *markers.Ends `yaml:"markers" doc:"Files by which the channel and the programs around it tell each other what they do."`
	Expect  *expect.Entry `yaml:"expect" doc:"What people count on of the channel."`

	Mirror   *content.Mirror  `yaml:"mirror" doc:"Each run makes the destination like the source, under select, and removes what is not in the source."`
	Symlinks content.Symlinks `yaml:"symlinks" doc:"What becomes of symbolic links in a mirror: copy, they travel as links, but for those that lead out of the source; skip, none travels; refuse, each is a failure. What has the name of one that does not travel stays at the destination. Default: copy."`
	Guard    *content.Guard   `yaml:"guard" doc:"What has to hold of the source when a run begins. Else the run fails, and nothing is sent or removed."`

	Order     *content.Order  `yaml:"order" doc:"Has files sent so many at a time, in an order, the next when every destination has given its receipt for those before."`
	Bandwidth *when.Bandwidth `yaml:"bandwidth" doc:"How fast the channel may send."`
	After     *content.After  `yaml:"after" doc:"What becomes of a file when every destination has it. Only in the agent's own file."`

	RunAs *runAsEntry `yaml:"run_as" doc:"Who reads the files, and the markers of the source. Only the host of the source looks at it. Default: the user of the agent."`
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
