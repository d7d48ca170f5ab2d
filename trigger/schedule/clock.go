package schedule

import (
	"time"

	"mft.dev/mft"
)

// ParseIn reads a schedule in a zone, that of the host if it has no name, for a channel and
// the days that it names.
func ParseIn(channel, expression, zone string, days mft.Days) (*Schedule, error) {
	in := time.Local
	if zone != "" {
		var err error
		if in, err = time.LoadLocation(zone); err != nil {
			return nil, mft.Fail(mft.CodeConfig, "conduct channel", channel, err)
		}
	}
	return Read(expression, in, days)
}

// A Poll is due at each multiple of a time.
type Poll time.Duration

// Next returns the first moment after another at which it is due.
func (p Poll) Next(after time.Time) (time.Time, bool) {
	return after.Truncate(time.Duration(p)).Add(time.Duration(p)), true
}
