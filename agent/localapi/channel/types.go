// Package channel is what the local socket says of channels, and the orders about them:
// the routes of the agent, and what commands call.
//
//	c := channel.Client{Client: client.Client}
//	shown, err := c.Show(ctx, "finance-nightly")
//
// It decides nothing, see package agent/conduct.
package channel

import (
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/conduct/orders"
	"mft.dev/mft/agent/localapi/opaque"
	"mft.dev/mft/agent/localapi/route"
	"mft.dev/mft/journal/runs"
	"mft.dev/mft/trigger/firing"
)

// A Channel is one of those that begin at this host, as it stands this moment.
type Channel struct {
	Name     string     `json:"name"`
	From     Endpoint   `json:"from"`
	To       []Endpoint `json:"to"`
	Triggers []Trigger  `json:"triggers"`
	Include  []string   `json:"include,omitempty"`
	Exclude  []string   `json:"exclude,omitempty"`
	Rules    []string   `json:"rules,omitempty"`
	Latest   int        `json:"latest,omitempty"`
	// Order is what files are ordered by, if Batch of them are sent at a time.
	Order  mft.OrderBy `json:"order,omitempty"`
	Batch  int         `json:"batch,omitempty"`
	Mirror bool        `json:"mirror,omitempty"`
	// Limited says that the channel has a bandwidth, at least at times. Limit is that of
	// now in bytes a second, 0 for none, until LimitUntil, zero for ever.
	Limited    bool      `json:"limited,omitempty"`
	Limit      int64     `json:"limit,omitempty"`
	LimitUntil time.Time `json:"limit_until,omitzero"`
	// After is what becomes of a file at the source when every destination has it,
	// "delete" or "archive", and Archive where to; empty is that it stays.
	After     mft.SourceAfter `json:"after,omitempty"`
	Archive   string          `json:"archive,omitempty"`
	Overwrite mft.Overwrite   `json:"overwrite"`
	Compare   mft.Compare     `json:"compare"`
	Compress  mft.Compress    `json:"compress"`
	Preserve  mft.Preserve    `json:"preserve,omitempty"`
	Markers   []Marker        `json:"markers"`

	// Phase is "idle", "starting", "running" or "ending".
	Phase string `json:"phase"`
	// Waits is what for, since Since, as far as this life of the agent knows, and
	// until Until if time alone ends it.
	Waits    string         `json:"waits,omitempty"`
	Since    time.Time      `json:"since,omitzero"`
	Until    time.Time      `json:"until,omitzero"`
	Paused   *Order         `json:"paused,omitempty"`
	Disabled *Order         `json:"disabled,omitempty"`
	Held     bool           `json:"held,omitempty"` // what the run under way sends does not move
	Owed     []firing.Cause `json:"owed,omitempty"` // why one more run is owed
	Problem  *route.Problem `json:"problem,omitempty"`

	// Run is the one under way, and Last the last that ended.
	Run      *Run      `json:"run,omitempty"`
	Last     *Run      `json:"last,omitempty"`
	Failures int64     `json:"failures"` // runs that failed since the last that did not
	Retry    time.Time `json:"retry,omitzero"`
	// Silence is how long no content may move, and Data when it last did.
	Silence Duration  `json:"silence,omitzero"`
	Data    time.Time `json:"data,omitzero"`
	Silent  bool      `json:"silent,omitempty"`

	// Expects are all that people count on, and Groups the server groups that the
	// channel leads to or begins at.
	Expects []Expected `json:"expects,omitempty"`
	Groups  []Group    `json:"groups,omitempty"`

	Settling int            `json:"settling,omitempty"` // files seen that are not stable yet
	LastScan time.Time      `json:"last_scan,omitzero"`
	Underway []Moving       `json:"transfers"` // those that have not ended, at most 100
	Source   *route.Problem `json:"source_problem,omitempty"`
}

// A Duration is written as time.Duration.String does.
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// An Endpoint is a directory on an agent's host.
type Endpoint struct {
	Agent mft.AgentName `json:"agent"`
	Group mft.AgentName `json:"group,omitempty"`
	Path  string        `json:"path"`
}

// A Trigger is why a channel fires, and when it is due next, if that is known.
type Trigger struct {
	Kind mft.TriggerKind `json:"kind"`
	Text string          `json:"text,omitempty"` // the schedule, the time between two polls, how long a file is stable
	Due  time.Time       `json:"due,omitzero"`
	// Today is why a schedule does not fire today that would on another day: "a holiday of
	// uk", "not a working day" or "a working day".
	Today string `json:"today,omitempty"`
}

// A Marker is one of a channel, and whether it is there now; nil when nobody knows.
type Marker struct {
	Kind    mft.MarkerKind `json:"kind"`
	End     mft.End        `json:"end"`
	Path    string         `json:"path"`
	There   *bool          `json:"there,omitempty"`
	Problem *route.Problem `json:"problem,omitempty"`
}

// An Order is who gave it, and when.
type Order struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// A Run is one of a channel. Without an Outcome it is under way.
type Run struct {
	ID      string        `json:"id"`
	Channel string        `json:"channel"`
	Causes  []string      `json:"causes"`
	Began   time.Time     `json:"began"`
	Ended   time.Time     `json:"ended,omitzero"`
	Outcome string        `json:"outcome,omitempty"` // "success", "no action" or "failure"
	Files   int64         `json:"files"`
	Bytes   int64         `json:"bytes"`
	Code    mft.Code      `json:"code,omitempty"`
	Detail  opaque.String `json:"detail,omitempty"`
}

// A Moving transfer has not ended.
type Moving struct {
	ID     mft.TransferID `json:"id"`
	Peer   mft.AgentName  `json:"peer"`
	State  mft.State      `json:"state"`
	Reason *route.Problem `json:"reason,omitempty"`
	Files  int64          `json:"files"`
	Moved  int64          `json:"moved_bytes"`
	Bytes  int64          `json:"bytes"`
}

// Asked is what became of an order to run.
type Asked struct {
	// Order is its number among all of the channel.
	Order int64 `json:"order"`
	// Run is the one that carries it out, nil before it begins.
	Run *Run `json:"run,omitempty"`
	// Waits is what for, until there is a run and while that is held.
	Waits string `json:"waits,omitempty"`
}

func runOf(r runs.Run) Run {
	return Run{
		ID: r.ID, Channel: r.Channel, Causes: append([]string{}, r.Causes...), Began: r.Began, Ended: r.Ended, Outcome: r.Outcome,
		Files: r.Moved.Items, Bytes: r.Moved.Bytes, Code: r.Code, Detail: opaque.String(r.Detail),
	}
}

func orderOf(o *orders.Order) *Order {
	if o == nil {
		return nil
	}
	return &Order{o.By, o.At}
}
