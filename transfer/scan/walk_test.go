package scan_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/transfer/scan"
)

func open(t testing.TB, path string) *scan.Source {
	t.Helper()
	s, err := scan.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestItemsTellEverything(t *testing.T) {
	top := t.TempDir()
	write(t, filepath.Join(top, "d", "file"), "content")
	symlink(t, "file", filepath.Join(top, "d", "link"))
	if err := os.Chmod(filepath.Join(top, "d", "file"), 0o754); err != nil {
		t.Fatal(err)
	}
	var got []mft.Item
	for e, err := range open(t, filepath.Join(top, "d")).Items(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Item.MTime != e.Identity.MTime || e.Item.Mode != e.Identity.Perm() || e.Item.UID != e.Identity.UID || e.Item.GID != e.Identity.GID {
			t.Errorf("%q is %+v and %+v, which do not agree", e.Item.Path, e.Item, e.Identity)
		}
		got = append(got, e.Item)
	}
	if len(got) != 3 {
		t.Fatalf("Items = %+v, want three", got)
	}
	for i, want := range []mft.Item{
		{Path: "d", Type: mft.ItemDir, Mode: 0o755},
		{Path: "d/file", Type: mft.ItemFile, Size: 7, Mode: 0o754},
		{Path: "d/link", Type: mft.ItemSymlink, Target: "file", Mode: 0o777},
	} {
		it := got[i]
		if it.Path != want.Path || it.Type != want.Type || it.Size != want.Size || it.Target != want.Target {
			t.Errorf("item %d is %+v, want %+v", i, it, want)
		}
		if runtime.GOOS == "windows" {
			continue
		}
		if it.Mode != want.Mode && it.Type != mft.ItemSymlink {
			t.Errorf("%q has mode %o, want %o", it.Path, it.Mode, want.Mode)
		}
		if me, err := user.Current(); err == nil && it.Owner != me.Username {
			t.Errorf("%q belongs to %q, want %q", it.Path, it.Owner, me.Username)
		}
	}
}

func TestLinksInATree(t *testing.T) {
	top := t.TempDir()
	write(t, filepath.Join(top, "d", "sub", "file"), "content")
	for path, target := range map[string]string{
		"inside": "sub/file", "outside": "../other", "absolute": "/etc/passwd", "sub/up": "../sub",
		"sub/out": "../../x", "sub/zigzag": "../sub/../../x", "dangling": "nothing",
	} {
		symlink(t, target, filepath.Join(top, "d", filepath.FromSlash(path)))
	}
	for _, tt := range []struct{ path, prefix string }{{"d", "d/"}, {"d/", ""}, {"d/*", ""}} {
		got := collect(t, open(t, top+"/"+tt.path))
		var want []string
		if tt.prefix != "" {
			want = append(want, "d")
		}
		for _, it := range []string{
			"absolute!SYMLINK_IN_PATH", "dangling", "inside", "outside!SYMLINK_IN_PATH", "sub", "sub/file",
			"sub/out!SYMLINK_IN_PATH", "sub/up", "sub/zigzag!SYMLINK_IN_PATH",
		} {
			want = append(want, tt.prefix+it)
		}
		if !slices.Equal(got, want) {
			t.Errorf("Items of %q = %q, want %q", tt.path, got, want)
		}
	}
}

func TestStagingIsPassedOver(t *testing.T) {
	top := t.TempDir()
	stage := ".mft-0192f0c12d5b7c3a8e4f0123456789ab.part"
	write(t, filepath.Join(top, "d", stage, "temp"), "x")
	write(t, filepath.Join(top, "d", "sub", stage), "x")
	write(t, filepath.Join(top, "d", "file.part"), "x")
	want := []string{"d", "d/file.part", "d/sub"}
	if got := collect(t, open(t, filepath.Join(top, "d"))); !slices.Equal(got, want) {
		t.Errorf("Items = %q, want %q", got, want)
	}
	if _, err := scan.Open(top + "/d/.mft-*"); mft.CodeOf(err) != mft.CodeNotFound {
		t.Errorf("Open of a pattern for staging: %v, want %q", err, mft.CodeNotFound)
	}
	for name, want := range map[string]bool{
		stage: true, ".mft-.part": true, ".mft-x.part2": false, "mft-x.part": false, ".mft.part": false, "": false,
	} {
		if got := scan.IsStaging(name); got != want {
			t.Errorf("IsStaging(%q) = %t, want %t", name, got, want)
		}
	}
}

func TestCancelledWalk(t *testing.T) {
	s := open(t, filepath.Join(newTree(t), "out"))
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	why := errors.New("enough of this")
	n := 0
	var last error
	for e, err := range s.Items(ctx) {
		if err != nil {
			if e.Item.Path != "" {
				t.Errorf("the end of the walk is an error of %q", e.Item.Path)
			}
			last = err
			continue
		}
		if n++; n == 2 {
			cancel(why)
		}
	}
	if n != 2 || mft.CodeOf(last) != mft.CodeCancelled || !errors.Is(last, why) {
		t.Errorf("the walk ended after %d items with %v, want %q after two", n, last, mft.CodeCancelled)
	}
}

func TestConsumerThatStops(t *testing.T) {
	s := open(t, filepath.Join(newTree(t), "out"))
	for stop := range len(wholeOut) {
		n := 0
		for range s.Items(t.Context()) {
			if n++; n > stop {
				break
			}
		}
		if n != stop+1 {
			t.Errorf("the walk gave %d items, want %d", n, stop+1)
		}
	}
	if got := collect(t, s); !slices.Equal(got, wholeOut) {
		t.Errorf("afterwards Items = %q, want %q", got, wholeOut)
	}
}

func TestSourceThatChanges(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, dir string) // after the item "d" was seen
		want   []string
	}{
		{"file vanishes", func(t *testing.T, dir string) { remove(t, dir+"/b") }, []string{"d", "d/a", "d/c", "d/c/x"}},
		{"directory vanishes", func(t *testing.T, dir string) { remove(t, dir+"/c") }, []string{"d", "d/a", "d/b"}},
		{"all vanishes", func(t *testing.T, dir string) { remove(t, dir) }, []string{"d", "d!NOT_FOUND"}},
		{"file becomes a link", func(t *testing.T, dir string) {
			remove(t, dir+"/b")
			symlink(t, "/etc/passwd", dir+"/b")
		}, []string{"d", "d/a", "d/b!SYMLINK_IN_PATH", "d/c", "d/c/x"}},
		{"directory becomes a link", func(t *testing.T, dir string) {
			remove(t, dir+"/c")
			symlink(t, "/etc", dir+"/c")
		}, []string{"d", "d/a", "d/b", "d/c!SYMLINK_IN_PATH"}},
		{"directory becomes a file", func(t *testing.T, dir string) {
			remove(t, dir+"/c")
			write(t, dir+"/c", "x")
		}, []string{"d", "d/a", "d/b", "d/c"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			for _, name := range []string{"a", "b", "c/x"} {
				write(t, filepath.Join(dir, name), "content")
			}
			var got []string
			for e, err := range open(t, dir).Items(t.Context()) {
				if got = append(got, e.Item.Path); err != nil {
					got[len(got)-1] += "!" + string(mft.CodeOf(err))
				}
				if e.Item.Path == "d" {
					// The names in d are read by now, or are read after this:
					// both must do.
					tt.change(t, dir)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("Items = %q, want %q", got, tt.want)
			}
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// What was listed and then vanished is passed over.
func TestNameThatVanishes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	for _, name := range []string{"a", "b", "c/x", "z"} {
		write(t, filepath.Join(dir, name), "content")
	}
	var got []string
	for e, err := range open(t, dir).Items(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, e.Item.Path); e.Item.Path == "d/a" {
			remove(t, dir+"/b")
			remove(t, dir+"/c")
		}
	}
	if want := []string{"d", "d/a", "d/z"}; !slices.Equal(got, want) {
		t.Errorf("Items = %q, want %q", got, want)
	}
}

// A directory that is taken away while it is listed is not half a directory in
// silence.
func TestDirectoryThatIsTakenAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	for _, name := range []string{"a", "sub/b", "sub/c", "z"} {
		write(t, filepath.Join(dir, name), "content")
	}
	s := open(t, dir)
	var got []string
	for e, err := range s.Items(t.Context()) {
		if got = append(got, e.Item.Path); err != nil {
			got[len(got)-1] += "!" + string(mft.CodeOf(err))
		}
		if e.Item.Path == "d/sub/b" {
			if err := os.Rename(filepath.Join(dir, "sub"), filepath.Join(dir, "elsewhere")); err != nil {
				t.Fatal(err)
			}
			s.Root.FlushCache()
		}
	}
	if want := []string{"d", "d/a", "d/sub", "d/sub/b", "d/sub!NOT_FOUND", "d/z"}; !slices.Equal(got, want) {
		t.Errorf("Items = %q, want %q", got, want)
	}
}

// The file of a source of one file is the source: its absence is told.
func TestOnlyFileThatChanges(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, path string)
		want   string
	}{
		{"vanishes", remove, "f!NOT_FOUND"},
		{"becomes a link", func(t *testing.T, path string) {
			remove(t, path)
			symlink(t, "/etc/passwd", path)
		}, "f!SYMLINK_IN_PATH"},
		{"becomes a directory", func(t *testing.T, path string) {
			remove(t, path)
			write(t, path+"/x", "x")
		}, "f!NOT_REGULAR"},
		{"is another file", func(t *testing.T, path string) {
			remove(t, path)
			write(t, path, "other")
		}, "f"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f")
			write(t, path, "content")
			s := open(t, path)
			tt.change(t, path)
			if got := collect(t, s); !slices.Equal(got, []string{tt.want}) {
				t.Errorf("Items = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestOpenItem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d", "f")
	write(t, path, "content")
	s := open(t, filepath.Dir(path))
	var e scan.Entry
	for e = range s.Items(t.Context()) {
	}
	f, id, err := s.OpenItem(e)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if content, err := io.ReadAll(f); err != nil || string(content) != "content" || id != e.Identity {
		t.Errorf("OpenItem gave %q (%v) and %+v, want %+v", content, err, id, e.Identity)
	}
	write(t, path, "longer content")
	f2, id, err := s.OpenItem(e)
	if err != nil || id == e.Identity {
		t.Errorf("OpenItem of a changed file: %+v, %v, want another identity", id, err)
	}
	f2.Close()
	remove(t, path)
	symlink(t, "/etc/passwd", path)
	if _, _, err := s.OpenItem(e); mft.CodeOf(err) != mft.CodeSymlink {
		t.Errorf("OpenItem of a link: %v, want %q", err, mft.CodeSymlink)
	}
}

func TestAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d", "f")
	write(t, path, "content")
	s := open(t, filepath.Dir(path))
	var e scan.Entry
	for e = range s.Items(t.Context()) {
	}
	if same, err := s.Again(e); err != nil || same != e {
		t.Errorf("Again of an untouched file = %+v, %v, want %+v", same, err, e)
	}
	write(t, path, "longer content")
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	now, err := s.Again(e)
	if err != nil || now.Item.Size != 14 || now.Item.Mode&0o200 != 0 || now.Identity == e.Identity || now.Rel != e.Rel || now.Item.Path != e.Item.Path {
		t.Errorf("Again of a changed file = %+v, %v", now, err)
	}
	if f, id, err := s.OpenItem(now); err != nil || id != now.Identity {
		t.Errorf("OpenItem of what Again returned: %+v, %v, want %+v", id, err, now.Identity)
	} else {
		f.Close()
	}
	for _, tt := range []struct {
		name string
		make func()
		want mft.Code
	}{
		{"nothing", func() {}, mft.CodeNotFound},
		{"link", func() { symlink(t, "/etc/passwd", path) }, mft.CodeSymlink},
		{"directory", func() { write(t, filepath.Join(path, "x"), "") }, mft.CodeNotRegular},
	} {
		remove(t, path)
		tt.make()
		if _, err := s.Again(e); mft.CodeOf(err) != tt.want {
			t.Errorf("Again of a %s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
