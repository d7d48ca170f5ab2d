package release

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxVersion is the longest version in bytes.
const maxVersion = 128

// A Version is MAJOR.MINOR.PATCH with what may follow, as semver.org 2.0.0 has
// it. The zero value is 0.0.0.
type Version struct {
	number [3]uint64
	pre    string // without the hyphen, "" for a release
	build  string // without the plus; has no rank
}

// ParseVersion reads a version; a v before it, as Go writes it, is let pass.
func ParseVersion(s string) (Version, error) {
	var v Version
	fail := func(why string) (Version, error) {
		return Version{}, fmt.Errorf("%q is no version such as 1.4.0 or 1.4.0-rc.1: %s", clip(s), why)
	}
	if len(s) > maxVersion {
		return fail("it is too long")
	}
	rest, build, built := strings.Cut(strings.TrimPrefix(s, "v"), "+")
	rest, pre, early := strings.Cut(rest, "-")
	if built && !words(build, false) || early && !words(pre, true) {
		return fail("what follows the numbers has letters, digits and hyphens between single dots")
	}
	v.pre, v.build = pre, build
	numbers := strings.Split(rest, ".")
	if len(numbers) != len(v.number) {
		return fail("it has three numbers")
	}
	for i, text := range numbers {
		n, err := number(text)
		if err != nil {
			return fail(err.Error())
		}
		v.number[i] = n
	}
	return v, nil
}

func number(s string) (uint64, error) {
	if strings.Trim(s, "0123456789") != "" || s == "" || len(s) > 1 && s[0] == '0' {
		return 0, errors.New("a number has digits only, and no zero before them")
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, errors.New("a number is too large")
	}
	return n, nil
}

// words reports whether s is a list of identifiers; a numeric one that has a
// rank has no zero before it.
func words(s string, ranked bool) bool {
	for word := range strings.SplitSeq(s, ".") {
		if word == "" || strings.ContainsFunc(word, func(r rune) bool {
			return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-'
		}) {
			return false
		}
		if ranked && numeric(word) && len(word) > 1 && word[0] == '0' {
			return false
		}
	}
	return true
}

func numeric(s string) bool { return strings.Trim(s, "0123456789") == "" }

// String returns v without a leading v.
func (v Version) String() string {
	s := fmt.Sprintf("%d.%d.%d", v.number[0], v.number[1], v.number[2])
	if v.pre != "" {
		s += "-" + v.pre
	}
	if v.build != "" {
		s += "+" + v.build
	}
	return s
}

// Compare returns -1 if v comes before w, 1 if after, 0 if they have the same
// rank: what follows a plus does not count.
func (v Version) Compare(w Version) int {
	for i := range v.number {
		if c := cmp.Compare(v.number[i], w.number[i]); c != 0 {
			return c
		}
	}
	switch {
	case v.pre == w.pre:
		return 0
	case v.pre == "":
		return 1
	case w.pre == "":
		return -1
	}
	a, b := strings.Split(v.pre, "."), strings.Split(w.pre, ".")
	for i := range min(len(a), len(b)) {
		if c := compareWords(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func compareWords(a, b string) int {
	switch an, bn := numeric(a), numeric(b); {
	case an && bn: // without zeros before them the longer one is larger
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	case an:
		return -1
	case bn:
		return 1
	}
	return strings.Compare(a, b)
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}
