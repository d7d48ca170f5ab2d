package selection

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

// simply reports what the package comment says of a pattern, trying all that is
// possible.
func simply(text, path string, dir bool) bool {
	body, dirOnly := strings.CutSuffix(text, "/")
	body, anchored := strings.CutPrefix(body, "/")
	elements := literals(body)
	wild := strings.ContainsAny(body, "*?[")
	if wild {
		elements, _ = parse(body)
	}
	double := wild && strings.Contains(body, "**")
	if dirOnly && !dir {
		return false
	}
	texts := []string{path}
	if !anchored {
		for i := range len(path) {
			if path[i] == '/' {
				texts = append(texts, path[i+1:])
			}
		}
		switch {
		case double && strings.HasPrefix(body, "**"):
			texts = []string{"/" + path}
		case !double && !strings.Contains(body, "/"):
			texts = texts[len(texts)-1:]
		}
	}
	for _, s := range texts {
		if dir && wild && strings.HasSuffix(body, "***") {
			s += "/"
		}
		if whichever(elements, s) {
			return true
		}
	}
	return false
}

func whichever(elements []element, text string) bool {
	if len(elements) == 0 {
		return text == ""
	}
	e := &elements[0]
	if e.kind >= star && whichever(elements[1:], text) {
		return true
	}
	if text == "" || !e.matches(text[0]) {
		return false
	}
	if e.kind >= star {
		return whichever(elements, text[1:])
	}
	return whichever(elements[1:], text[1:])
}

// agree compares both ways to match.
func agree(t interface {
	Helper()
	Errorf(string, ...any)
}, text, path string, dir bool,
) {
	t.Helper()
	p, err := compile(text)
	if err != nil {
		return
	}
	got := p.matches(subjectOf(path, dir))
	if strings.Count(text, "*") > 6 || len(path) > 60 {
		return // would take too long
	}
	if want := simply(text, path, dir); got != want {
		t.Errorf("%q, %q, directory %v: %v, want %v", text, path, dir, got, want)
	}
}

// TestSimply is on few bytes, so that much matches.
func TestSimply(t *testing.T) {
	piece := rapid.SampledFrom([]string{"a", "b", "ab", "/", "/", "*", "*", "**", "?", "[ab]", "[!a]", `\`, "***"})
	rapid.Check(t, func(t *rapid.T) {
		pattern := strings.Join(rapid.SliceOfN(piece, 1, 8).Draw(t, "pattern"), "")
		for _, path := range rapid.SliceOfN(rapid.StringMatching(`[ab]{1,3}(/[ab]{1,3}){0,4}`), 20, 20).Draw(t, "paths") {
			agree(t, pattern, path, true)
			agree(t, pattern, path, false)
		}
	})
}

// TestHardPatterns is over soon: a matcher that tries one way after the other would
// take longer than the universe is old.
func TestHardPatterns(t *testing.T) {
	path := strings.Repeat("a", 4000)
	deep := strings.Repeat("a/", 2000) + "a"
	for _, pattern := range []string{
		strings.Repeat("a*", 500) + "b",
		strings.Repeat("*a", 500) + "b*?",
		strings.Repeat("**a", 340) + "b",
		strings.Repeat("**?", 340) + "b",
		strings.Repeat("a*/", 340) + "**b",
		"a/" + strings.Repeat("**?*", 255) + "b",
	} {
		p, err := compile(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{path, deep} {
			if p.matches(subjectOf(s, true)) {
				t.Errorf("%.20q matches %.20q", pattern, s)
			}
			if p.matches(subjectOf(s+"b/", true)) {
				t.Errorf("%.20q matches what ends in b/", pattern)
			}
		}
	}
	p, err := compile(strings.Repeat("a*", 511) + "**")
	if err != nil || !p.matches(subjectOf(path, false)) || !p.matches(subjectOf(deep+path, false)) {
		t.Errorf("a pattern of the greatest length does not match: %v", err)
	}
}

func FuzzMatch(f *testing.F) {
	for _, s := range [][2]string{
		{"foo/bar", "x/foo/bar"},
		{"/foo/**/bar", "foo/a/b/bar"},
		{"foo/***", "x/foo"},
		{"**/a?[!]b-d[:digit:]\\]]*", "x/a-9"},
		{"a**b*c", "x/a/y/bxc"},
		{`a\*\/?`, "a*/b"},
		{"[[:", "a"},
	} {
		f.Add(s[0], s[1], true)
		f.Add(s[0], s[1], false)
	}
	f.Fuzz(func(t *testing.T, pattern, path string, dir bool) { agree(t, pattern, path, dir) })
}

func FuzzParseText(f *testing.F) {
	for _, s := range []string{"+ */\n+ *.csv\r\n- *", "# a\r;b\n\n-_[[:alpha:]-]", "include a b\nexclude_**/x/***", "-s a", "!\n", `- a\` + "\n- [\\"} {
		f.Add(s, "x/a.csv")
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		r, err := ParseText(text)
		if err != nil {
			if mft.CodeOf(err) != mft.CodeConfig || r.Len() != 0 {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		list := make([]string, r.Len())
		for i := range list {
			list[i] = r.list[i].text
		}
		again, err := Parse(list)
		if err != nil || again.Len() != r.Len() {
			t.Fatalf("%q read again: %v", list, err)
		}
		for i := range list {
			a, b := r.first(path, i%2 == 0), again.first(path, i%2 == 0)
			if (a == nil) != (b == nil) || a != nil && (a.text != b.text || !strings.Contains(text, a.text)) {
				t.Errorf("%q of %q: %v, then %v", path, text, a, b)
			}
		}
	})
}
