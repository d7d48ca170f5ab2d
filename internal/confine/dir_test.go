package confine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine/beneath"
)

// openTop opens the directory top and returns its Dir.
func openTop(t *testing.T, top string) (*Root, *Dir) {
	t.Helper()
	r, err := Open(top)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	d, err := r.Dir("")
	if err != nil {
		t.Fatal(err)
	}
	return r, d
}

func TestMkdirAll(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(string) (*Root, error)) {
		for _, tt := range []struct {
			name, rel string
			made      []string
			want      mft.Code
		}{
			{"one", "x", []string{"x"}, mft.CodeOK},
			{"three", "x/y/z", []string{"x", "x/y", "x/y/z"}, mft.CodeOK},
			{"below what is there", "a/y/z", []string{"a/y", "a/y/z"}, mft.CodeOK},
			{"all there", "a", nil, mft.CodeOK},
			{"through a file", "a/file/x", nil, mft.CodeWrongType},
			{"onto a file", "a/file", nil, mft.CodeWrongType},
			{"half way", "x/" + strings.Repeat("y", 256), []string{"x"}, mft.CodeNameTooLong},
		} {
			t.Run(tt.name, func(t *testing.T) {
				y := newYard(t, open)
				made, err := y.MkdirAll(tt.rel, 0o750)
				wantCode(t, "MkdirAll", err, tt.want)
				if !slices.Equal(made, tt.made) {
					t.Errorf("MkdirAll(%q) made %q, want %q", tt.rel, made, tt.made)
				}
				for _, rel := range made {
					if fi, err := y.Lstat(rel); err != nil || !fi.IsDir() || fi.Mode().Perm() != 0o750 {
						t.Errorf("Lstat(%q) = %v, %v, want a directory of mode 0750", rel, fi, err)
					}
				}
			})
		}
	})
}

func TestOpenFile(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(string) (*Root, error)) {
		y := newYard(t, open)
		f, fi, err := y.OpenFile("a/file")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if content, err := io.ReadAll(f); err != nil || string(content) != "content" {
			t.Errorf("the file reads %q, %v", content, err)
		}
		if fi.Size() != 7 || fi.Name() != "file" || !fi.Mode().IsRegular() || fi.IsDir() {
			t.Errorf("OpenFile described it as %v", fi)
		}
		if f.Name() != y.Path()+"/a/file" && f.Name() != filepath.Join(y.Path(), "a", "file") {
			t.Errorf("Name() = %q, want the whole path", f.Name())
		}
		if _, err := f.Write([]byte("x")); err == nil {
			t.Error("the file can be written to")
		}
		for _, tt := range []struct {
			rel  string
			want mft.Code
		}{
			{"a", mft.CodeNotRegular},
			{"none", mft.CodeNotFound},
			{"none/file", mft.CodeNotFound},
			{"a/file/file", mft.CodeWrongType},
		} {
			_, _, err := y.OpenFile(tt.rel)
			wantCode(t, "OpenFile "+tt.rel, err, tt.want)
		}
	})
}

func TestCreateAndOpenExisting(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(string) (*Root, error)) {
		y := newYard(t, open)
		d, err := y.Dir("a")
		if err != nil {
			t.Fatal(err)
		}
		f, err := d.Create("new")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("hello"); err != nil {
			t.Error(err)
		}
		f.Close()
		if fi, err := d.Lstat("new"); err != nil || fi.Mode() != 0o600 {
			t.Errorf("Lstat = %v, %v, want mode 0600", fi.Mode(), err)
		}
		_, err = d.Create("new")
		wantCode(t, "Create again", err, mft.CodeExists)
		if f, err = d.OpenExisting("new"); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("J"), 0); err != nil {
			t.Error(err)
		}
		if content, err := io.ReadAll(f); err != nil || string(content) != "Jello" {
			t.Errorf("the file reads %q, %v, want Jello", content, err)
		}
		f.Close()
		if err := d.Mkdir("dir", 0o755); err != nil {
			t.Fatal(err)
		}
		wantCode(t, "Mkdir again", d.Mkdir("dir", 0o755), mft.CodeExists)
		_, err = d.OpenExisting("dir")
		wantCode(t, "OpenExisting of a directory", err, mft.CodeNotRegular)
		_, err = d.OpenExisting("none")
		wantCode(t, "OpenExisting of nothing", err, mft.CodeNotFound)
		if err := d.Sync(); err != nil {
			t.Errorf("Sync: %v", err)
		}
		if err := d.Remove("new"); err != nil {
			t.Errorf("Remove of a file: %v", err)
		}
		if err := d.Remove("dir"); err != nil {
			t.Errorf("Remove of a directory: %v", err)
		}
		wantCode(t, "Remove of nothing", d.Remove("dir"), mft.CodeNotFound)
		wantCode(t, "Remove of what is not empty", y.top(t).Remove("a"), mft.CodeExists)
	})
}

func (y yard) top(t *testing.T) *Dir {
	t.Helper()
	d, err := y.Dir("")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestNames(t *testing.T) {
	const many = 2*beneath.Portion + 7
	top := t.TempDir()
	for i := range many {
		write(t, filepath.Join(top, fmt.Sprintf("%05d", i)), "")
	}
	_, d := openTop(t, top)
	var names []string
	if err := d.Names(func(name string) error {
		names = append(names, name)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(names[:beneath.Portion]) {
		t.Error("a portion is not sorted")
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) != many {
		t.Errorf("Names gave %d names, want %d", len(names), many)
	}
	stop := errors.New("enough")
	calls := 0
	err := d.Names(func(string) error {
		calls++
		return stop
	})
	if err != stop || calls != 1 {
		t.Errorf("Names returned %v after %d calls, want the error of the function after one", err, calls)
	}
	// A directory that is emptied while it is listed is emptied whole.
	if err := d.Names(d.Remove); err != nil {
		t.Errorf("Names with Remove: %v", err)
	}
	if left, err := os.ReadDir(top); err != nil || len(left) != 0 {
		t.Errorf("%d names are left (%v), want none", len(left), err)
	}
}

func TestRemoveAll(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(string) (*Root, error)) {
		y := newYard(t, open)
		depth := 300
		if portableRoot {
			depth = 30 // it looks at every component, every time
		}
		deep := "tree" + strings.Repeat("/d", depth)
		if _, err := y.MkdirAll(deep, 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range beneath.Portion + 10 {
			write(t, y.at(fmt.Sprintf("tree/d/%d", i)), "")
		}
		symlink(t, y.out, y.at("tree/out"))
		symlink(t, "..", y.at("tree/d/up"))
		for range 2 { // the second time there is nothing, which is no error
			if err := y.RemoveAll("tree"); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(y.at("tree")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the tree is still there: %v", err)
			}
		}
		if err := y.RemoveAll("none/none"); err != nil {
			t.Errorf("RemoveAll of nothing in nothing: %v", err)
		}
		if err := y.RemoveAll("a/file"); err != nil {
			t.Errorf("RemoveAll of a file: %v", err)
		}
		if _, err := os.Stat(y.at("a")); err != nil {
			t.Errorf("the directory of the file: %v", err)
		}
		y.untouched(t)
	})
}

func TestClosedRoot(t *testing.T) {
	y := newYard(t, Open)
	d, err := y.Dir("a")
	if err != nil {
		t.Fatal(err)
	}
	sub, err := y.Sub("a")
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	if err := y.Close(); err != nil {
		t.Fatal(err)
	}
	if err := y.Close(); err == nil && !portableRoot {
		t.Error("Close a second time succeeded")
	}
	if _, err := d.Lstat("file"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Lstat after Close: %v, want %v", err, os.ErrClosed)
	}
	if _, err := y.Lstat("a"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Root.Lstat after Close: %v, want %v", err, os.ErrClosed)
	}
	if _, err := sub.Lstat("file"); err != nil {
		t.Errorf("Lstat in a Sub after Close: %v", err)
	}
	if err := sub.Close(); err != nil {
		t.Errorf("Close of the Sub: %v", err)
	}
}

// A Dir is a directory, not a path.
func TestDirThatWasReplaced(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(string) (*Root, error)) {
		y := newYard(t, open)
		old, err := y.Dir("a")
		if err != nil {
			t.Fatal(err)
		}
		if err := y.Rename("a", "moved", RenameNoReplace); err != nil {
			t.Fatal(err)
		}
		if err := y.top(t).Mkdir("a", 0o755); err != nil {
			t.Fatal(err)
		}
		now, err := y.Dir("a")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := now.Lstat("file"); mft.CodeOf(err) != mft.CodeNotFound {
			t.Errorf("the new directory has the file of the old one (%v)", err)
		}
		y.FlushCache()
		_, err = old.Lstat("file")
		wantCode(t, "Lstat in the directory that was moved", err, mft.CodeNotFound)
		if _, err := old.Create("x"); err == nil {
			t.Error("Create worked in a directory that took the place of another")
		}
	})
}
