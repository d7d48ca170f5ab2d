package trigger

import "time"

// A Sighting is what a file looked like once. MTime and CTime are in
// nanoseconds since the Unix epoch.
type Sighting struct {
	Size, MTime, CTime int64
	Inode              uint64
}

// A Verdict is what Stability says of a file.
type Verdict struct {
	// Stable says that every sighting was the same for the quiet time.
	Stable bool
	// Again is when the file will be stable if it does not change, so when
	// to look again. Zero if it is stable.
	Again time.Time
}

// Stability tells files that are still being written from those that are
// not, by what they look like over time. It is not safe for concurrent use.
type Stability struct {
	quiet time.Duration
	limit int
	files map[string]quietFile
}

// A quietFile has looked the same since a moment.
type quietFile struct {
	seen  Sighting
	since time.Time
}

// NewStability returns a Stability for files that must look the same for
// quiet; a file is stable at first sight when that is not positive. It
// remembers at most limit files.
func NewStability(quiet time.Duration, limit int) *Stability {
	return &Stability{quiet: quiet, limit: limit, files: make(map[string]quietFile)}
}

// See takes what the file at path looks like at now and returns the verdict. A
// file stays stable until it changes or is forgotten.
//
// Calls should come in the order of now, with times that have a monotonic
// reading (as time.Now gives them): then a clock that is set can neither hurry
// nor delay a file. A now before the last change counts as a change.
//
// When it already remembers as many files as it may, a new one is not stable
// and not remembered; those that are make room once they are forgotten. None
// is ever pushed out, since in a scan of too many files each would push out
// another before it can become stable.
func (s *Stability) See(path string, seen Sighting, now time.Time) Verdict {
	if s.quiet <= 0 {
		return Verdict{Stable: true}
	}
	f, known := s.files[path]
	if !known && len(s.files) >= s.limit {
		return Verdict{Again: now.Add(s.quiet)}
	}
	if !known || f.seen != seen || now.Before(f.since) {
		f = quietFile{seen: seen, since: now}
		s.files[path] = f
	}
	if due := f.since.Add(s.quiet); now.Before(due) {
		return Verdict{Again: due}
	}
	return Verdict{Stable: true}
}

// Forget drops what is known of path: it was sent, or it is gone. Whoever
// calls See must call Forget for every path some time, or its place is never
// free.
func (s *Stability) Forget(path string) { delete(s.files, path) }

// Len returns how many files are remembered.
func (s *Stability) Len() int { return len(s.files) }
