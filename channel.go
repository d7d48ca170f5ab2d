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
	// Days are those on which what is due by a schedule is due, and the DueBy of Expect.
	Days Days
	// SkipMissed says that what is due by the clock while the agent does not run is not made
	// up for, and SkipOverlap that what is due during a run makes no other.
	SkipMissed, SkipOverlap bool
	// Markers are the files by which it and the programs around it tell each other
	// what they do.
	Markers []Marker
	Expect  Expectation
	Select  Selection
	// Mirror, if it is on, has each run send the whole of From to each endpoint, and
	// remove there what is not in From.
	Mirror Mirror
	// Guard is what has to hold of From when a run begins.
	Guard Guard
	// Overwrite says what happens to a file that is already at the
	// destination.
	Overwrite Overwrite
	// Compare says how a file is recognised that is there already.
	Compare Compare
	// Compress says when what moves travels compressed.
	Compress Compress
	// Preserve is what travels of files besides content, mode, times and owner.
	Preserve Preserve
	// Order, if it has a Batch, has files sent in an order.
	Order Order
	// After is what becomes of a file at From when every endpoint has it.
	After After
	// Bandwidth is how fast it may send.
	Bandwidth Bandwidth
	// RunAs is who reads the files at the source, where the agent has processes for
	// that.
	RunAs RunAs
}

// An Order has a channel send so many files at a time, and the next when every endpoint has
// given its receipt for those. Batch is how many; 0 has all sent at once.
type Order struct {
	By    OrderBy
	Batch int
}

// OrderBy is what files are ordered by.
type OrderBy string

// The orders.
const (
	OrderByName OrderBy = "name" // of their paths below the source, byte by byte
	OrderByTime OrderBy = "time" // of modification, the oldest first, then by name
)

// SourceAfter is what becomes of a file at the source once it was delivered.
type SourceAfter string

// What may become of it.
const (
	SourceKeep    SourceAfter = ""        // it stays
	SourceDelete  SourceAfter = "delete"  // it is removed
	SourceArchive SourceAfter = "archive" // it is moved to another directory of the host
)

// An After is what becomes of a file at the source of a channel when every endpoint has
// given its receipt.
type After struct {
	Source SourceAfter
	// Archive is the directory for SourceArchive, absolute and not below the source.
	Archive string
}

// Moves reports whether files leave the source.
func (a After) Moves() bool { return a.Source != SourceKeep }

// A Guard is what has to hold of the source of a channel before a run begins.
type Guard struct {
	// MountPoint says that a file system has to be mounted at the source, NotEmpty that
	// there has to be something in it.
	MountPoint, NotEmpty bool
	// Check is a command with its arguments that has to end with status 0 within
	// Timeout; empty for none.
	Check   []string
	Timeout time.Duration
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
//
// Rules take the place of both: they are an ordered list with the meaning that rsync
// gives its filter rules, see package trigger/selection.
type Selection struct {
	Include []string
	Exclude []string
	Rules   []string
	// MinSize and MaxSize are in bytes, MinAge and MaxAge from the time of modification
	// on; 0 is no limit. They are for files.
	MinSize, MaxSize int64
	MinAge, MaxAge   time.Duration
	// Symlinks is what becomes of symbolic links in a mirror.
	Symlinks Symlinks
	// Latest is how many of the files that are chosen move, those that were modified last;
	// 0 is all.
	Latest int
}

// Symlinks is what becomes of the symbolic links in a tree. The zero value is SymlinksCopy.
// Of one that does not travel a destination keeps what has its name.
type Symlinks string

// The policies for symbolic links.
const (
	SymlinksCopy   Symlinks = "copy"   // they travel as links, but for those that lead out of the tree
	SymlinksSkip   Symlinks = "skip"   // none travels
	SymlinksRefuse Symlinks = "refuse" // each is a failure
)

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
