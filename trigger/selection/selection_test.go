package selection

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
)

// entryOf makes an entry of a path that ends in a slash if it is a directory's.
func entryOf(path string) Entry {
	if dir, ok := strings.CutSuffix(path, "/"); ok {
		return Entry{Path: dir, Type: mft.ItemDir}
	}
	return Entry{Path: path, Type: mft.ItemFile}
}

func selectionOf(t testing.TB, list ...string) *Selection {
	t.Helper()
	rules, err := Parse(list)
	if err != nil {
		t.Fatal(err)
	}
	return &Selection{Rules: rules}
}

// TestRules has a case for each sentence of rsync's FILTER RULES that holds here.
func TestRules(t *testing.T) {
	for _, tt := range []struct {
		name, rules, yes, no string // separated by |
	}{
		{"what no rule matches moves", "- a", "b|x/b|x/", "a"},
		{"the first that matches decides", "+ a|- a|- b|+ b", "a|x/a|c", "b|x/b"},
		{"an include limits an exclude after it", "+ a.csv|- *.csv", "a.csv|x/a.csv|b.txt", "b.csv|x/b.csv"},
		{"an excluded directory is not entered", "- x|+ x/a|+ **", "a|xx/a", "x/|x/a|x/y/a|z/x/a"},
		{"nor when what is below was included before", "+ x/a|- x/", "x|a", "x/|x/a"},
		{"directories on the way are asked for", "+ a/path/down/deep/wanted.txt|- *", "", "a/|a/path/down/deep/wanted.txt"},
		{"directories on the way that are included", "+ x/|+ x/y/|+ x/y/file.txt|- *", "x/|x/y/|x/y/file.txt", "x/file.txt|x/y/zzz.txt|x/z/|x/z/file.txt|file.txt"},
		{"no directory below is entered", "+ file.txt|- *", "file.txt", "y/|y/file.txt|z"},
		{"one file everywhere", "- zzz.txt", "x/file.txt|x/y/", "x/y/zzz.txt|zzz.txt"},
		{"all directories, one suffix, nothing else", "+ */|+ *.c|- *", "a.c|x/|x/y/|x/y/a.c", "a|x/a|a.c.o"},
		{"a directory has to be included too", "+ foo/|+ foo/bar.c|- *", "foo/|foo/bar.c", "foo|foo/a|bar.c"},
		{"the root always moves", "- *|- **|- /*", "/", "a"},

		{"without a slash: the last component", "- foo", "foo.c|a.foo", "foo|x/foo|x/y/foo|foo/|foo/a"},
		{"with a slash: the last two", "- foo/bar", "bar|foo|x/bar|xfoo/bar|foo/x/bar", "foo/bar|x/foo/bar|foo/bar/"},
		{"with a slash and a wildcard: as many", "- fo*/?ar", "bar|foo/barn", "foo/bar|x/fo/car"},
		{"two levels below", "- foo/*/bar", "foo/bar|foo/a/b/bar|bar", "foo/a/bar|x/foo/a/bar"},
		{"a slash at the end: directories", "- foo/", "foo|x/foo", "foo/|foo/a|x/foo/"},
		{"a slash at the end is no slash before", "- f*o/", "x/foo", "x/foo/|foo/|x/y/fo/"},
		{"a slash first: from the root", "- /foo", "x/foo|x/foo/|foo.c", "foo|foo/|foo/a"},
		{"a slash first, more after", "- /foo/b*", "x/foo/bar|foo/a|foo/x/bar", "foo/bar|foo/b/"},
		{"a slash first and **", "- /foo/**", "foo/|foo|x/foo/a", "foo/a|foo/a/b"},
		{"two or more levels below", "- /foo/**/bar", "foo/bar|x/foo/a/bar|bar", "foo/a/bar|foo/a/b/bar"},
		{"** matches the end of a path, from behind a slash", "- foo/**", "foo/|xfoo/a", "foo/a|x/foo/a|x/foo/a/b"},
		{"** as a part of a name", "- a**z", "z|ya/b|aa/b", "az|az/b|a/z|x/a/y/z|ab/cz"},
		{"**/ is any depth, none included", "- **/foo", "xfoo|foox", "foo|x/foo|x/y/foo"},
		{"/**/ is one at least", "- /**/foo", "foo|xfoo", "x/foo|x/y/foo"},
		{"** alone", "- **", "", "a|x/|x/a"},
		{"** first, then a name", "- **foo", "foox|foox/a", "foo|foo/x.c|xfoo|x/yfoo"},
		{"*** is the directory and what is below", "- foo/***", "foo|x/foo|xfoo/|xfoo/a", "foo/|foo/a|x/foo/|x/foo/a/b"},
		{"*** from the root", "+ /foo/***|- *", "foo/|foo/a|foo/a/b", "foo|x/foo/a|bar"},
		{"* is of one component", "- *a", "ab|x/ab", "a|ba|x/ba|xa/"},
		{"* between slashes", "- x/*/a", "x/a|x/y/z/a", "x/y/a|z/x/y/a"},
		{"* from the root is of one component too", "- /x*a", "x/a|x/|b/xa", "xa|xba"},
		{"several **", "- **a**a|- x**/b?**c*d", "a|ya|xb/cd|x/bc/d", "aa|ya/a|x/b1cd|x/y/b1/c1d"},
		{"a name that begins with a dot", "- *", "", ".a|x/.a"},
		{"? is one byte", "- a?c", "ac|abbc|a/c|aüc", "abc|a\xffc"},
		{"? is not a slash", "- /x?a", "x/a", "xya"},
		{"a class", "- a[0-9x]", "a|ab|a10", "a1|ax"},
		{"a class that is not", "- a[!0-9x]|- b[^a]", "a1|ax|ba|a/b", "ab|a\xff|bb"},
		{"a range that ends before it begins is its beginning", "- a[z-b]", "ab|ac|a-", "az"},
		{"a bracket in a class", "- a[]x]", "ab", "a]|ax"},
		{"a bracket in a class that is not", "- a[!]x]", "a]|ax", "ab"},
		{"a dash in a class", "- a[-x]|- b[x-]", "a0|by", "a-|ax|b-|bx"},
		{"a range up to a dash", "- [+--]", "a|.", "+|,|-"},
		{"a backslash in a class", `- [\]a]|- [\\]`, "b", `]|a|\`},
		{"a backslash in a range", `- [\a-\c]`, "d|-", "a|b|c"},
		{"no class has a slash", "- /x[+-9]a|- /x[!a]b", "x/a|x/b", "x.a|xbb"},
		{"a class of POSIX", "- a[[:digit:]_]|- b[![:alnum:]]", "aa|b1|bz", "a1|a_|b-"},
		{"what is almost one", "- a[[:x]|- b[[:]|- c[[:]]", "ab|b]|c]", "a[|a:|ax|b[|b:|c[]|c:]"},
		{"after a class of POSIX there is no range", "- a[[:digit:]-z]", "ay", "a5|a-|az"},
		{"a backslash escapes", `- a\*|- b\[c]*`, "ab|bc]", "a*|b[c]d"},
		{"a backslash without wildcards is one", `- a\b|- c\`, "ab|c", `a\b|c\|x/c\`},
		{"with wildcards it has to be doubled", `- a\\b*|- c\d*`, `c\de`, `a\bc|cde`},
		{"an escaped slash", `- f*\/a`, "a|f", "foo/a|x/f/a"},
		{"upper and lower case differ", "- A", "a", "A"},
		{"bytes that are no text", "- \xff*|- \n", "\xfe", "\xffa|\n|x/\n"},
		{"spaces are of the pattern", "-  a|- b |- c d", "a|b|c|d|cd", " a|b |c d"},
		{"an underscore instead of the space", "-_a|+__b|- _b|-__*", "a.c|_b|b", "a|_|_c"},
		{"words instead of signs", "include a|exclude_*", "a", "b"},
		{"signs in a pattern", "- - a|- +", "a|-", "- a|+"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := selectionOf(t, strings.Split(tt.rules, "|")...)
			check := func(paths string, want bool) {
				if paths == "" {
					return
				}
				for path := range strings.SplitSeq(paths, "|") {
					if d := s.Decide(entryOf(path), time.Time{}); d.Moves != want {
						t.Errorf("%q: %v", path, d)
					}
				}
			}
			check(tt.yes, true)
			check(tt.no, false)
		})
	}
}

func TestDecisions(t *testing.T) {
	rules, err := ParseText("# what goes to the ledger\n\n+ *.csv\r- tmp/\r\n; all else\n- /old\n")
	if err != nil || rules.Len() != 3 {
		t.Fatal(rules.Len(), err)
	}
	now := time.Unix(1_800_000_000, 0)
	old := func(age time.Duration) int64 { return now.Add(-age).UnixNano() }
	s := Selection{Rules: rules, Limits: Limits{MinSize: 10, MaxSize: 20, MinAge: time.Minute, MaxAge: time.Hour}}
	good := old(time.Minute)
	for _, tt := range []struct {
		name  string
		entry Entry
		want  string
	}{
		{"no rule", Entry{"a", mft.ItemFile, 10, good}, "moves: no rule matches"},
		{"included", Entry{"a.csv", mft.ItemFile, 20, old(time.Hour)}, `moves: rule 3, "+ *.csv"`},
		{"excluded", Entry{"x/tmp", mft.ItemDir, 0, 0}, `stays: rule 4, "- tmp/"`},
		{"excluded above", Entry{"x/tmp/y\n/a.csv", mft.ItemFile, 15, good}, `stays: rule 4, "- tmp/", so nothing below "x/tmp" moves`},
		{"excluded and small", Entry{"old", mft.ItemFile, 1, good}, `stays: rule 6, "- /old"`},
		{"aside", Entry{"x/.mft-0.part", mft.ItemDir, 0, 0}, "stays: a transfer puts it aside"},
		{"aside above", Entry{".mft-0.part/a.csv", mft.ItemFile, 15, good}, `stays: a transfer puts it aside, so nothing below ".mft-0.part" moves`},
		{"small", Entry{"a.csv", mft.ItemFile, 9, good}, "stays: it is smaller than the limit"},
		{"large", Entry{"a.csv", mft.ItemFile, 21, good}, "stays: it is larger than the limit"},
		{"young", Entry{"a.csv", mft.ItemFile, 10, good + 1}, "stays: it is younger than the limit"},
		{"old", Entry{"a.csv", mft.ItemFile, 10, old(time.Hour) - 1}, "stays: it is older than the limit"},
		{"from the future", Entry{"a.csv", mft.ItemFile, 10, math.MaxInt64}, "stays: it is younger than the limit"},
		{"from long ago", Entry{"a.csv", mft.ItemFile, 10, math.MinInt64}, "stays: it is older than the limit"},
		{"a directory has no limits", Entry{"x", mft.ItemDir, 4096, 0}, "moves: no rule matches"},
		{"nor a symbolic link", Entry{"a.csv", mft.ItemSymlink, 1, 0}, `moves: rule 3, "+ *.csv"`},
		{"the root", Entry{"", mft.ItemDir, 0, 0}, "moves: no rule matches"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := s.Decide(tt.entry, now)
			if d.String() != tt.want || d.Moves != strings.HasPrefix(tt.want, "moves") {
				t.Errorf("%v, want %s", d, tt.want)
			}
			if !d.Above && d.Path != tt.entry.Path || d.Above && !strings.HasPrefix(tt.entry.Path, d.Path+"/") {
				t.Errorf("%v of %q", d, d.Path)
			}
		})
	}
}

func TestNoLimits(t *testing.T) {
	var s Selection
	for _, at := range []int64{math.MinInt64, 0, math.MaxInt64} {
		if d := s.Decide(Entry{"a", mft.ItemFile, math.MaxInt64, at}, time.Time{}); !d.Moves {
			t.Errorf("modified at %d: %v", at, d)
		}
	}
	s.Limits = Limits{MaxAge: time.Hour}
	if d := s.Decide(Entry{"a", mft.ItemFile, 0, math.MaxInt64}, time.Unix(0, 0)); !d.Moves {
		t.Errorf("from the future, with a greatest age: %v", d)
	}
}

func TestMistakes(t *testing.T) {
	for rule, want := range map[string]string{
		"":                   "neither",
		"a":                  "neither",
		" - a":               "neither",
		"foo a":              "neither",
		"+":                  "the pattern is empty",
		"- ":                 "the pattern is empty",
		"- /":                "the pattern is empty",
		"- //":               "the pattern is empty",
		"-a":                 "one space",
		"+a b":               "one space",
		"-s a":               "no modifier",
		"-,s a":              "no modifier",
		"-! */":              "no modifier",
		"exclude,s a":        "no modifier",
		"!":                  "cleared",
		"clear":              "cleared",
		". file":             "no other file",
		"dir-merge .f":       "no other file",
		"P a":                "both ends",
		"hide a":             "both ends",
		"- a//b":             `component ""`,
		"- //a":              `component ""`,
		"- a//":              `component ""`,
		"- ./a":              `component "."`,
		"- a/./":             `component "."`,
		"- a/../b":           `component ".."`,
		"- a\x00":            "NUL",
		`- a*\`:              "a backslash is the end",
		`- a[\`:              "not closed",
		"- [":                "not closed",
		"- a[!":              "not closed",
		"- a[]":              "not closed",
		"- a[b":              "not closed",
		"- a[b-":             "not closed",
		"- a[a-\\":           "not closed",
		"- a[[:alpha:":       "not closed",
		"- a[[:alpha:]":      "not closed",
		"- a[[:letter:]]":    "no class [:letter:]",
		"- a[[::]]":          "no class [::]",
		"- a[b/]":            "no class matches a slash",
		"- a[b-/]":           "no class matches a slash",
		longest("- ", 1025):  "longer than 1024 bytes",
		longest("+ /", 1024): "longer than 1024 bytes",
		longest("+ /", 1023): "",
	} {
		_, err := Parse([]string{"+ ok", rule})
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", rule, err)
			}
			continue
		}
		if mft.CodeOf(err) != mft.CodeConfig || !strings.Contains(fmt.Sprint(err), want) || !strings.HasPrefix(fmt.Sprint(err), "read rule 2") {
			t.Errorf("%q: %v, want %q", rule, err, want)
		}
	}
	if _, err := ParseText("+ a\n\r\n# b\r- [\r"); !strings.HasPrefix(fmt.Sprint(err), `read line 4 "- [": `) {
		t.Errorf("ParseText: %v", err)
	}
}

func longest(before string, size int) string { return before + strings.Repeat("a", size) }

func TestTooMany(t *testing.T) {
	many := make([]string, maxRules)
	for i := range many {
		many[i] = "- a"
	}
	if r, err := Parse(many); err != nil || r.Len() != maxRules {
		t.Errorf("%d rules: %v", r.Len(), err)
	}
	large := "+ " + strings.Repeat("a", maxPattern)
	for name, parse := range map[string]func() (Rules, error){
		"rules in a list": func() (Rules, error) { return Parse(append(many, "- b")) },
		"rules in a text": func() (Rules, error) { return ParseText(strings.Repeat("- a\n", maxRules+1)) },
		"bytes in a list": func() (Rules, error) {
			return Parse(strings.Split(strings.Repeat(large+"\n", maxBytes/maxPattern)+"+ a", "\n"))
		},
		"bytes in a text": func() (Rules, error) { return ParseText("#" + strings.Repeat("a", maxBytes)) },
	} {
		if r, err := parse(); mft.CodeOf(err) != mft.CodeConfig || r.Len() != 0 {
			t.Errorf("%s: %d, %v", name, r.Len(), err)
		}
	}
}

func TestLimitsCheck(t *testing.T) {
	for _, tt := range []struct {
		limits Limits
		good   bool
	}{
		{Limits{}, true},
		{Limits{MinSize: 5, MaxSize: 5, MinAge: 3, MaxAge: 3}, true},
		{Limits{MinSize: 5, MinAge: 3}, true},
		{Limits{MinSize: 6, MaxSize: 5}, false},
		{Limits{MinAge: 6, MaxAge: 5}, false},
		{Limits{MinSize: -1}, false},
		{Limits{MaxSize: -1}, false},
		{Limits{MinAge: -1}, false},
		{Limits{MaxAge: -1}, false},
	} {
		if err := tt.limits.Check(); (err == nil) != tt.good || err != nil && mft.CodeOf(err) != mft.CodeConfig {
			t.Errorf("%+v: %v", tt.limits, err)
		}
	}
}
