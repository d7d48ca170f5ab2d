package walk

import "mft.dev/mft/transfer/look"

// mostLooks is how many bytes of looks are kept, about 20,000 entries.
const mostLooks = 2 << 20

// Looks are what was seen of directories that were asked about and may have to
// be announced.
type looks struct {
	kept  int       // bytes
	spare look.Look // the memory of the next one, which nobody has
}

// take returns an empty look to be filled, nil when there is no room for one.
func (l *looks) take() *look.Look {
	if l.kept >= mostLooks {
		return nil
	}
	l.spare.Reset()
	return &l.spare
}

// keep returns a copy of what take returned, which stays until it is dropped;
// nil if that is too much.
func (l *looks) keep(seen *look.Look) *look.Look {
	if !seen.Whole() {
		return nil
	}
	c := seen.Clone()
	if l.kept+c.Size() > mostLooks {
		return nil
	}
	l.kept += c.Size()
	return c
}

// drop lets go of what keep returned, which may be nil.
func (l *looks) drop(seen *look.Look) {
	if seen != nil {
		l.kept -= seen.Size()
	}
}
