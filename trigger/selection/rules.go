package selection

import (
	"errors"
	"fmt"
	"strings"

	"mft.dev/mft"
)

const (
	maxRules   = 1000
	maxPattern = 1024     // bytes
	maxShown   = 200      // of a rule, in an error
	maxBytes   = 64 << 10 // of all rules together, with comments and line ends
)

// Rules are an ordered list, which does not change. The zero value has none.
type Rules struct{ list []rule }

type rule struct {
	number  int
	text    string
	include bool
	pattern pattern
}

// Parse reads a list of rules, such as stands in a configuration. A pattern may have
// any byte but NUL, line ends and spaces at either end included. CodeConfig names the
// rule that is wrong, or says that there are too many: 1,000 with 64 KiB.
func Parse(list []string) (Rules, error) {
	var r Rules
	size := 0
	for i, text := range list {
		if size += len(text); size > maxBytes {
			return Rules{}, tooLong()
		}
		if err := r.add("read rule", i+1, text); err != nil {
			return Rules{}, err
		}
	}
	return r, nil
}

// ParseText reads rules that are lines of a text. Lines end in LF, CR or both. Empty
// ones, and those that begin with # or ;, do not count. Errors are those of Parse.
func ParseText(text string) (Rules, error) {
	if len(text) > maxBytes {
		return Rules{}, tooLong()
	}
	var r Rules
	number := 0
	for line := range strings.SplitSeq(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n") {
		number++
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if err := r.add("read line", number, line); err != nil {
			return Rules{}, err
		}
	}
	return r, nil
}

func tooLong() error {
	return mft.Fail(mft.CodeConfig, "read rules", "", fmt.Errorf("they are longer than %d bytes", maxBytes))
}

// Len returns the number of rules.
func (r Rules) Len() int { return len(r.list) }

// add appends a rule, which is the one with a number for whoever wrote it.
func (r *Rules) add(op string, number int, text string) error {
	if len(r.list) == maxRules {
		return mft.Fail(mft.CodeConfig, "read rules", "", fmt.Errorf("there are more than %d", maxRules))
	}
	read, err := parseRule(text)
	if err != nil {
		return mft.Fail(mft.CodeConfig, fmt.Sprintf("%s %d", op, number), text[:min(len(text), maxShown)], err)
	}
	read.number = number
	r.list = append(r.list, read)
	return nil
}

func parseRule(text string) (rule, error) {
	kind, rest := text, ""
	if at := strings.IndexAny(text, " _"); at >= 0 {
		kind, rest = text[:at], text[at+1:]
	}
	switch kind {
	case "+", "include", "-", "exclude":
	case "!", "clear":
		return rule{}, errors.New("a list cannot be cleared: leave out what comes before")
	case ".", "merge", ":", "dir-merge":
		return rule{}, errors.New("no other file is read")
	case "H", "hide", "S", "show", "P", "protect", "R", "risk":
		return rule{}, errors.New("a rule is for both ends: write + or -")
	default:
		switch {
		case kind != "" && strings.IndexByte("+-", kind[0]) >= 0, strings.HasPrefix(kind, "include,"), strings.HasPrefix(kind, "exclude,"):
			return rule{}, errors.New("between + or - and the pattern is one space, and no modifier")
		}
		return rule{}, errors.New(`it is neither "+ pattern" nor "- pattern"`)
	}
	p, err := compile(rest)
	return rule{text: text, include: kind[0] == '+' || kind[0] == 'i', pattern: p}, err
}

// first returns the first rule that matches, or nil.
func (r Rules) first(path string, dir bool) *rule {
	if len(r.list) == 0 {
		return nil
	}
	s := subjectOf(path, dir)
	for i := range r.list {
		if r.list[i].pattern.matches(s) {
			return &r.list[i]
		}
	}
	return nil
}
