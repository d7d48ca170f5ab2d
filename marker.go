package mft

// A MarkerKind says what a marker means.
type MarkerKind string

// The kinds of marker. Other programs make and remove the first two, the agent
// the others.
const (
	MarkerTrigger    MarkerKind = "trigger"    // the files are ready: the agent removes it, and the channel runs
	MarkerBlock      MarkerKind = "block"      // while it is there the channel does not transmit
	MarkerActivity   MarkerKind = "activity"   // is there while the channel runs
	MarkerCompletion MarkerKind = "completion" // its time is that of the last run that succeeded
	MarkerFailure    MarkerKind = "failure"    // is there from a run that failed to one that succeeded
	MarkerSilence    MarkerKind = "silence"    // is there while no content has moved for too long
	// MarkerActive is no marker of a channel: it is there on the active member of a server
	// group.
	MarkerActive MarkerKind = "active"
)

// An End is one side of a channel.
type End string

// The ends of a channel.
const (
	EndSource      End = "source"
	EndDestination End = "destination"
)

// A Marker is a file by which a channel and the programs around it tell each
// other what they do.
type Marker struct {
	Kind MarkerKind
	End  End
	// Path is absolute, on the host of that end.
	Path string
}
