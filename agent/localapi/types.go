package localapi

import (
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi/opaque"
	"mft.dev/mft/agent/localapi/route"
	"mft.dev/mft/agent/telemetry"
	relay "mft.dev/mft/exchange/relay/server"
	"mft.dev/mft/internal/restrict"
)

// A Problem is an *mft.Error in JSON.
type Problem = route.Problem

// A CopyOrder asks for files of this host to be sent to one or more agents.
type CopyOrder struct {
	// Sources are absolute paths on this host; a glob is allowed in any
	// component, a trailing slash on a directory means its contents.
	Sources      opaque.Strings `json:"sources"`
	Destinations []Destination  `json:"destinations"`
}

// A Destination is one place a copy goes to.
type Destination struct {
	Agent mft.AgentName `json:"agent"`
	Path  opaque.String `json:"path"` // absolute on Agent's host; see mft.Offer.Destination
	// Overwrite is empty for the default, mft.OverwriteReplace.
	Overwrite mft.Overwrite `json:"overwrite,omitempty"`
	// Transfer is the id that the transfer gets, a UUID of version 7; zero for
	// a new one. See order.Book for an id that is in use.
	Transfer mft.TransferID `json:"transfer,omitzero"`
	// Compare and Compress are empty for mft.CompareQuick and mft.CompressAuto.
	Compare  mft.Compare  `json:"compare,omitempty"`
	Compress mft.Compress `json:"compress,omitempty"`
	Preserve mft.Preserve `json:"preserve,omitempty"`
	// Mirror needs exactly one source, a directory; nil for none.
	Mirror *Mirror `json:"mirror,omitempty"`
}

// Placed is what became of one destination of a copy: a transfer, or the
// reason why there is none.
type Placed struct {
	Agent    mft.AgentName  `json:"agent"`
	Path     string         `json:"path"`
	Transfer mft.TransferID `json:"transfer"` // zero if Err is set
	Err      *Problem       `json:"error,omitempty"`
}

// A RequestOrder asks a peer for files of its host.
type RequestOrder struct {
	Agent mft.AgentName `json:"agent"`
	Path  opaque.String `json:"path"` // absolute on Agent's host; a glob is allowed in the last component
	Into  opaque.String `json:"into"` // absolute on this host; see mft.Offer.Destination
	// Overwrite is empty for the default, mft.OverwriteReplace.
	Overwrite mft.Overwrite `json:"overwrite,omitempty"`
	// Transfer, Compare, Compress and Preserve are as for a Destination.
	Transfer mft.TransferID `json:"transfer,omitzero"`
	Compare  mft.Compare    `json:"compare,omitempty"`
	Compress mft.Compress   `json:"compress,omitempty"`
	Preserve mft.Preserve   `json:"preserve,omitempty"`
}

// A Filter selects transfers. Zero fields select everything.
type Filter struct {
	Role    mft.Role
	Peer    mft.AgentName
	Channel string
	States  []mft.State
	Limit   int // newest first; 0 means 1,000
}

// A Transfer is a row of the journal with what is known of it this moment.
type Transfer struct {
	ID          mft.TransferID `json:"id"`
	Role        mft.Role       `json:"role"`
	Peer        mft.AgentName  `json:"peer"`
	Channel     string         `json:"channel,omitempty"`
	State       mft.State      `json:"state"`
	Reason      *Problem       `json:"reason,omitempty"`
	Sources     opaque.Strings `json:"sources"`
	Destination opaque.String  `json:"destination"`
	Overwrite   mft.Overwrite  `json:"overwrite"`
	Compare     mft.Compare    `json:"compare,omitempty"`
	Compress    mft.Compress   `json:"compress,omitempty"`
	Preserve    mft.Preserve   `json:"preserve,omitempty"`
	Mirror      *Mirror        `json:"mirror,omitempty"`
	Requested   bool           `json:"requested"`
	Totals      Count          `json:"totals"`
	Moved       Count          `json:"moved"`
	Unchanged   Count          `json:"unchanged"` // was at the destination before
	Removed     int64          `json:"removed"`   // entries of the destination, by a mirror
	Created     time.Time      `json:"created"`
	Updated     time.Time      `json:"updated"`
	Attempts    int            `json:"attempts"`
}

// A Mirror is an order to remove what is not in the source; see mft.Mirror.
// A limit below zero is none.
type Mirror struct {
	MaxFiles   int64 `json:"max_files"`
	MaxPercent int   `json:"max_percent"`
}

// MirrorOf returns what stands for m in JSON, nil for none.
func MirrorOf(m mft.Mirror) *Mirror {
	if !m.On {
		return nil
	}
	return &Mirror{m.MaxFiles, m.MaxPercent}
}

func (m *Mirror) order() mft.Mirror {
	if m == nil {
		return mft.Mirror{}
	}
	return mft.Mirror{On: true, MaxFiles: m.MaxFiles, MaxPercent: m.MaxPercent}
}

// Count measures a set of items; Bytes is the content of regular files.
type Count struct {
	Items int64 `json:"items"`
	Bytes int64 `json:"bytes"`
}

// A TransferDetail is a transfer with its trail.
type TransferDetail struct {
	Transfer Transfer `json:"transfer"`
	Events   []Event  `json:"events"`
	Exits    []Exit   `json:"exits"` // in the order in which they began
	// Rate is in bytes a second over the last seconds; zero unless it runs.
	Rate float64 `json:"rate"`
}

// An Exit is a command that ran because of a transfer; see journal.ExitRun.
type Exit struct {
	Phase    mft.ExitPhase `json:"phase"`
	Path     opaque.String `json:"path"`
	Command  string        `json:"command"`
	State    string        `json:"state"` // "running", "again" if it is to be run again, or "ended"
	Runs     int           `json:"runs"`
	Failures int           `json:"failures"`
	Status   int           `json:"status"` // exit status of the last run; -1 for none
	Code     mft.Code      `json:"code,omitempty"`
	Detail   string        `json:"detail,omitempty"` // how the last run ended
	Output   opaque.String `json:"output,omitempty"` // of the last run
	At       time.Time     `json:"at"`               // when it began, or ended
}

// An Event is one line of the journal.
type Event struct {
	Seq      int64           `json:"seq"`
	Time     time.Time       `json:"time"`
	Kind     mft.EventKind   `json:"kind"`
	Transfer *mft.TransferID `json:"transfer,omitempty"`
	Channel  string          `json:"channel,omitempty"`
	Peer     mft.AgentName   `json:"peer,omitempty"`
	Code     mft.Code        `json:"code,omitempty"`
	Detail   string          `json:"detail,omitempty"`
}

// An Action is what an operator can do to a transfer.
type Action string

// The actions.
const (
	ActionCancel Action = "cancel" // end it at both ends; partial files are removed
	ActionPause  Action = "pause"  // stop it; what has been moved is kept
	ActionResume Action = "resume" // go on with a paused one, or wait no longer
	ActionRetry  Action = "retry"  // make a new transfer of one that ended
)

// Status is an agent as it is this moment.
type Status struct {
	Name         mft.AgentName     `json:"name"`
	Version      string            `json:"version"`
	Started      time.Time         `json:"started"`
	DataDir      string            `json:"data_dir"`
	Listen       string            `json:"listen"`  // where it listens
	Address      string            `json:"address"` // what peers are told
	Peers        []Peer            `json:"peers"`
	Counts       map[mft.State]int `json:"counts"`
	Waiting      []Transfer        `json:"waiting"` // at most 100
	Channels     []ChannelStatus   `json:"channels"`
	Resident     int64             `json:"resident_bytes"` // 0 where unknown
	MaxTransfers int               `json:"max_transfers"`
	Notes        []string          `json:"notes"` // of the configuration
	// Telemetry is how the collectors do that are told of events.
	Telemetry []telemetry.Status `json:"telemetry,omitempty"`
	Relay     []relay.Held       `json:"relay,omitempty"`     // what this agent keeps for others
	Processes []restrict.Report  `json:"processes,omitempty"` // the walls around them
}

// A ChannelStatus tells how a channel of this agent is watched.
type ChannelStatus struct {
	Name     string    `json:"name"`
	From     string    `json:"from"`
	Watching string    `json:"watching"` // "inotify", "fsnotify" or "scanning"
	LastScan time.Time `json:"last_scan"`
	Settling int       `json:"settling"` // files seen that are not stable yet
	Problem  *Problem  `json:"problem,omitempty"`
}

// A Peer is another agent as it is known here.
type Peer struct {
	Name         mft.AgentName `json:"name"`
	Address      string        `json:"address"` // empty when it always dials us
	Pins         []string      `json:"pins"`
	Configured   bool          `json:"configured"` // in the configuration file, not by pairing
	Link         string        `json:"link"`       // "up" or "down"
	LinkSince    time.Time     `json:"link_since"`
	LinkReason   *Problem      `json:"link_reason,omitempty"`
	Software     string        `json:"software,omitempty"`
	FilesInto    []string      `json:"files_into"`    // where it may send files to
	DeletesFrom  []string      `json:"deletes_from"`  // where its mirrors may remove files
	RequestsFrom []string      `json:"requests_from"` // where it may ask for files from
	Added        time.Time     `json:"added"`
}

// A PeerGrant is what pairing or `mft peer allow` lets a peer do here; an
// empty directory grants nothing.
type PeerGrant struct {
	FilesInto    string `json:"files_into"`
	RequestsRoot string `json:"requests_root"`
	// AllowDelete lets mirrors of the peer remove files below FilesInto.
	AllowDelete bool `json:"allow_delete,omitempty"`
}

// An InviteOrder asks for an invitation that admits one agent.
type InviteOrder struct {
	// Address is how the guest reaches this host, HOST:PORT; empty for the
	// configured one.
	Address string `json:"address"`
	PeerGrant
}

// An Invite is a one-time invitation. Line is secret until it is used.
type Invite struct {
	Line    string    `json:"line"`
	Expires time.Time `json:"expires"`
}

// A JoinOrder accepts an invitation.
type JoinOrder struct {
	Line string `json:"line"`
	PeerGrant
}

// Keys are the agent's own public keys.
type Keys struct {
	Name mft.AgentName `json:"name"`
	Keys []Key         `json:"keys"` // the current one first
}

// A Key is one public signing key.
type Key struct {
	Pin     string    `json:"pin"`
	Created time.Time `json:"created"`
	Current bool      `json:"current"`
	// Retires is when an old key stops being accepted; zero for the current.
	Retires time.Time `json:"retires"`
}
