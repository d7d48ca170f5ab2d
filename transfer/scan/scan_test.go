package scan_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/transfer/scan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func symlink(t testing.TB, target, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
}

// newTree makes a source to choose from.
func newTree(t testing.TB) string {
	t.Helper()
	top := t.TempDir()
	// Other users must be able to get here.
	for _, dir := range []string{filepath.Dir(top), top} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"out/a.csv", "out/b.csv", "out/c.txt", "out/sub/d.csv", "out/sub/deep/e.csv", "in/f.csv", "out/.hidden", "out/x[1].csv"} {
		write(t, filepath.Join(top, filepath.FromSlash(name)), name)
	}
	symlink(t, "out", filepath.Join(top, "link"))
	symlink(t, filepath.Join("out", "a.csv"), filepath.Join(top, "latest.csv"))
	symlink(t, "nowhere", filepath.Join(top, "dangling"))
	return top
}

// collect walks a source and returns the paths of the items, with the code of
// the error behind those that have one.
func collect(t testing.TB, s *scan.Source) []string {
	t.Helper()
	var out []string
	seen := map[string]bool{}
	for e, err := range s.Items(t.Context()) {
		if err != nil {
			var own *mft.Error
			if !errors.As(err, &own) || error(own) != err {
				t.Errorf("error %#v of %q is not one of mft", err, e.Item.Path)
			}
			out = append(out, e.Item.Path+"!"+string(mft.CodeOf(err)))
			continue
		}
		if dir, _ := splitLast(e.Item.Path); dir != "" && e.Item.Type != 0 && s.Prefix != "" && !seen[dir] {
			t.Errorf("%q comes before its directory", e.Item.Path)
		}
		seen[e.Item.Path] = true
		if fi, err := s.Root.Lstat(e.Rel); err != nil || confine.Stamp(fi) != e.Identity {
			t.Errorf("%q is not where Rel says, %q (%v)", e.Item.Path, e.Rel, err)
		}
		if e.Item.Type == mft.ItemFile {
			f, id, err := s.OpenItem(e)
			if err != nil || id != e.Identity {
				t.Errorf("OpenItem(%q) = %+v, %v, want %+v", e.Item.Path, id, err, e.Identity)
			} else {
				f.Close()
			}
		}
		out = append(out, e.Item.Path)
	}
	return out
}

func splitLast(path string) (dir, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}

var wholeOut = []string{
	"out", "out/.hidden", "out/a.csv", "out/b.csv", "out/c.txt", "out/sub", "out/sub/d.csv", "out/sub/deep",
	"out/sub/deep/e.csv", "out/x[1].csv",
}

func contentsOf(items []string) []string {
	var out []string
	for _, it := range items[1:] {
		out = append(out, strings.TrimPrefix(it, items[0]+"/"))
	}
	return out
}

func TestOpen(t *testing.T) {
	top := newTree(t)
	renamed := func(to string) []string {
		var out []string
		for _, it := range wholeOut {
			out = append(out, to+strings.TrimPrefix(it, "out"))
		}
		return out
	}
	for _, tt := range []struct {
		name, path string
		want       []string
		code       mft.Code
		prefix     string
		single     bool
	}{
		{name: "file", path: "out/a.csv", want: []string{"a.csv"}, single: true},
		{name: "directory", path: "out", want: wholeOut, prefix: "out"},
		{name: "contents", path: "out/", want: contentsOf(wholeOut)},
		{name: "contents by dot", path: "out/.", want: contentsOf(wholeOut)},
		{name: "contents by parent", path: "out/sub/..", want: contentsOf(wholeOut)},
		{name: "contents, many slashes", path: "out///", want: contentsOf(wholeOut)},
		{name: "link to directory", path: "link", want: renamed("link"), prefix: "link"},
		{name: "link to directory, contents", path: "link/", want: contentsOf(wholeOut)},
		{name: "link to file", path: "latest.csv", want: []string{"latest.csv"}, single: true},
		{name: "through a link", path: "link/a.csv", want: []string{"a.csv"}, single: true},
		{name: "pattern", path: "out/*.csv", want: []string{"a.csv", "b.csv", "x[1].csv"}},
		{name: "pattern through a link", path: "link/*.csv", want: []string{"a.csv", "b.csv", "x[1].csv"}},
		{name: "pattern in two components", path: "*/*.csv", want: []string{"in/f.csv", "out/a.csv", "out/b.csv", "out/x[1].csv"}},
		{name: "pattern at any depth", path: "out/**/*.csv", want: []string{"a.csv", "b.csv", "sub/d.csv", "sub/deep/e.csv", "x[1].csv"}},
		{name: "pattern with alternatives", path: "{in,out}/[a-f].csv", want: []string{"in/f.csv", "out/a.csv", "out/b.csv"}},
		{name: "alternatives that span directories", path: "out/{c.txt,sub/*.csv}", want: []string{"c.txt", "sub/d.csv"}},
		{name: "pattern that matches a directory", path: "out/s*", want: []string{"sub", "sub/d.csv", "sub/deep", "sub/deep/e.csv"}},
		{name: "pattern that matches all", path: "out/**", want: contentsOf(wholeOut)},
		{name: "pattern that matches links", path: "l*", want: []string{"latest.csv", "link"}},
		{name: "pattern for hidden files", path: "out/?hidden", want: []string{".hidden"}},
		{name: "literal that looks like a pattern", path: "out/x[1].csv", want: []string{"x[1].csv"}, single: true},
		{name: "escaped pattern", path: `out/\x\[1\].csv*`, want: []string{"x[1].csv"}},
		{name: "nothing", path: "none", code: mft.CodeNotFound},
		{name: "dangling link", path: "dangling", code: mft.CodeNotFound},
		{name: "below a file", path: "out/a.csv/x", code: mft.CodeWrongType},
		{name: "file with a slash", path: "out/a.csv/", code: mft.CodeWrongType},
		{name: "pattern without match", path: "out/*.none", code: mft.CodeNotFound},
		{name: "pattern in nothing", path: "none/*", code: mft.CodeNotFound},
		{name: "pattern in a file", path: "out/a.csv/*", code: mft.CodeWrongType},
		{name: "bad pattern", path: "out/[", code: mft.CodeBadPath},
		{name: "pattern with a slash", path: "out/s*/", code: mft.CodeBadPath},
		{name: "pattern with parents", path: "out/s*/../a.csv", code: mft.CodeBadPath},
		{name: "too many alternatives", path: "out/" + strings.Repeat("{a,b}", 5), code: mft.CodeBadPath},
		{name: "very many alternatives", path: "out/{" + strings.Repeat("a,", 40) + "b}", code: mft.CodeBadPath},
		{name: "zero byte", path: "out/\x00", code: mft.CodeBadPath},
		{name: "long name", path: "out/" + strings.Repeat("x", 256), code: mft.CodeNameTooLong},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && strings.Contains(tt.path, `\`) {
				t.Skip("a backslash divides names here")
			}
			path := top + "/" + tt.path
			s, err := scan.Open(path)
			if got := mft.CodeOf(err); got != tt.code && (got != mft.CodeOK || tt.code != "") {
				t.Fatalf("Open(%q): code %q (%v), want %q", tt.path, got, err, tt.code)
			}
			if err != nil {
				return
			}
			defer s.Close()
			if got := collect(t, s); !slices.Equal(got, tt.want) {
				t.Errorf("Items = %q, want %q", got, tt.want)
			}
			if s.Prefix != tt.prefix || s.Single != tt.single || !s.Follow || s.Path != path {
				t.Errorf("Open(%q) = {Path: %q, Prefix: %q, Single: %t, Follow: %t}, want prefix %q, single %t",
					tt.path, s.Path, s.Prefix, s.Single, s.Follow, tt.prefix, tt.single)
			}
		})
	}
	for _, path := range []string{"", "out", "./out", "../out", "*"} {
		if _, err := scan.Open(path); mft.CodeOf(err) != mft.CodeBadPath {
			t.Errorf("Open(%q): %v, want %q", path, err, mft.CodeBadPath)
		}
	}
}

func TestOpenUnder(t *testing.T) {
	top := newTree(t)
	root, err := confine.Open(filepath.Join(top, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	symlink(t, "sub", filepath.Join(top, "out", "zlink"))
	symlink(t, "../in", filepath.Join(top, "out", "zout"))
	defer os.Remove(filepath.Join(top, "out", "zlink"))
	defer os.Remove(filepath.Join(top, "out", "zout"))
	whole := append(slices.Clone(wholeOut), "out/zlink", "out/zout!SYMLINK_IN_PATH")
	for _, tt := range []struct {
		name, rel string
		want      []string
		code      mft.Code
		prefix    string
		single    bool
	}{
		{name: "root by name", rel: "", want: whole, prefix: "out"},
		{name: "root by dot", rel: ".", want: whole, prefix: "out"},
		{name: "contents of the root", rel: "./", want: contentsOf(whole)},
		{name: "file", rel: "a.csv", want: []string{"a.csv"}, single: true},
		{name: "file below", rel: "sub/deep/e.csv", want: []string{"e.csv"}, single: true},
		{name: "directory", rel: "sub", want: []string{"sub", "sub/d.csv", "sub/deep", "sub/deep/e.csv"}, prefix: "sub"},
		{name: "directory below", rel: "sub/deep", want: []string{"deep", "deep/e.csv"}, prefix: "deep"},
		{name: "contents", rel: "sub/", want: []string{"d.csv", "deep", "deep/e.csv"}},
		{name: "contents below", rel: "sub/deep/", want: []string{"e.csv"}},
		{name: "pattern", rel: "*.csv", want: []string{"a.csv", "b.csv", "x[1].csv"}},
		{name: "pattern below", rel: "sub/**/*.csv", want: []string{"d.csv", "deep/e.csv"}},
		{name: "pattern for links", rel: "z*", want: []string{"zlink", "zout!SYMLINK_IN_PATH"}},
		{name: "pattern does not pass links", rel: "z*/*", code: mft.CodeNotFound},
		{name: "nothing", rel: "none", code: mft.CodeNotFound},
		{name: "link", rel: "zlink", code: mft.CodeSymlink},
		{name: "link with a slash", rel: "zlink/", code: mft.CodeSymlink},
		{name: "through a link", rel: "zlink/d.csv", code: mft.CodeSymlink},
		{name: "out by a link", rel: "zout/f.csv", code: mft.CodeSymlink},
		{name: "pattern through a link", rel: "zout/*", code: mft.CodeSymlink},
		{name: "parent", rel: "..", code: mft.CodeBadPath},
		{name: "sibling", rel: "../in/f.csv", code: mft.CodeBadPath},
		{name: "pattern in the parent", rel: "../*", code: mft.CodeBadPath},
		{name: "pattern with a parent", rel: "*/../../in/*", code: mft.CodeBadPath},
		{name: "alternatives with a parent", rel: "{..,sub}/*", want: []string{"sub/d.csv", "sub/deep", "sub/deep/e.csv"}},
		{name: "absolute", rel: "/etc/passwd", code: mft.CodeBadPath},
		{name: "slash", rel: "/", code: mft.CodeBadPath},
		{name: "absolute pattern", rel: "/etc/*", code: mft.CodeBadPath},
		{name: "file with a slash", rel: "a.csv/", code: mft.CodeWrongType},
		{name: "zero byte", rel: "a\x00", code: mft.CodeBadPath},
		{name: "two slashes", rel: "sub//", code: mft.CodeBadPath},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := scan.OpenUnder(root, tt.rel)
			if got := mft.CodeOf(err); got != tt.code && (got != mft.CodeOK || tt.code != "") {
				t.Fatalf("OpenUnder(%q): code %q (%v), want %q", tt.rel, got, err, tt.code)
			}
			if err != nil {
				if s != nil {
					t.Errorf("OpenUnder(%q) returned a source with its error", tt.rel)
				}
				return
			}
			if got := collect(t, s); !slices.Equal(got, tt.want) {
				t.Errorf("Items = %q, want %q", got, tt.want)
			}
			if s.Prefix != tt.prefix || s.Single != tt.single || s.Follow {
				t.Errorf("OpenUnder(%q) = {Prefix: %q, Single: %t, Follow: %t}, want prefix %q, single %t",
					tt.rel, s.Prefix, s.Single, s.Follow, tt.prefix, tt.single)
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if _, err := root.Lstat(""); err != nil {
				t.Errorf("Close closed the root, which is not the source's: %v", err)
			}
		})
	}
}

func TestOpenExact(t *testing.T) {
	top := newTree(t)
	root, err := confine.Open(top)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, tt := range []struct {
		rel  string
		code mft.Code
	}{
		{rel: "out/a.csv"},
		{rel: "out/sub/deep/e.csv"},
		{rel: "out/x[1].csv"},
		{"out/[ab].csv", mft.CodeNotFound},
		{"out/*", mft.CodeNotFound},
		{"out", mft.CodeWrongType},
		{"", mft.CodeWrongType},
		{"out/", mft.CodeBadPath},
		{"../x", mft.CodeBadPath},
		{"latest.csv", mft.CodeSymlink},
		{"link/a.csv", mft.CodeSymlink},
	} {
		s, err := scan.OpenExact(root, tt.rel)
		if got := mft.CodeOf(err); got != tt.code && (got != mft.CodeOK || tt.code != "") {
			t.Errorf("OpenExact(%q): code %q (%v), want %q", tt.rel, got, err, tt.code)
		}
		if err != nil {
			continue
		}
		if got := collect(t, s); !slices.Equal(got, []string{tt.rel}) || s.Single || s.Prefix != "" {
			t.Errorf("OpenExact(%q) has the items %q, want one of that path; source %+v", tt.rel, got, s)
		}
	}
}

func TestOpenTheWholeSystem(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this is about the directory /")
	}
	root, err := confine.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s, err := scan.OpenUnder(root, "")
	if err != nil || s.Prefix != "" {
		t.Errorf("OpenUnder of / = %+v, %v, want its contents, since it has no name", s, err)
	}
	s, err = scan.Open("/")
	if err != nil || s.Prefix != "" {
		t.Fatalf("Open of / = %+v, %v, want its contents, since it has no name", s, err)
	}
	s.Close()
	top := newTree(t)
	s, err = scan.OpenUnder(root, strings.TrimPrefix(top, "/")+"/out/sub")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"sub", "sub/d.csv", "sub/deep", "sub/deep/e.csv"}
	if got := collect(t, s); !slices.Equal(got, want) {
		t.Errorf("Items = %q, want %q", got, want)
	}
	if want := top + "/out/sub"; s.Path != want {
		t.Errorf("Path = %q, want %q", s.Path, want)
	}
}
