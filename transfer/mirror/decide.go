package mirror

import (
	"fmt"

	"mft.dev/mft"
)

// Decide returns why a plan may not be carried out, nil if it may. It is pure.
// The error has code mft.CodeEmptySource when the source has nothing in it,
// and mft.CodeDeleteLimit when more would go than the limits allow.
func Decide(p *Plan, limits mft.Mirror, empty bool) error {
	if p.Entries == 0 {
		return nil
	}
	refuse := func(code mft.Code, format string, args ...any) error {
		return mft.Fail(code, "mirror", "", fmt.Errorf(format, args...))
	}
	overFiles := limits.MaxFiles >= 0 && p.Files > limits.MaxFiles
	overShare := limits.MaxPercent >= 0 && exceeds(p.Entries, p.Total, limits.MaxPercent)
	switch {
	case empty:
		return refuse(mft.CodeEmptySource, "the source is empty, and %d entries are at the destination; nothing was removed", p.Total)
	case overFiles:
		return refuse(mft.CodeDeleteLimit, "%d files would be removed (%d of %d entries), the limit is %d; nothing was removed",
			p.Files, p.Entries, p.Total, limits.MaxFiles)
	case overShare:
		return refuse(mft.CodeDeleteLimit, "%d of %d entries would be removed, the limit is %d%%; nothing was removed",
			p.Entries, p.Total, limits.MaxPercent)
	}
	return nil
}

// exceeds reports whether part is more than percent of all.
func exceeds(part, all int64, percent int) bool {
	return float64(part)*100 > float64(all)*float64(percent)
}
