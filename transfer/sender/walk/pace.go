package walk

import "mft.dev/mft/protocol/listing"

// A pace decides whether to ask the receiver about a directory before its
// content is announced. Where most listings differ, asking costs more than it
// saves.
type pace struct {
	differed int  // answers in a row that were not Same
	skip     int  // directories to announce without asking
	run      int  // how many it was the last time
	heardOf  bool // anything was answered
}

const (
	paceAfter = 8   // answers that differ before anything is announced unasked
	paceFirst = 8   // directories that are announced unasked then
	paceMost  = 256 // and at most, when asking again in between did not help
)

// asks reports whether to ask about the next directory.
func (p *pace) asks() bool {
	if p.skip == 0 {
		return true
	}
	p.skip--
	return false
}

// heard takes the receiver's answer into account.
func (p *pace) heard(a listing.Answer) {
	if a == listing.Same {
		*p = pace{heardOf: true}
		return
	}
	p.heardOf = true
	if a == listing.Differ { // asking costs no more than announcing what is the same
		*p = pace{heardOf: true, differed: 1}
		return
	}
	if p.differed++; p.differed < paceAfter || p.skip > 0 {
		return
	}
	p.run = min(max(2*p.run, paceFirst), paceMost)
	p.skip = p.run
}

// differs reports whether the next answer may well be that the receiver has
// something else.
func (p *pace) differs() bool { return !p.heardOf || p.differed > 0 }
