package trigger

import (
	"errors"
	"path"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

func TestMatches(t *testing.T) {
	tests := []struct {
		name             string
		include, exclude string // patterns, separated by spaces
		yes, no          string // paths, separated by spaces
	}{
		{name: "nothing chosen is everything", yes: "a a/b/c.csv .hidden"},
		{name: "a plain name", include: "a.csv", yes: "a.csv x/a.csv x/y/a.csv", no: "a.csv/b ba.csv A.csv"},
		{name: "star", include: "*.csv", yes: "a.csv .csv x/y/b.csv", no: "a.csv.tmp a.txt x.csv/a"},
		{name: "star stays in a component", include: "x/*.csv", yes: "x/a.csv", no: "x/y/a.csv a.csv z/x/a.csv"},
		{name: "anchored", include: "/a.csv", yes: "a.csv", no: "x/a.csv"},
		{name: "anchored below", include: "/x/*", yes: "x/a", no: "x/y/a z/x/a"},
		{name: "doublestar first", include: "**/b.csv", yes: "b.csv x/b.csv x/y/b.csv", no: "x/ab.csv"},
		{name: "doublestar between", include: "x/**/b", yes: "x/b x/y/b x/y/z/b", no: "b y/x/b"},
		{name: "doublestar last", include: "x/**", yes: "x/a x/y/a", no: "a/x/a xx/a"},
		{name: "doublestar alone", include: "**", yes: "a x/a"},
		{name: "question mark", include: "a?c", yes: "abc x/a.c aöc a\xffc", no: "ac abbc a/c"},
		{name: "class", include: "a[0-9x]", yes: "a1 ax", no: "ab a a10"},
		{name: "class that is not", include: "a[^0-9]", yes: "ab a\xff", no: "a1 a/b"},
		{name: "alternatives", include: "*.{csv,tx?}", yes: "a.csv a.txt", no: "a.tx a.pdf"},
		{name: "alternatives with a slash", include: "{x/a,b}", yes: "x/a b", no: "y/b a"},
		{name: "escaped", include: `a\*`, yes: "a* x/a*", no: "ab"},
		{name: "two includes", include: "*.csv *.txt", yes: "a.csv a.txt", no: "a.pdf"},
		{name: "exclude", exclude: "*.tmp", yes: "a.csv", no: "a.tmp x/a.tmp"},
		{name: "exclude wins", include: "*.csv", exclude: "old-* secret/**", yes: "a.csv", no: "old-a.csv secret/a.csv secret/x/a.csv a"},
		{name: "case matters", include: "A*", yes: "Ab", no: "ab"},
		{name: "hidden files are files", include: "*", yes: ".profile x/.ssh"},
		{name: "characters of a pattern are not other bytes", include: "ü", yes: "ü", no: "\xc3 \xff"},
		{name: "what mft puts aside", include: "** .mft-x.part", no: ".mft-x.part .mft-.part x/.mft-0192.part x/.mft-0192.part/y"},
		{name: "what only looks like it", yes: ".mft-x mft-x.part x.part .mft.part .mft-x.parts a.mft-x.part"},
		{name: "a bad exclude lets nothing through", exclude: "[a", no: "a b"},
		{name: "a bad include lets nothing through", include: "* {a", no: "a b"},
		{name: "a bad one after one that matches", include: "a x//y", no: "a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sel := mft.Selection{Include: strings.Fields(test.include), Exclude: strings.Fields(test.exclude)}
			check := func(paths string, want bool) {
				for _, p := range strings.Fields(paths) {
					if got := Matches(sel, p); got != want {
						t.Errorf("Matches(%+v, %q) = %t, want %t", sel, p, got, want)
					}
				}
			}
			check(test.yes, true)
			check(test.no, false)
			if Matches(sel, "") {
				t.Errorf("Matches(%+v, \"\") = true", sel)
			}
		})
	}
}

func TestCheckPatterns(t *testing.T) {
	tests := []struct {
		name, pattern, says string
	}{
		{"plain", "a.csv", ""},
		{"anchored", "/a", ""},
		{"all of it", `**/x-[a-z0-9!]?/{csv,t\{x}*`, ""},
		{"a bracket that is text", `a\[`, ""},
		{"as many alternatives as there may be", strings.Repeat("{a,b,c,d,e,f,g,h,i,j}", 3), ""},
		{"escaped commas are none", "{a" + strings.Repeat(`\,`, 500) + "}", ""},
		{"empty", "", "empty"},
		{"the root", "/", "empty"},
		{"an open bracket", "a[b", "not closed"},
		{"an empty class", "a[]", "not closed"},
		{"an open brace", "{a,b", "not closed"},
		{"a brace that was not opened", "a}", "not closed"},
		{"a backslash at the end", `a\`, "not closed"},
		{"a directory", "a/", "end in a slash"},
		{"an empty component", "a//b", `component ""`},
		{"two slashes first", "//b", `component ""`},
		{"dot", "./a", `component "."`},
		{"dots", "a/../b", `component ".."`},
		{"NUL", "a\x00b", "NUL"},
		{"bytes", "a\xff", "not UTF-8"},
		{"the character that stands for bytes", "a\ufffd", "not UTF-8"},
		{"too long", strings.Repeat("a", maxPattern+1), "longer"},
		{"too many alternatives", "{a,b}" + strings.Repeat("{a,b,c,d,e,f,g,h,i,j}", 3), "alternatives"},
		{"nested alternatives", strings.Repeat("{a,", 12) + "b" + strings.Repeat("}", 12), "alternatives"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, sel := range []mft.Selection{
				{Include: []string{"ok", test.pattern}}, {Include: []string{"ok"}, Exclude: []string{"*", test.pattern}},
			} {
				err := CheckPatterns(sel)
				if test.says == "" {
					if err != nil {
						t.Errorf("CheckPatterns(%+v) = %v", sel, err)
					}
					continue
				}
				var coded *mft.Error
				if !errors.As(err, &coded) || coded.Code != mft.CodeConfig || coded.Subject != test.pattern ||
					!strings.Contains(err.Error(), test.says) {
					t.Errorf("CheckPatterns(%+v) = %v; want %q of code %s", sel, err, test.says, mft.CodeConfig)
				}
			}
		})
	}
}

// TestMatchesLikePathMatch compares patterns of one component with another
// matcher, that of the standard library.
func TestMatchesLikePathMatch(t *testing.T) {
	pattern := rapid.StringMatching(`([ab*?.ü]|\[\^?[ab](-[b-z])?\]|\\[*a]){1,6}`)
	name := rapid.StringMatching(`[abcü*.]{1,6}`)
	dir := rapid.SampledFrom([]string{"", "x/", "x/y/"})
	rapid.Check(t, func(rt *rapid.T) {
		p, n, d := pattern.Draw(rt, "pattern"), name.Draw(rt, "name"), dir.Draw(rt, "dir")
		if strings.Trim(p, ".") == "" || strings.Contains(p, "**") {
			rt.Skip("means something else")
		}
		want, err := path.Match(p, n)
		if err != nil {
			rt.Skip("not a pattern there")
		}
		if got := Matches(mft.Selection{Include: []string{p}}, d+n); got != want {
			rt.Fatalf("Matches(%q, %q) = %t, want %t", p, d+n, got, want)
		}
		if got := Matches(mft.Selection{Exclude: []string{p}}, d+n); got == want {
			rt.Fatalf("as an exclude: Matches(%q, %q) = %t", p, d+n, got)
		}
	})
}

func FuzzMatches(f *testing.F) {
	for _, seed := range [][3]string{
		{"*.csv", "", "a/b.csv"},
		{"a/**/b", "x", "a/c/d/b"},
		{"[^a-z]?", "[!a]", "\xff\xfe"},
		{`{a,b\,{c,d}}*`, `\*`, "b,c"},
		{"[a-", "{", "a"},
		{"[a-\\", "[\\]", "]"},
		{"**", "**/.mft-*.part/**", ".mft-1.part/x"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, include, exclude, path string) {
		sel := mft.Selection{Include: []string{include}, Exclude: []string{exclude}}
		got := Matches(sel, path)
		switch {
		case got && CheckPatterns(sel) != nil:
			t.Errorf("Matches(%+v, %q) with a bad pattern", sel, path)
		case got && !Matches(mft.Selection{Include: sel.Include}, path):
			t.Errorf("Matches(%+v, %q) only with an exclude", sel, path)
		case got && Matches(mft.Selection{Include: sel.Include, Exclude: []string{include}}, path):
			t.Errorf("Matches(%q, %q) although it excludes what it includes", include, path)
		}
	})
}

func BenchmarkMatches(b *testing.B) {
	sel := mft.Selection{Include: []string{"*.csv", "in/**/*.{txt,pdf}"}, Exclude: []string{"*.tmp", "old/**"}}
	for b.Loop() {
		Matches(sel, "in/2026/11/invoice-0001.pdf")
	}
}
