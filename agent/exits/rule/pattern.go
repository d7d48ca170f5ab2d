package rule

import (
	"fmt"
	"regexp"
	"strings"
)

// maxPattern bounds a regular expression in bytes.
const maxPattern = 1000

// suffix is a glob that can only mean "ends in", written where a regular
// expression belongs, as in the original's own example: *.txt, *\.txt$ or
// *\\.txt$.
var suffix = regexp.MustCompile(`^\*(?:\\{0,2}(\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*))?\$?$`)

// pattern compiles what has to be found in a path. The note is not empty when
// text is no regular expression but can only mean one thing.
func pattern(text string) (re *regexp.Regexp, note string, err error) {
	if len(text) > maxPattern {
		return nil, "", fmt.Errorf("match: the expression is longer than %d bytes", maxPattern)
	}
	meant := text
	if m := suffix.FindStringSubmatch(text); m != nil {
		meant = ""
		if m[1] != "" {
			meant = regexp.QuoteMeta(m[1]) + "$"
		}
		note = fmt.Sprintf("match: %q is no regular expression; it is taken for %q", text, meant)
	}
	if _, err := regexp.Compile(meant); err != nil {
		hint := ""
		if strings.HasPrefix(text, "*") {
			hint = `; * repeats what stands before it, and nothing does: .* is any text, \.txt$ the end of a name`
		}
		return nil, "", fmt.Errorf("match: %q is no regular expression: %w%s", text, err, hint)
	}
	// A newline is a character like any other in a name.
	re, err = regexp.Compile("(?s)" + meant)
	return re, note, err
}
