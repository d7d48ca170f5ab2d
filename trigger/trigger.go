// Package trigger decides when a channel fires and for which files. It is
// made of pure decisions: what was seen and the time come in as values, a
// verdict goes out. It reads no directory and no clock, and it remembers only
// what [Stability] was told.
package trigger

import (
	"time"

	"mft.dev/mft"
)

// A Sighting is what a file looked like once. MTime and CTime are in
// nanoseconds since the Unix epoch.
type Sighting struct {
	Size, MTime, CTime int64
	Inode              uint64
}

// Matches reports whether sel lets a file through whose slash-separated path
// below the channel's root is path.
func Matches(sel mft.Selection, path string) bool { return false }

// CheckPatterns reports the first pattern of sel that cannot be used, with
// code CodeConfig.
func CheckPatterns(sel mft.Selection) error { return nil }

// A Verdict is what Stability says of a file.
type Verdict struct {
	// Stable says that the file has not changed for the channel's time.
	Stable bool
	// Again is when to look again at a file that is not stable.
	Again time.Time
}

// Stability tells files that are still being written from those that are
// not. It is not safe for concurrent use.
type Stability struct{}

// NewStability returns a Stability for files that must stay the same for
// quiet. It remembers at most limit files.
func NewStability(quiet time.Duration, limit int) *Stability { return &Stability{} }

// See tells what path looks like at now and returns the verdict.
func (s *Stability) See(path string, seen Sighting, now time.Time) Verdict { return Verdict{} }

// Forget drops what is known of path: it was sent, or it is gone.
func (s *Stability) Forget(path string) {}
