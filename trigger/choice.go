package trigger

import "mft.dev/mft"

// Why is why a file moves, or does not.
type Why string

// Why a file does not move, whatever was sent before.
const (
	WhyAside       Why = "it belongs to a transfer that is not complete"
	WhyNotRegular  Why = "it is no regular file"
	WhyMarker      Why = "it is a marker of the channel"
	WhyBadPattern  Why = "a pattern of the selection cannot be used"
	WhyNotIncluded Why = "no include pattern matches it"
	WhyExcluded    Why = "an exclude pattern matches it"
)

// Why a file moves or not, as far as that depends on what was sent before, and on
// whether it changes.
const (
	WhyNew      Why = "it was not sent before"
	WhyChanged  Why = "it has changed since it was sent"
	WhySent     Why = "it was sent as it is"
	WhyUnstable Why = "it has to stay the same for a while first"
)

// A Choice is whether a file moves, and why.
type Choice struct {
	Moves bool
	Why   Why
	// Pattern is the one of which Why speaks.
	Pattern string
}

// A Source is what the configuration says of the files that are there.
type Source struct {
	Select mft.Selection
	// Markers are the paths of markers below the source.
	Markers map[string]bool
}

// Choose decides about the file at a slash-separated path below the source, as far as
// that does not depend on what was sent before. A Choice that Moves has no Why.
func (s Source) Choose(path string, regular bool) Choice {
	switch {
	case aside(path):
		return Choice{Why: WhyAside}
	case !regular || path == "":
		return Choice{Why: WhyNotRegular}
	case s.Markers[path]:
		return Choice{Why: WhyMarker}
	}
	if err := CheckPatterns(s.Select); err != nil {
		return Choice{Why: WhyBadPattern}
	}
	if _, ok := firstMatch(s.Select.Include, path); !ok && len(s.Select.Include) > 0 {
		return Choice{Why: WhyNotIncluded}
	}
	if p, ok := firstMatch(s.Select.Exclude, path); ok {
		return Choice{Why: WhyExcluded, Pattern: p}
	}
	return Choice{Moves: true}
}

// Since decides about a chosen file that looks like seen, when last is what was sent of
// its path, nil for nothing.
func Since(seen Sighting, last *Sighting) Choice {
	switch {
	case last == nil:
		return Choice{Moves: true, Why: WhyNew}
	case *last == seen:
		return Choice{Why: WhySent}
	}
	return Choice{Moves: true, Why: WhyChanged}
}
