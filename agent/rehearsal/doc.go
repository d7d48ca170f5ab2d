// Package rehearsal says what a run of a channel would do, without making it: an
// [Asker] goes through what would be sent and asks the other end about it, a
// [Keeper] answers what is there.
//
// A rehearsal needs the grant that the run needs, reads names, sizes and times, and
// writes nothing but the number of each message. It is no promise: both ends may
// change before the run, and what the attributes of a file are is not compared.
package rehearsal

import (
	"mft.dev/mft"
	"mft.dev/mft/agent/inquiry/question"
	"mft.dev/mft/protocol/rehearsal"
)

// A Conversation is one with a peer; *link.Conversation is one.
type Conversation = question.Conversation

// A Verdict is what would become of something: one that the other end gives, or
// Removed, Unseen or Unread.
type Verdict string

// The verdicts.
const (
	New     Verdict = "new"     // nothing is there
	Changed Verdict = "changed" // what is there would be replaced
	Same    Verdict = "same"    // it is there already, by size and time
	Unsure  Verdict = "unsure"  // contents would be compared
	Kept    Verdict = "kept"    // what is there would not be replaced
	Blocked Verdict = "blocked" // a directory stands in the place of a file, or a file in that of a directory
	Removed Verdict = "removed" // the mirror would remove it
	Unseen  Verdict = "unseen"  // a directory with too many names to say what would be removed
	Unread  Verdict = "unread"  // it cannot be read at the source
)

// Verdicts returns all of them in the order in which they are told.
func Verdicts() []Verdict {
	return []Verdict{New, Changed, Removed, Blocked, Unread, Unseen, Unsure, Kept, Same}
}

// said are the verdicts of the other end.
var said = [...]Verdict{
	rehearsal.New: New, rehearsal.Changed: Changed, rehearsal.Same: Same,
	rehearsal.Unsure: Unsure, rehearsal.Kept: Kept, rehearsal.Blocked: Blocked,
}

// A Finding is what would become of one file, link or directory. What is removed counts
// what is below it as well.
type Finding struct {
	Path string // below the source and the destination
	Dir  bool
	Verdict
	mft.Count
	// Err is why something is unread.
	Err error
}
