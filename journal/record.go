package journal

import (
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal/batch"
	"mft.dev/mft/journal/filter"
)

// File is what the journal of an agent is called, in its data directory.
const File = "journal.db"

// MaxBatch is how many entries one PREPARED batch may have.
const MaxBatch = batch.Max

// ForgetAtMost is how many transfers, and how many events that belong to no
// transfer, one Tx.Forget drops at most, so that it does not hold up other
// writers for long.
const ForgetAtMost = 1000

// ReplayWindow is how many sequences of each key Tx.Witness remembers one
// by one.
const ReplayWindow = 65536

// A Landing is where a receive puts its items.
type Landing struct {
	// Root is the absolute directory on this host that a grant allows.
	Root string
	// Dir is the directory below Root where the items go; relative.
	Dir string
	// Name is the final name of the only item of a transfer; empty means
	// the item's own path.
	Name string
	// AllowSetID keeps setuid, setgid and sticky bits.
	AllowSetID bool
	// AllowRootSetID is that of the grant, which is asked at each attempt; the journal does
	// not keep it.
	AllowRootSetID bool
	// Versions is as well.
	Versions mft.VersionBound
}

// An Entry is one item of a batch; see package batch.
type Entry = batch.Entry

// A Batch is a set of entries that share their flushes. N names it within
// this journal and is never used again.
type Batch struct {
	N       int64
	Entries []Entry
}

// A Partial is a file of which the first Offset bytes have been verified and
// flushed under the temporary name Temp, relative to Landing.Root.
type Partial struct {
	Key    [16]byte
	Temp   string
	Offset int64
}

// Sent is the file that a channel sent last from Path, as it looked then.
// MTime and CTime are in nanoseconds since the Unix epoch.
type Sent struct {
	Path               string
	Size, MTime, CTime int64
	Inode              uint64
	Transfer           mft.TransferID
	At                 time.Time
}

// A Filter chooses transfers; see filter.Transfers.
type Filter = filter.Transfers

// Stats describes the journal itself.
type Stats struct {
	// Version is that of the schema.
	Version int
	// Size is the length of the database file in bytes, Free the part of it
	// that awaits reuse. The file does not shrink.
	Size, Free int64
	// Transfers counts the rows of each state; states without rows are
	// absent.
	Transfers map[mft.State]int64
	// Events counts the events that are kept, Newest is the Seq of the last
	// event ever appended. Events up to Forgotten may be missing because
	// Forget dropped them; above it there are no gaps.
	Events, Newest, Forgotten int64
}
