package scan

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bmatcuk/doublestar/v4"
	"pgregory.net/rapid"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
)

// ancestors returns the directories above a path.
func ancestors(rel string) []string {
	var out []string
	for dir := path.Dir(rel); dir != "."; dir = path.Dir(dir) {
		out = append(out, dir)
	}
	return out
}

func TestPatternReaches(t *testing.T) {
	for _, tt := range []struct {
		pattern, dir string
		want         bool
	}{
		{"*.csv", "a", false},
		{"a/*.csv", "a", true},
		{"a/*.csv", "b", false},
		{"a/*.csv", "a/b", false},
		{"*/*/x", "a/b", true},
		{"**/x", "a/b/c", true},
		{"a/**/x", "b", false},
		{"a/**/x", "a/b/c", true},
		{"{a,b}/x", "a", true},
		{"{a,b}/x", "c", false},
		{"{a/b,c}", "x", true}, // not worth knowing
	} {
		_, p, err := splitPattern(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if p.text != tt.pattern {
			continue // the first component was spelled out
		}
		if got := p.reaches(tt.dir); got != tt.want {
			t.Errorf("%q reaches %q: %t, want %t", tt.pattern, tt.dir, got, tt.want)
		}
	}
}

func FuzzPattern(f *testing.F) {
	for _, seed := range []string{"*", "a/*.csv", "**/x", "{a,b}/c", "{a/b,c}/*", "[a-c]/?", `a\*/b*`, "a/[/]b", "{*,a}/**/b", "[", "{", "x/../*"} {
		f.Add(seed, "a/b/c")
		f.Add(seed, "a/x.csv")
	}
	f.Fuzz(func(t *testing.T, text, rel string) {
		_, p, err := splitPattern(text)
		if err != nil || !fs.ValidPath(rel) || rel == "." {
			return
		}
		if !p.matches(rel) {
			return
		}
		for _, dir := range ancestors(rel) {
			if !p.reaches(dir) {
				t.Fatalf("%q matches %q, but the walk would not enter %q", p.text, rel, dir)
			}
		}
	})
}

// The stream finds what doublestar finds by itself, and all that is below.
func TestPatternsAgreeWithDoublestar(t *testing.T) {
	top := t.TempDir()
	for _, name := range []string{"a/a/a", "a/b", "a/.c", "b/a/b", "b/ab/c", "ab", "c.d", "c/d/a/b", "[a]/b", "c/*"} {
		file := filepath.Join(top, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Skipf("this file system refuses a name: %v", err)
		}
	}
	root, err := confine.Open(top)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	part := rapid.SampledFrom([]string{"*", "**", "?", "a", "b", "a*", "{a,b}", "[ab]", "*b", "{a/b,c}", `\[a\]`, "c.*"})
	rapid.Check(t, func(t *rapid.T) {
		pattern := strings.Join(rapid.SliceOfN(part, 1, 4).Draw(t, "parts"), "/")
		if _, err := root.Lstat(pattern); err == nil || strings.Count(pattern, "{") > maxGroups {
			return
		}
		if strings.HasSuffix(pattern, "/**") {
			return // a/** matches the file a too, if Match is asked and not Glob
		}
		matches, err := doublestar.Glob(os.DirFS(top), pattern, doublestar.WithNoFollow())
		if err != nil {
			t.Fatal(err)
		}
		base, _ := doublestar.SplitPattern(pattern)
		want := map[string]bool{}
		for _, m := range matches {
			_ = fs.WalkDir(os.DirFS(top), m, func(p string, _ fs.DirEntry, _ error) error {
				if rel := strings.TrimPrefix(p, base+"/"); p != base && p != "." {
					want[rel] = true
				}
				return nil
			})
		}
		s, err := OpenUnder(root, pattern)
		got := map[string]bool{}
		if err == nil {
			for e, err := range s.Items(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				if got[e.Item.Path] {
					t.Errorf("%q comes twice", e.Item.Path)
				}
				got[e.Item.Path] = true
			}
		} else if code := mft.CodeOf(err); code != mft.CodeNotFound && code != mft.CodeWrongType && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if !equalKeys(got, want) {
			t.Fatalf("%q finds %q, want %q", pattern, keys(got), keys(want))
		}
	})
}

func keys(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func equalKeys(a, b map[string]bool) bool { return slices.Equal(keys(a), keys(b)) }
