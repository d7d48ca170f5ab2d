package confine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"mft.dev/mft"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A yard is a directory that is opened as a root, with another one beside it
// that nothing may touch. The second one's name begins with that of the
// first.
type yard struct {
	*Root
	in, out string
}

const secret = "nobody may see this"

func newYard(t *testing.T, open func(string) (*Root, error)) yard {
	t.Helper()
	top := t.TempDir()
	// Other users must be able to get here.
	for _, dir := range []string{filepath.Dir(top), top} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	y := yard{in: filepath.Join(top, "in"), out: filepath.Join(top, "in2")}
	write(t, filepath.Join(y.in, "a", "file"), "content")
	write(t, filepath.Join(y.out, "file"), secret)
	write(t, filepath.Join(y.out, "a", "file"), secret)
	var err error
	if y.Root, err = open(y.in); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { y.Close() })
	return y
}

// untouched fails the test when something outside changed.
func (y yard) untouched(t *testing.T) {
	t.Helper()
	var got []string
	err := filepath.WalkDir(y.out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		got = append(got, strings.TrimPrefix(path, y.out)+"="+string(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	sep := string(filepath.Separator)
	want := []string{sep + "a" + sep + "file=" + secret, sep + "file=" + secret}
	if !slices.Equal(got, want) {
		t.Fatalf("outside there now is %q, want %q", got, want)
	}
}

func (y yard) at(rel string) string { return filepath.Join(y.in, rel) }

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
	if err := os.Symlink(target, path); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
}

// wantCode checks the code of an error and that it is one that may leave the
// package.
func wantCode(t *testing.T, call string, err error, want mft.Code) {
	t.Helper()
	if got := mft.CodeOf(err); got != want {
		t.Errorf("%s: code %q (%v), want %q", call, got, err, want)
	}
	var e *mft.Error
	if err != nil && (!errors.As(err, &e) || error(e) != err || e.Op == "" || e.Subject == "") {
		t.Errorf("%s: error %#v does not say what was done to what", call, err)
	}
}

func TestOpen(t *testing.T) {
	top := t.TempDir()
	write(t, filepath.Join(top, "real", "file"), "content")
	symlink(t, "real", filepath.Join(top, "link"))
	for _, tt := range []struct {
		name, path string
		want       mft.Code
	}{
		{"directory", "real", mft.CodeOK},
		{"link to directory", "link", mft.CodeOK},
		{"nothing", "none", mft.CodeNotFound},
		{"file", "real/file", mft.CodeWrongType},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(top, tt.path)
			r, err := Open(path)
			wantCode(t, "Open", err, tt.want)
			if err != nil {
				return
			}
			defer r.Close()
			if r.Path() != path {
				t.Errorf("Path() = %q, want %q", r.Path(), path)
			}
			if _, err := r.Lstat("file"); err != nil {
				t.Errorf("Lstat: %v", err)
			}
		})
	}
}

// everyCall calls every method that takes a path or a name with rel, and
// returns the errors by name of the call.
func everyCall(y yard, rel string) map[string]error {
	errs := map[string]error{}
	_, errs["Dir"] = y.Dir(rel)
	_, errs["Sub"] = y.Sub(rel)
	_, errs["MkdirAll"] = y.MkdirAll(rel, 0o755)
	f, _, err := y.OpenFile(rel)
	if errs["OpenFile"] = err; err == nil {
		f.Close()
	}
	_, errs["Lstat"] = y.Lstat(rel)
	_, errs["Readlink"] = y.Readlink(rel)
	_, errs["Free"] = y.Free(rel)
	errs["Rename from"] = y.Rename(rel, "a/taken", RenameReplace)
	errs["Rename to"] = y.Rename("a/file", rel, RenameReplace)
	errs["Rename to new"] = y.Rename("a/file", rel, RenameNoReplace)
	errs["RemoveAll"] = y.RemoveAll(rel)
	return errs
}

// everyNameCall is everyCall for the methods of the root's Dir.
func everyNameCall(t *testing.T, y yard, name string) map[string]error {
	t.Helper()
	d, err := y.Dir("")
	if err != nil {
		t.Fatal(err)
	}
	errs := map[string]error{}
	_, errs["Dir.Dir"] = d.Dir(name)
	f, err := d.OpenExisting(name)
	if errs["Dir.OpenExisting"] = err; err == nil {
		f.Close()
	}
	if f, errs["Dir.Create"] = d.Create(name); f != nil {
		f.Close()
	}
	_, errs["Dir.Lstat"] = d.Lstat(name)
	_, errs["Dir.Identity"] = d.Identity(name)
	_, errs["Dir.Readlink"] = d.Readlink(name)
	errs["Dir.Mkdir"] = d.Mkdir(name, 0o755)
	errs["Dir.Symlink"] = d.Symlink("x", name)
	errs["Dir.SetLinkAttributes"] = d.SetLinkAttributes(name, Attributes{UID: -1, GID: -1})
	errs["Dir.Rename from"] = d.Rename(name, d, "taken", RenameReplace)
	errs["Dir.Rename to"] = d.Rename("a", d, name, RenameReplace)
	errs["Dir.Remove"] = d.Remove(name)
	return errs
}

func TestHostilePaths(t *testing.T) {
	paths := []struct{ name, rel string }{
		{"parent", ".."},
		{"sibling with the same beginning", "../in2/file"},
		{"parent in the middle", "a/../../in2/file"},
		{"parent at the end", "a/.."},
		{"harmless parent", "a/../a/file"},
		{"absolute", "/etc/passwd"},
		{"slash", "/"},
		{"empty component", "a//file"},
		{"trailing slash", "a/"},
		{"dot", "a/./file"},
		{"leading dot", "./a"},
		{"zero byte", "a/fi\x00le"},
		{"zero byte after a name", "a\x00"},
	}
	eachWay(t, func(t *testing.T, open func(string) (*Root, error)) {
		for _, tt := range paths {
			t.Run(tt.name, func(t *testing.T) {
				y := newYard(t, open)
				for call, err := range everyCall(y, tt.rel) {
					wantCode(t, call, err, mft.CodeBadPath)
				}
				for call, err := range everyNameCall(t, y, tt.rel) {
					wantCode(t, call, err, mft.CodeBadPath)
				}
				if got, err := os.ReadFile(y.at("a/file")); err != nil || string(got) != "content" {
					t.Errorf("a/file is %q (%v), want it untouched", got, err)
				}
				y.untouched(t)
			})
		}
		for _, name := range []string{"", "."} {
			t.Run("name "+name, func(t *testing.T) {
				y := newYard(t, open)
				for call, err := range everyNameCall(t, y, name) {
					wantCode(t, call, err, mft.CodeBadPath)
				}
			})
		}
		t.Run("the root itself", func(t *testing.T) {
			y := newYard(t, open)
			wantCode(t, "RemoveAll", y.RemoveAll(""), mft.CodeBadPath)
			wantCode(t, "RemoveAll", y.RemoveAll("."), mft.CodeBadPath)
			wantCode(t, "Rename", y.Rename("", "a/b", RenameReplace), mft.CodeBadPath)
			_, _, err := y.OpenFile(".")
			wantCode(t, "OpenFile", err, mft.CodeNotRegular)
			for _, rel := range []string{"", "."} {
				if fi, err := y.Lstat(rel); err != nil || !fi.IsDir() {
					t.Errorf("Lstat(%q) = %v, %v, want a directory", rel, fi, err)
				}
				if d, err := y.Dir(rel); err != nil || d.Rel() != "" {
					t.Errorf("Dir(%q) = %v, %v, want the root", rel, d, err)
				}
				if made, err := y.MkdirAll(rel, 0o755); err != nil || made != nil {
					t.Errorf("MkdirAll(%q) = %q, %v, want nothing", rel, made, err)
				}
			}
		})
		t.Run("too long", func(t *testing.T) {
			y := newYard(t, open)
			_, err := y.Dir(strings.Repeat("a/", 20<<10))
			wantCode(t, "Dir", err, mft.CodeNameTooLong)
		})
	})
}

func TestUnusualNames(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other systems have rules for names")
	}
	names := []struct{ name, file string }{
		{"newline", "a\nb"},
		{"not UTF-8", "\xff\xfe\x80"},
		{"255 bytes", strings.Repeat("x", 255)},
		{"spaces", "  "},
		{"backslash", `a\b`},
		{"three dots", "..."},
		{"dash", "-rf"},
		{"quotes and dollar", "$(x)'\"`"},
		{"escape", "\x1b[2J"},
	}
	eachWay(t, func(t *testing.T, open func(string) (*Root, error)) {
		for _, tt := range names {
			t.Run(tt.name, func(t *testing.T) {
				y := newYard(t, open)
				d, err := y.Dir("a")
				if err != nil {
					t.Fatal(err)
				}
				f, err := d.Create(tt.file)
				if err != nil {
					t.Fatal(err)
				}
				f.Close()
				var got []string
				err = d.Names(func(name string) error {
					got = append(got, name)
					return nil
				})
				want := []string{tt.file, "file"}
				slices.Sort(want)
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("Names gave %q, %v, want %q", got, err, want)
				}
				if err := d.Rename(tt.file, d, "plain", RenameNoReplace); err != nil {
					t.Errorf("Rename: %v", err)
				}
				if made, err := y.MkdirAll("a/"+tt.file+"/b", 0o755); err != nil || len(made) != 2 {
					t.Errorf("MkdirAll made %q, %v, want two", made, err)
				}
				if err := y.RemoveAll("a/" + tt.file); err != nil {
					t.Errorf("RemoveAll: %v", err)
				}
			})
		}
		t.Run("256 bytes", func(t *testing.T) {
			y := newYard(t, open)
			d, _ := y.Dir("a")
			long := strings.Repeat("x", 256)
			_, err := d.Create(long)
			wantCode(t, "Create", err, mft.CodeNameTooLong)
			_, err = y.MkdirAll("a/"+long, 0o755)
			wantCode(t, "MkdirAll", err, mft.CodeNameTooLong)
			wantCode(t, "Rename", d.Rename("file", d, long, RenameNoReplace), mft.CodeNameTooLong)
			_, err = y.Lstat(long + "/a")
			wantCode(t, "Lstat", err, mft.CodeNameTooLong)
		})
	})
}

func TestLinksAreNotFollowed(t *testing.T) {
	const absolute = "the absolute path of a directory outside"
	eachWay(t, func(t *testing.T, open func(string) (*Root, error)) {
		// A target is never a directory of the system: if the code under test is
		// broken, every call goes through, RemoveAll as root among them.
		for _, tt := range []struct{ name, link, target, rel string }{
			{"directory outside", "l", "../in2", "l/file"},
			{"absolute", "l", absolute, "l/file"},
			{"directory inside", "l", "a", "l/file"},
			{"itself", "l", "l", "l/file"},
			{"in the middle", "a/l", "../../in2", "a/l/a/file"},
			{"this process", "l", "/proc/self/cwd", "l/no such file"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				y := newYard(t, open)
				if tt.target == absolute {
					tt.target = y.out
				}
				symlink(t, tt.target, y.at(tt.link))
				for call, err := range everyCall(y, tt.rel) {
					wantCode(t, call, err, mft.CodeSymlink)
				}
				y.untouched(t)
			})
		}
		t.Run("last component", func(t *testing.T) {
			y := newYard(t, open)
			symlink(t, filepath.Join(y.out, "file"), y.at("l"))
			symlink(t, y.out, y.at("ld"))
			_, _, err := y.OpenFile("l")
			wantCode(t, "OpenFile", err, mft.CodeSymlink)
			_, err = y.Dir("ld")
			wantCode(t, "Dir", err, mft.CodeSymlink)
			_, err = y.MkdirAll("ld", 0o755)
			wantCode(t, "MkdirAll", err, mft.CodeSymlink)
			d, _ := y.Dir("")
			_, err = d.OpenExisting("l")
			wantCode(t, "OpenExisting", err, mft.CodeSymlink)
			_, err = d.Dir("ld")
			wantCode(t, "Dir.Dir", err, mft.CodeSymlink)
			_, err = d.Create("l")
			wantCode(t, "Create", err, mft.CodeExists)
			fi, err := y.Lstat("l")
			if err != nil || fi.Mode().Type() != fs.ModeSymlink {
				t.Errorf("Lstat = %v, %v, want a link", fi, err)
			}
			if got, err := y.Readlink("l"); err != nil || got != filepath.Join(y.out, "file") {
				t.Errorf("Readlink = %q, %v", got, err)
			}
			_, err = y.Readlink("a/file")
			wantCode(t, "Readlink of a file", err, mft.CodeWrongType)
			if err := d.Rename("a", d, "b", RenameNoReplace); err != nil {
				t.Errorf("Rename: %v", err)
			}
			wantCode(t, "Rename", d.Rename("b", d, "l", RenameNoReplace), mft.CodeExists)
			for _, name := range []string{"l", "ld"} {
				if err := y.RemoveAll(name); err != nil {
					t.Errorf("RemoveAll: %v", err)
				}
			}
			y.untouched(t)
		})
	})
}
