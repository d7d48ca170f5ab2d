package selection

import (
	"context"
	"errors"
	"fmt"
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
	trees   = 50  // in a forest
	alone   = 150 // trees whose rules are arguments, and can have line ends
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

// TestClassesLikeRsync has names with every byte.
func TestClassesLikeRsync(t *testing.T) {
	program := rsync(t)
	source := t.TempDir()
	var tree []Entry
	for c := 1; c < 256; c++ {
		if c != '/' {
			tree = append(tree, Entry{Path: "x" + string([]byte{byte(c)}), Type: mft.ItemFile})
		}
	}
	plant(t, source, tree)
	for _, class := range []string{
		"[:alnum:]", "[:alpha:]", "[:blank:]", "[:cntrl:]", "[:digit:]", "[:graph:]", "[:lower:]", "[:print:]", "[:punct:]", "[:space:]", "[:upper:]", "[:xdigit:]",
		"!a-z", "!\x01-\xff", "\x7f-\xff", "+-9", "z-a", `\--\]`, "]-a",
	} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			rule := "- ?[" + class + "]"
			for path, where := range differences(listed(t, program, source, "--filter="+rule), moving(t, selectionOf(t, rule), tree)) {
				t.Errorf("%q: only %s", path, where)
			}
		})
	}
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
