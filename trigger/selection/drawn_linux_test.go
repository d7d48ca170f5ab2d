package selection

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"

	"mft.dev/mft"
)

func names() []string {
	return []string{
		"a", "b", "c", "ab", "abc", "A", "a b", " ", " a", "a ", "-", "-a", "- a", "+ b", "[a]", "[", "]", "*", "**", "a*", "?", `\`, `a\b`, `a\`, `\*`,
		"ü", "a\xff", "\xff", "a\nb", "\n", "#", "#a", "!", "^", "_", "~", ".a", "...", "a.c", "b.o", "b.c", "{a,b}", ":", "a:b", "[:alpha:]", "\x01", "\x7f",
	}
}

// grow draws a tree.
func grow(r *rand.Rand) []Entry {
	all := names()
	dirs := []string{""}
	seen := map[string]bool{}
	var out []Entry
	for range 8 + r.IntN(20) {
		path := dirs[r.IntN(len(dirs))] + all[min(r.IntN(len(all)), r.IntN(len(all)))]
		if seen[path] {
			continue
		}
		seen[path] = true
		e := Entry{Path: path, Type: mft.ItemFile, Size: r.Int64N(30)}
		switch n := r.IntN(10); {
		case n < 4 && strings.Count(path, "/") < 4:
			e = Entry{Path: path, Type: mft.ItemDir}
			dirs = append(dirs, path+"/")
		case n == 9:
			e = Entry{Path: path, Type: mft.ItemSymlink}
		}
		out = append(out, e)
	}
	return out
}

// someRules draws rules that have to do with a tree. It leaves out what rsync takes
// for no rule at all, and classes with a slash, which can match something in rsync.
func someRules(r *rand.Rand, tree []Entry) []string {
	var list []string
	for range 1 + r.IntN(7) {
		list = append(list, []string{"- ", "- ", "- ", "+ ", "+ "}[r.IntN(5)]+somePattern(r, tree))
	}
	switch r.IntN(6) {
	case 0:
		list = append(list, "- *")
	case 1:
		list = append(list, "+ */", "- *")
	case 2:
		list = append(list, "- */")
	}
	return slices.DeleteFunc(list, func(rule string) bool {
		_, err := parseRule(rule)
		return err != nil && (len(rule) == 2 || strings.Contains(err.Error(), "class matches a slash"))
	})
}

func somePattern(r *rand.Rand, tree []Entry) string {
	if r.IntN(5) == 0 {
		var b strings.Builder
		for range 1 + r.IntN(8) {
			b.WriteString([]string{"a", "b", "c", "*", "**", "?", "[", "]", "!", "-", `\`, "/", ":", ".", "ü", "\n", "[:", ":]"}[r.IntN(18)])
		}
		return b.String()
	}
	parts := strings.Split(tree[r.IntN(len(tree))].Path, "/")
	if r.IntN(2) == 0 {
		parts = parts[r.IntN(len(parts)):]
	}
	if r.IntN(4) == 0 {
		parts = parts[:1+r.IntN(len(parts))]
	}
	for i := range parts {
		if r.IntN(2) == 0 {
			parts[i] = vary(r, parts[i])
		}
	}
	if r.IntN(6) == 0 {
		at := r.IntN(len(parts))
		parts[at] = "**"
	}
	pattern := strings.Join(parts, "/")
	if r.IntN(6) == 0 { // nothing but ** is a slash
		pattern = "/" + strings.Replace(pattern, "/", []string{"?", "*", "[!a]", "[+-9]", "[[:punct:]]", `\/`}[r.IntN(6)], 1)
	}
	if r.IntN(3) == 0 {
		pattern = "/" + pattern
	}
	if r.IntN(3) == 0 {
		pattern += []string{"/", "/***", "/**", "***", "/*", "/***/", "**", "//"}[r.IntN(8)]
	}
	return pattern
}

// vary makes of a name a pattern that may match it.
func vary(r *rand.Rand, name string) string {
	at := r.IntN(len(name))
	before, c, after := name[:at], name[at:at+1], name[at+1:]
	switch r.IntN(12) {
	case 0:
		return "*"
	case 1:
		return before + "?" + after
	case 2:
		return before + "*" + after
	case 3:
		return before + "*"
	case 4:
		return before + `\` + c + after
	case 5:
		return regexp.MustCompile(`[*?[\\]`).ReplaceAllString(before, `\$0`) + "?" + after
	case 6:
		return before + "**" + after
	case 7:
		return strings.ToUpper(name)
	}
	return before + someClass(r, c) + after
}

// someClass makes a class that may have a byte, or some that it may not look like.
func someClass(r *rand.Rand, c string) string {
	items := []string{
		c, c, "x", "a-c", c + "-", "-" + c, "-", "--a", "+-9", "b-a", "[", "[:", `\]`, `\b-d`, `\` + c, "a-c-z", "[:digit:]-z", "[:nope:]",
		"[:alpha:]", "[:punct:]", "[:cntrl:]", "[:space:]", "[:upper:]", "[:print:]", "[:graph:]", "[:blank:]", "[:xdigit:]",
	}
	class := []string{"[", "[", "[!", "[^", "[]", "[!]"}[r.IntN(6)]
	for range 1 + r.IntN(2) {
		class += items[r.IntN(len(items))]
	}
	return class + "]"
}
