package scan_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft/transfer/scan"
)

func TestSafeLink(t *testing.T) {
	for _, tt := range []struct {
		name, path, target string
		want               bool
	}{
		{"sibling", "l", "file", true},
		{"below", "l", "a/b", true},
		{"itself", "l", "l", true},
		{"the top", "l", ".", true},
		{"up and down", "a/l", "../b", true},
		{"up to the top", "a/l", "..", true},
		{"up twice", "a/b/l", "../../c", true},
		{"dots and slashes", "a/l", ".//.././b//c/", true},
		{"three dots are a name", "l", ".../x", true},
		{"dots in a name", "l", "..x", true},
		{"newline", "l", "a\nb", true},
		{"not UTF-8", "l", "\xff", true},
		{"longest", "l", strings.Repeat("x", 4095), true},

		{"empty", "l", "", false},
		{"no path", "", "x", false},
		{"absolute", "l", "/etc/passwd", false},
		{"absolute, twice", "l", "//etc", false},
		{"out", "l", "..", false},
		{"out of a directory", "a/l", "../..", false},
		{"out, hidden by dots", "a/l", ".././../x", false},
		{"out, hidden by slashes", "a/l", "..//..//x", false},
		{"out and in again", "a/l", "../../a/x", false},
		{"up after a name", "a/l", "b/../c", false},
		{"up after a name, to the top", "l", "a/..", false},
		{"up after up and a name", "a/b/l", "../x/../y", false},
		{"zero byte", "l", "a\x00b", false},
		{"too long", "l", strings.Repeat("x", 4096), false},
	} {
		if got := scan.SafeLink(tt.path, tt.target); got != tt.want {
			t.Errorf("%s: SafeLink(%q, %q) = %t, want %t", tt.name, tt.path, tt.target, got, tt.want)
		}
	}
}

func FuzzSafeLink(f *testing.F) {
	for _, seed := range [][2]string{{"l", "x"}, {"a/l", "../x"}, {"a/l", "../../x"}, {"l", "/x"}, {"a/l", "b/../../.."}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, path, target string) {
		if !filepath.IsLocal(path) || filepath.Clean(path) != path || path == "." || !scan.SafeLink(path, target) {
			return
		}
		if filepath.IsAbs(target) {
			t.Fatalf("SafeLink(%q, %q) lets an absolute target pass", path, target)
		}
		if got := filepath.Join(filepath.Dir(path), target); !filepath.IsLocal(got) {
			t.Fatalf("SafeLink(%q, %q) lets %q pass", path, target, got)
		}
	})
}

// The kernel's word: in a tree of whatever safe links, none leads out. Among
// them are those that would if ".." could follow a name.
func TestSafeLinksNeverLeadOut(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	parts := rapid.SampledFrom([]string{"..", ".", "", "a", "b", "l1", "l2", "l3"})
	rapid.Check(t, func(rt *rapid.T) {
		tree := filepath.Join(top, "tree")
		if err := os.RemoveAll(tree); err != nil {
			rt.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(tree, "a", "b", "a", "b"), 0o755); err != nil {
			rt.Fatal(err)
		}
		var links []string
		for _, name := range []string{"l1", "l2", "l3"} {
			path := rapid.SampledFrom([]string{"", "a/", "a/b/", "a/b/a/"}).Draw(rt, "dir") + name
			target := strings.Join(rapid.SliceOfN(parts, 1, 6).Draw(rt, "target"), "/")
			if !scan.SafeLink(path, target) {
				continue
			}
			if err := os.Symlink(target, filepath.Join(tree, path)); err != nil {
				rt.Skip("no symbolic links here")
			}
			links = append(links, path)
		}
		for _, link := range links {
			real, err := filepath.EvalSymlinks(filepath.Join(tree, link))
			if err == nil && real != tree && !strings.HasPrefix(real, tree+string(filepath.Separator)) {
				rt.Fatalf("the link %q leads to %q", link, real)
			}
		}
	})
}

// SafeLink is what its documentation says, component by component.
func TestSafeLinkProperty(t *testing.T) {
	if os.PathSeparator == '\\' {
		t.Skip("a backslash divides names here")
	}
	slowly := func(path, target string) bool {
		if target == "" || len(target) > 4095 || target[0] == '/' || strings.Contains(target, "\x00") {
			return false
		}
		up, named := 0, false
		for part := range strings.SplitSeq(target, "/") {
			switch {
			case part == "" || part == ".":
			case part != "..":
				named = true
			case named:
				return false
			default:
				up++
			}
		}
		return up <= strings.Count(path, "/")
	}
	rapid.Check(t, func(t *rapid.T) {
		path := "l" + strings.Repeat("/l", rapid.IntRange(0, 4).Draw(t, "depth"))
		parts := rapid.SliceOf(rapid.SampledFrom([]string{"..", "..", ".", "", "...", "....", "a", "a.", ".a", "..a", "a..", "\x00"})).Draw(t, "parts")
		target := strings.Join(parts, "/")
		if got, want := scan.SafeLink(path, target), slowly(path, target); got != want {
			t.Errorf("SafeLink(%q, %q) = %t, want %t", path, target, got, want)
		}
	})
}
