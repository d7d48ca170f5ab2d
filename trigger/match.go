package trigger

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"

	"mft.dev/mft"
)

const (
	maxPattern      = 1024 // bytes
	maxAlternatives = 1000 // that the braces of one pattern stand for
)

// Matches reports whether sel lets a file through whose slash-separated path
// below the channel's root is path: it matches an include, or there is none,
// and no exclude.
//
// A pattern without a slash is compared with the last component of path, any
// other with the whole; a slash at the beginning only makes it one that has a
// slash. * stands for any characters but slashes, ? for one of them, ** as a
// whole component for any number of components, none included, [abc], [a-z]
// and [^abc] for one character of a class, {csv,txt} for one of these, and a
// backslash takes from what follows its meaning. A byte of path that is not
// UTF-8 counts as the character U+FFFD, which a pattern cannot spell. Upper
// and lower case differ.
//
// What a transfer of mft puts aside, .mft-*.part, and everything below, never
// matches. Nor does anything match while sel has a pattern that CheckPatterns
// refuses.
func Matches(sel mft.Selection, path string) bool {
	return Source{Select: sel}.Choose(path, true).Moves
}

// aside reports whether a component of path is a name that mft gives to what
// is not complete.
func aside(path string) bool {
	for name := range strings.SplitSeq(path, "/") {
		if strings.HasPrefix(name, ".mft-") && strings.HasSuffix(name, ".part") {
			return true
		}
	}
	return false
}

// firstMatch returns the first pattern that matches path, if one does.
func firstMatch(patterns []string, path string) (string, bool) {
	last := path[strings.LastIndexByte(path, '/')+1:]
	for _, p := range patterns {
		subject := last
		if strings.Contains(p, "/") {
			subject = path
		}
		if doublestar.MatchUnvalidated(strings.TrimPrefix(p, "/"), subject) {
			return p, true
		}
	}
	return "", false
}

// CheckPatterns returns an error for the first pattern of sel that cannot be
// used, with code CodeConfig and the pattern as its subject.
func CheckPatterns(sel mft.Selection) error {
	for _, list := range [][]string{sel.Include, sel.Exclude} {
		for _, p := range list {
			if err := checkPattern(p); err != nil {
				return mft.Fail(mft.CodeConfig, "read pattern", p, err)
			}
		}
	}
	return nil
}

// checkPattern refuses what has no meaning, and what has one that can match
// nothing and so must be a mistake.
func checkPattern(p string) error {
	switch {
	case p == "" || p == "/":
		return errors.New("the pattern is empty")
	case len(p) > maxPattern:
		return fmt.Errorf("the pattern is longer than %d bytes", maxPattern)
	case !utf8.ValidString(p) || strings.ContainsRune(p, utf8.RuneError):
		return errors.New("the pattern is not UTF-8: use ? for such a byte")
	case strings.Contains(p, "\x00"):
		return errors.New("no path has a NUL")
	case strings.HasSuffix(p, "/"):
		return errors.New("only directories end in a slash: write ** after it for what is below")
	case !doublestar.ValidatePattern(p):
		return errors.New("a bracket, brace or backslash is not closed")
	case alternatives(p) > maxAlternatives:
		return fmt.Errorf("the braces stand for more than %d alternatives", maxAlternatives)
	}
	for name := range strings.SplitSeq(strings.TrimPrefix(p, "/"), "/") {
		if name == "" || name == "." || name == ".." {
			return fmt.Errorf("no path has a component %q", name)
		}
	}
	return nil
}

// alternatives returns how many ways a matcher may have to try because of the
// braces of p: for each pair one more than its commas, all multiplied. It
// stops counting beyond the limit.
func alternatives(p string) int {
	ways := 1
	var commas []int // of the pairs that are open
	for i := 0; i < len(p) && ways <= maxAlternatives; i++ {
		switch c := p[i]; {
		case c == '\\':
			i++
		case c == '{':
			commas = append(commas, 1)
		case len(commas) == 0:
		case c == ',':
			commas[len(commas)-1]++
		case c == '}':
			ways *= commas[len(commas)-1]
			commas = commas[:len(commas)-1]
		}
	}
	return ways
}
