package mft

import (
	"fmt"
	"time"
)

// A Channel is a standing order: files under From that Select lets through
// move to every endpoint in To whenever a trigger fires.
type Channel struct {
	Name string
	From Endpoint
	To   []Endpoint
	When []Trigger
	// Markers are the files by which it and the programs around it tell each other
	// what they do.
	Markers []Marker
	Expect  Expectation
	Select  Selection
	// Overwrite says what happens to a file that is already at the
	// destination.
	Overwrite Overwrite
	// Compare says how a file is recognised that is there already.
	Compare Compare
	// Compress says when what moves travels compressed.
	Compress Compress
	// RunAs is who reads the files at the source, where the agent has processes for
	// that.
	RunAs RunAs
}

// An Expectation is what people count on of a channel.
type Expectation struct {
	// Silence is how long no content may move; 0 is for ever.
	Silence time.Duration
	// DueBy says by when content has to have moved, as a schedule in the zone Zone, empty
	// for that of the host; empty for never. Grace is how long after that content which
	// is late becomes content which is missing.
	DueBy, Zone string
	Grace       time.Duration
	// Size is what a run moves in bytes, and Count in files, if it moves anything.
	Size, Count Range
}

// A Range is the whole numbers from Min to Max, or without an upper end if Max is 0.
type Range struct{ Min, Max int64 }

// Holds reports whether n is one of them.
func (r Range) Holds(n int64) bool { return n >= r.Min && (r.Max == 0 || n <= r.Max) }

// String returns the range as people write it.
func (r Range) String() string {
	if r.Max == 0 {
		return fmt.Sprintf("at least %d", r.Min)
	}
	return fmt.Sprintf("%d to %d", r.Min, r.Max)
}

// A Selection chooses files by glob patterns on their slash-separated path
// below the channel's root. A pattern without a slash matches the last
// component at any depth; ** crosses directories. A file moves when it
// matches an include (or there is none) and no exclude.
type Selection struct {
	Include []string
	Exclude []string
}

// TriggerKind is what makes a channel fire.
type TriggerKind string

// The kinds of trigger.
const (
	TriggerArrival  TriggerKind = "arrival"  // a file appeared or changed and is stable
	TriggerSchedule TriggerKind = "schedule" // it is due by the clock
	TriggerMarker   TriggerKind = "marker"   // a trigger marker appeared
	TriggerPoll     TriggerKind = "poll"     // some time has passed
	TriggerManual   TriggerKind = "manual"   // an operator says so
)

// A Trigger is one reason for a channel to fire.
type Trigger struct {
	Kind TriggerKind
	// Stable is, for an arrival, how long size, times and identity of a file
	// must stay the same before it moves.
	Stable time.Duration
	// Rescan is, for an arrival, the longest time between two full scans of
	// the source; the scan is the truth, change notices only make it early. 0 is for
	// what suits the file system.
	Rescan time.Duration
	// Expression is that of a schedule, see package trigger/schedule, and Zone the
	// name of its time zone, empty for that of the host.
	Expression, Zone string
	// Every is, for a poll, the time between two runs.
	Every time.Duration
}
