package trigger

import (
	"cmp"
	"path"
	"slices"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/trigger/selection"
)

// Why is why a file moves, or does not.
type Why string

// Why a file does not move, whatever was sent before.
const (
	WhyAside       Why = "it belongs to a transfer that is not complete"
	WhyNotRegular  Why = "it is no regular file"
	WhySkipped     Why = "it is a symbolic link, and the channel skips those"
	WhyRefused     Why = "it is a symbolic link, and the channel refuses those"
	WhyLeadsOut    Why = "it is a symbolic link that leads out of the source"
	WhyMarker      Why = "it is a marker of the channel"
	WhyBadPattern  Why = "a pattern of the selection cannot be used"
	WhyNotIncluded Why = "no include pattern matches it"
	WhyExcluded    Why = "an exclude pattern matches it"
	WhyRule        Why = "a rule of the selection leaves it out"
	WhyTooSmall    Why = "it is smaller than the selection allows"
	WhyTooLarge    Why = "it is larger than the selection allows"
	WhyTooYoung    Why = "it is younger than the selection allows"
	WhyTooOld      Why = "it is older than the selection allows"
	WhyNotLatest   Why = "only the latest files move, and others are newer"
)

// Why a file moves or not, as far as that depends on what was sent before, and on
// whether it changes.
const (
	WhyNew      Why = "it was not sent before"
	WhyChanged  Why = "it has changed since it was sent"
	WhySent     Why = "it was sent as it is"
	WhyMirror   Why = "each run compares it with what the destination has"
	WhyUnstable Why = "it has to stay the same for a while first"
)

// Passing reports whether a file that does not move because of it may come to move though
// nothing about the file changes: time passes, or other files go.
func (w Why) Passing() bool {
	return w == WhyTooYoung || w == WhyTooOld || w == WhyNotLatest
}

// A Choice is whether a file moves, and why.
type Choice struct {
	Moves bool
	Why   Why
	// Pattern is the one of which Why speaks.
	Pattern string
}

// beyond returns why a file does not move because of its size or age, if it does not.
func beyond(r selection.Reason) Why {
	switch r {
	case selection.TooSmall:
		return WhyTooSmall
	case selection.TooLarge:
		return WhyTooLarge
	case selection.TooYoung:
		return WhyTooYoung
	case selection.TooOld:
		return WhyTooOld
	}
	return ""
}

// A Source is what the configuration says of the files that are there.
type Source struct {
	Select mft.Selection
	// Markers are the paths of markers below the source.
	Markers map[string]bool
	// Rules and limits are those of Select, see Chosen. Rules that cannot be used let
	// nothing through.
	Chosen selection.Selection
}

// Chosen returns the rules and limits of a selection. Errors are those of
// selection.Parse and of selection.Limits.Check.
func Chosen(s mft.Selection) (selection.Selection, error) {
	rules, err := selection.Parse(s.Rules)
	out := selection.Selection{Rules: rules, Limits: selection.Limits{MinSize: s.MinSize, MaxSize: s.MaxSize, MinAge: s.MinAge, MaxAge: s.MaxAge}, Symlinks: s.Symlinks}
	return out, cmp.Or(err, out.Limits.Check())
}

// MirrorRules returns the rules of a mirror: no marker of the channel moves or is
// removed, at either end, and then those of the selection hold.
func MirrorRules(ch mft.Channel) []string {
	var out []string
	for _, m := range ch.Markers {
		roots := []string{ch.From.Path}
		if m.End == mft.EndDestination {
			roots = nil
			for _, to := range ch.To {
				roots = append(roots, to.Path)
			}
		}
		for _, root := range roots {
			if rule := "- /" + literal(below(root, m.Path)); rule != "- /" && !slices.Contains(out, rule) {
				out = append(out, rule)
			}
		}
	}
	return append(out, ch.Select.Rules...)
}

// below returns the slash-separated path of p below a directory of some host, nothing if
// it is not.
func below(dir, p string) string {
	if len(dir) > 1 && dir[1] == ':' || strings.HasPrefix(dir, `\\`) {
		dir, p = strings.ReplaceAll(dir, `\`, "/"), strings.ReplaceAll(p, `\`, "/")
	}
	rel, ok := strings.CutPrefix(path.Clean(p), strings.TrimSuffix(path.Clean(dir), "/")+"/")
	if !ok {
		return ""
	}
	return rel
}

// literal returns the pattern that matches a name and nothing else.
func literal(name string) string {
	if !strings.ContainsAny(name, "*?[") {
		return name
	}
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
}

// Fits decides about a chosen file by its size and age, which a Choice that Moves allows.
func (s Source) Fits(p string, size, mtime int64, now time.Time) Choice {
	d := s.Chosen.Decide(selection.Entry{Path: p, Type: mft.ItemFile, Size: size, MTime: mtime}, now)
	if why := beyond(d.Reason); why != "" {
		return Choice{Why: why}
	}
	return Choice{Moves: true}
}

// Link decides about a chosen symbolic link of a mirror.
func (s Source) Link() Choice {
	switch s.Select.Symlinks {
	case mft.SymlinksSkip:
		return Choice{Why: WhySkipped}
	case mft.SymlinksRefuse:
		return Choice{Why: WhyRefused}
	}
	return Choice{Moves: true}
}

// Choose decides about the file at a slash-separated path below the source, as far as
// that does not depend on what was sent before. A Choice that Moves has no Why.
func (s Source) Choose(at string, regular bool) Choice {
	switch {
	case aside(at):
		return Choice{Why: WhyAside}
	case !regular || at == "":
		return Choice{Why: WhyNotRegular}
	case s.Markers[at]:
		return Choice{Why: WhyMarker}
	}
	if err := CheckPatterns(s.Select); err != nil {
		return Choice{Why: WhyBadPattern}
	}
	if _, ok := firstMatch(s.Select.Include, at); !ok && len(s.Select.Include) > 0 {
		return Choice{Why: WhyNotIncluded}
	}
	if p, ok := firstMatch(s.Select.Exclude, at); ok {
		return Choice{Why: WhyExcluded, Pattern: p}
	}
	byRules := selection.Selection{Rules: s.Chosen.Rules}
	if d := byRules.Decide(selection.Entry{Path: at, Type: mft.ItemFile}, time.Time{}); !d.Moves {
		return Choice{Why: WhyRule, Pattern: d.Rule}
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
