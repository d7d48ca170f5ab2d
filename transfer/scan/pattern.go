package scan

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
)

// Limits of a pattern. Each group of alternatives multiplies the work for
// every name, and the pattern may come from a stranger.
const (
	maxPattern      = 4096
	maxGroups       = 4
	maxAlternatives = 32
)

// A pattern chooses paths below the directory where the walk begins.
type pattern struct {
	text string
	// parts are the components of text; nil when a group of alternatives
	// spans several, so that they cannot be looked at one by one.
	parts []string
}

// mayBePattern reports whether path should be read as a pattern after looking
// for something of that very name failed with err.
func mayBePattern(path string, err error) bool {
	if !strings.ContainsAny(path, `*?[{`) {
		return false
	}
	switch code := confine.CodeFor(err); code {
	case mft.CodeNotFound, mft.CodeNameTooLong, mft.CodeBadPath:
		return true
	}
	return false
}

// splitPattern divides a slash-separated pattern into the directory that is
// spelled out, "" when there is none, and the rest.
func splitPattern(path string) (base string, p *pattern, err error) {
	switch {
	case len(path) > maxPattern:
		return "", nil, errors.New("the pattern is too long")
	case strings.HasSuffix(path, "/"):
		return "", nil, errors.New("a pattern cannot end in a slash: give it the names")
	case strings.Count(path, "{") > maxGroups || strings.Count(path, ",") > maxAlternatives:
		return "", nil, errors.New("the pattern has too many alternatives")
	case !doublestar.ValidatePattern(path):
		return "", nil, errors.New("the pattern is not well formed")
	}
	base, text := doublestar.SplitPattern(path)
	if base == "." {
		base = ""
	}
	p = &pattern{text: text}
	if !groupSpans(text) {
		p.parts = strings.Split(text, "/")
	}
	if slices.ContainsFunc(p.parts, func(s string) bool { return s == "" || s == "." || s == ".." }) {
		return "", nil, errors.New("a pattern has no components that are empty, one dot or two dots")
	}
	return base, p, nil
}

// groupSpans reports whether a slash stands in a group of alternatives or a
// class of characters.
func groupSpans(text string) bool {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '{', '[':
			depth++
		case '}', ']':
			depth = max(depth-1, 0)
		case '/':
			if depth > 0 {
				return true
			}
		}
	}
	return false
}

// matches reports whether rel is meant.
func (p *pattern) matches(rel string) bool { return doublestar.MatchUnvalidated(p.text, rel) }

// reaches reports whether something below the directory rel may match.
func (p *pattern) reaches(rel string) bool {
	if p.parts == nil {
		return true
	}
	for _, part := range p.parts {
		if part == "**" || rel == "" {
			return true
		}
		var name string
		name, rel, _ = strings.Cut(rel, "/")
		if !doublestar.MatchUnvalidated(part, name) {
			return false
		}
	}
	return false
}

// matchesSomething fails with CodeNotFound when the walk finds nothing.
func (s *Source) matchesSomething() error {
	for e, err := range s.Items(context.Background()) {
		if err != nil && e.Item.Path == "" {
			return err
		}
		return nil
	}
	return refuse(mft.CodeNotFound, s.Path, "nothing matches the pattern")
}
