// Package content makes what a benchmark moves: files that nothing compresses,
// text that compresses well, trees of small files, and the changes that people
// make to them. It also tells whether a copy is right.
//
// Everything follows from a seed, so two runs move the same bytes. Times of
// modification are whole seconds, because some programs keep no more, and no
// change leaves size and time as they were, because programs that compare
// those two would be right not to look further.
//
// The package refuses to measure anything, and does not tell directories by
// their times: programs differ in whether they keep those.
package content

import "time"

// Epoch is the time of modification of everything that was not changed.
func Epoch() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// At is the time of modification of what was changed in a round, from 1.
func At(round int) time.Time { return Epoch().Add(time.Duration(round) * time.Minute) }
