package selection

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A part is what of a path a pattern is compared with.
type part uint8

const (
	lastComponent part = iota
	tail               // the last components, one more than the pattern has slashes
	whole
)

// A pattern is compared with a text from its beginning to its end: prefix, wildcards
// and what is between them, suffix. One that may begin behind any slash is made one
// that begins with **/ .
type pattern struct {
	part    part
	slashes int  // with tail
	dirOnly bool // matches nothing but directories
	// before and after say that the text has a slash in front of it, and behind it
	// if it is a directory's, which wildcards match as they match others.
	before, after bool

	prefix, suffix string
	// found is what is between those of the wildcards, from the first, that are ** :
	// it only has to be there, in this order. wild is what comes then, from the last
	// of these to the last wildcard.
	found []string
	wild  []element
}

// compile reads a pattern and refuses one that can match nothing.
func compile(text string) (pattern, error) {
	p := pattern{dirOnly: len(text) > 1 && strings.HasSuffix(text, "/")}
	if p.dirOnly {
		text = text[:len(text)-1]
	}
	body, anchored := strings.CutPrefix(text, "/")
	if err := check(body, len(text)); err != nil {
		return p, err
	}
	var double bool
	elements := literals(body)
	if strings.ContainsAny(body, "*?[") {
		double = strings.Contains(body, "**")
		p.before, p.after = double && !anchored, strings.HasSuffix(body, "***")
		var err error
		if elements, err = parse(body); err != nil {
			return p, err
		}
		if double && !anchored && !strings.HasPrefix(body, "**") {
			elements = append([]element{{kind: stars}, {kind: literal, byte: '/'}}, elements...)
		}
	}
	p.slashes = strings.Count(body, "/")
	switch {
	case anchored || double:
		p.part = whole
	case p.slashes > 0:
		p.part = tail
	}
	p.arrange(elements)
	return p, nil
}

func check(body string, size int) error {
	switch {
	case body == "":
		return errors.New("the pattern is empty")
	case size > maxPattern:
		return fmt.Errorf("the pattern is longer than %d bytes", maxPattern)
	case strings.IndexByte(body, 0) >= 0:
		return errors.New("no path has a NUL")
	}
	for name := range strings.SplitSeq(body, "/") {
		if name == "" || name == "." || name == ".." {
			return fmt.Errorf("no path has a component %q", name)
		}
	}
	return nil
}

// arrange cuts off what comes before the first wildcard and after the last.
func (p *pattern) arrange(elements []element) {
	first, last := 0, len(elements)
	for first < last && elements[first].kind == literal {
		first++
	}
	for last > first && elements[last-1].kind == literal {
		last--
	}
	p.prefix, p.suffix, p.wild = spell(elements[:first]), spell(elements[last:]), elements[first:last]
	for len(p.wild) > 1 && p.wild[0].kind == stars {
		next := 1 + slices.IndexFunc(p.wild[1:], func(e element) bool { return e.kind != literal })
		if p.wild[next].kind != stars {
			break
		}
		p.found = append(p.found, spell(p.wild[1:next]))
		p.wild = p.wild[next:]
	}
}

// spell returns the bytes of literals.
func spell(elements []element) string {
	b := make([]byte, len(elements))
	for i, e := range elements {
		b[i] = e.byte
	}
	return string(b)
}

// A subject is a path to match.
type subject struct {
	slashed string // with a slash before and after
	dir     bool
}

func subjectOf(path string, dir bool) subject { return subject{"/" + path + "/", dir} }

// matches reports whether the pattern matches a path.
func (p *pattern) matches(s subject) bool {
	if p.dirOnly && !s.dir {
		return false
	}
	from, to := 1, len(s.slashed)-1
	switch p.part {
	case lastComponent:
		from = strings.LastIndexByte(s.slashed[:to], '/') + 1
	case tail:
		from = to
		for range p.slashes + 1 {
			if from = strings.LastIndexByte(s.slashed[:from], '/'); from < 0 {
				return false
			}
		}
		from++
	case whole:
		if p.before {
			from--
		}
		if p.after && s.dir {
			to++
		}
	}
	return p.fits(s.slashed[from:to])
}

// fits reports whether the pattern is the whole text.
func (p *pattern) fits(text string) bool {
	if len(text) < len(p.prefix)+len(p.suffix) || !strings.HasPrefix(text, p.prefix) || !strings.HasSuffix(text, p.suffix) {
		return false
	}
	text = text[len(p.prefix) : len(text)-len(p.suffix)]
	for _, piece := range p.found {
		at := strings.Index(text, piece)
		if at < 0 {
			return false
		}
		text = text[at+len(piece):]
	}
	switch {
	case len(p.wild) == 0:
		return text == ""
	case len(p.wild) > 1:
		return run(p.wild, text)
	}
	switch e := &p.wild[0]; e.kind {
	case star:
		return strings.IndexByte(text, '/') < 0
	case stars:
		return true
	default:
		return len(text) == 1 && e.matches(text[0])
	}
}
