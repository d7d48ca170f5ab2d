package selection

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
)

// Each seed is a forest: many trees with a list of rules each, listed by one rsync,
// which reads the rules of a tree from a file in it. An anchored rule of such a file
// is one of that directory, all others are compared with paths from the root.
const (
	forests = 20
	trees   = 50 // in a forest
	alone   = 60 // trees whose rules are arguments, and can have line ends
)

const rulesFile = ".rules"

// TestLikeRsync compares what moves with what rsync says that it would copy.
func TestLikeRsync(t *testing.T) {
	program := rsync(t)
	t.Run("forests", func(t *testing.T) {
		for seed := range uint64(forests) {
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
				t.Parallel()
				compareForest(t, program, rand.New(rand.NewPCG(seed, 1)))
			})
		}
	})
	t.Run("alone", func(t *testing.T) {
		t.Parallel()
		for seed := range uint64(alone) {
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
				compareAlone(t, program, rand.New(rand.NewPCG(seed, 2)))
			})
		}
	})
}

func rsync(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("rsync")
	if err == nil {
		return path
	}
	if os.Getenv("MFT_PEERS") == "required" {
		t.Fatalf("MFT_PEERS=required, but %v", err)
	}
	t.Skipf("%v", err)
	return ""
}

func compareForest(t *testing.T, program string, r *rand.Rand) {
	source := t.TempDir()
	var want []string
	said := map[string]string{}
	for i := range trees {
		name := fmt.Sprintf("t%03d", i)
		tree := append(grow(r), Entry{Path: rulesFile, Type: mft.ItemFile})
		list := slices.DeleteFunc(someRules(r, tree), func(rule string) bool { return strings.ContainsAny(rule, "\r\n") })
		plant(t, filepath.Join(source, name), tree)
		if err := os.WriteFile(filepath.Join(source, name, rulesFile), []byte(lines(r, list)), 0o600); err != nil {
			t.Fatal(err)
		}
		for j := range tree {
			tree[j].Path = name + "/" + tree[j].Path
		}
		said[name] = fmt.Sprintf("%q", list)
		for j, rule := range list {
			if kind, pattern, ok := strings.Cut(rule, " /"); ok && len(kind) == 1 {
				list[j] = kind + " /" + name + "/" + pattern
			}
		}
		list = append([]string{"+ /" + name}, list...) // as a tree's rules are not for its root
		rules, err := ParseText(lines(r, accepted(t, list)))
		if err != nil {
			t.Fatal(err)
		}
		s := Selection{Rules: rules}
		want = append(append(want, name+"/"), moving(t, &s, tree)...)
	}
	got := listed(t, program, source, "--filter=: "+rulesFile)
	for path, where := range differences(got, want) {
		name, _, _ := strings.Cut(path, "/")
		t.Errorf("%q: only %s; rules %s", path, where, said[name])
	}
}

func compareAlone(t *testing.T, program string, r *rand.Rand) {
	source, tree := t.TempDir(), grow(r)
	list := someRules(r, tree)
	var s Selection
	var args []string
	for _, rule := range list {
		args = append(args, "--filter="+rule)
	}
	if r.IntN(3) == 0 {
		s.Limits.MinSize = r.Int64N(20)
		args = append(args, fmt.Sprintf("--min-size=%db", s.Limits.MinSize))
	}
	if r.IntN(3) == 0 {
		s.Limits.MaxSize = s.Limits.MinSize + 1 + r.Int64N(15)
		args = append(args, fmt.Sprintf("--max-size=%db", s.Limits.MaxSize))
	}
	plant(t, source, tree)
	var err error
	if s.Rules, err = Parse(accepted(t, list)); err != nil {
		t.Fatal(err)
	}
	for path, where := range differences(listed(t, program, source, args...), moving(t, &s, tree)) {
		t.Errorf("%q: only %s; arguments %q", path, where, args)
	}
}

// lines writes rules as a text.
func lines(r *rand.Rand, list []string) string {
	var b strings.Builder
	for _, rule := range list {
		b.WriteString([]string{"", "", "\n", "# - *\n", ";\r", "\r\n"}[r.IntN(6)] + rule + []string{"\n", "\n", "\r", "\r\n"}[r.IntN(4)])
	}
	return b.String()
}

// accepted returns the rules without those that are refused. These must match nothing:
// rsync has them, the selection does not.
func accepted(t *testing.T, list []string) (good []string) {
	t.Helper()
	for _, rule := range list {
		if _, err := Parse([]string{rule}); err == nil {
			good = append(good, rule)
		} else if mft.CodeOf(err) != mft.CodeConfig {
			t.Errorf("%q: %v", rule, err)
		}
	}
	return good
}

// moving scans a tree, which has directories before what is in them.
func moving(t *testing.T, s *Selection, tree []Entry) []string {
	t.Helper()
	var out []string
	stays := map[string]bool{}
	for _, e := range tree {
		parent := filepath.Dir(e.Path)
		d := Decision{}
		if !stays[parent] {
			d = s.DecideEntered(e, time.Time{})
		}
		if stays[e.Path] = !d.Moves; d.Moves {
			out = append(out, shownAs(e))
		}
		if whole := s.Decide(e, time.Time{}); whole.Moves != d.Moves {
			t.Errorf("%q: Decide: %v, by steps %v", e.Path, whole, d)
		}
		if e.Type == mft.ItemDir && !stays[parent] && s.Descend(e.Path) != d.Moves {
			t.Errorf("%q: Descend: %v, %v", e.Path, !d.Moves, d)
		}
	}
	return out
}

func shownAs(e Entry) string {
	if e.Type == mft.ItemDir {
		return e.Path + "/"
	}
	return e.Path
}

func differences(rsync, ours []string) map[string]string {
	out := map[string]string{}
	for _, path := range rsync {
		out[path] = "with rsync"
	}
	for _, path := range ours {
		if _, both := out[path]; both {
			delete(out, path)
		} else {
			out[path] = "here"
		}
	}
	return out
}

// listed returns what rsync would copy.
func listed(t *testing.T, program, source string, args ...string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	args = append([]string{"-an", "--out-format=%n"}, args...)
	cmd := exec.CommandContext(ctx, program, append(args, source+"/", t.TempDir())...)
	cmd.Env = []string{"LC_ALL=C"}
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		t.Fatalf("%q: %v", args, err)
	}
	escaped := regexp.MustCompile(`\\#[0-7]{3}`)
	var paths []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "./" {
			continue
		}
		paths = append(paths, escaped.ReplaceAllStringFunc(line, func(s string) string {
			n, _ := strconv.ParseUint(s[2:], 8, 8)
			return string([]byte{byte(n)})
		}))
	}
	return paths
}

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

func plant(t *testing.T, root string, tree []Entry) {
	t.Helper()
	err := os.MkdirAll(root, 0o700)
	for _, e := range tree {
		path := root + "/" + e.Path
		switch e.Type {
		case mft.ItemDir:
			err = errors.Join(err, os.Mkdir(path, 0o700))
		case mft.ItemSymlink:
			err = errors.Join(err, os.Symlink("a", path))
		case mft.ItemFile:
			err = errors.Join(err, os.WriteFile(path, make([]byte, e.Size), 0o600))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
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
	switch r.IntN(9) {
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
	class := slices.Collect(maps.Values(map[int]string{0: "x", 1: c, 2: "a-c", 3: []string{
		"[:alpha:]", "[:punct:]", "[:cntrl:]", "[:space:]", "[:upper:]", "[:print:]", "[:graph:]", "[:nope:]", "[:", "b-a", "-", "[", `\]`, `\b-d`, "[:digit:]-z", "a-",
	}[r.IntN(16)]}))
	slices.Sort(class)
	r.Shuffle(len(class), func(i, j int) { class[i], class[j] = class[j], class[i] })
	return before + "[" + []string{"", "!", "^", "]", "!]"}[r.IntN(5)] + strings.Join(class[:1+r.IntN(len(class))], "") + "]" + after
}
