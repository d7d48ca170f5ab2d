package confine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"pgregory.net/rapid"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine/beneath"
)

func TestRename(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(string) (*Root, error)) {
		for _, tt := range []struct {
			name, from, to string
			mode           RenameMode
			want           mft.Code
			content        map[string]string // "" when nothing is to be there
		}{
			{"new name", "one", "a/new", RenameNoReplace, mft.CodeOK, map[string]string{"one": "", "a/new": "1"}},
			{"onto a file", "one", "two", RenameNoReplace, mft.CodeExists, map[string]string{"one": "1", "two": "2"}},
			{"in place of a file", "one", "two", RenameReplace, mft.CodeOK, map[string]string{"one": "", "two": "1"}},
			{"onto a directory", "one", "a", RenameNoReplace, mft.CodeExists, map[string]string{"one": "1", "a/file": "content"}},
			{"in place of a directory", "one", "a", RenameReplace, mft.CodeWrongType, map[string]string{"one": "1", "a/file": "content"}},
			{"directory onto a file", "a", "one", RenameNoReplace, mft.CodeExists, map[string]string{"one": "1", "a/file": "content"}},
			{"directory", "a", "b", RenameNoReplace, mft.CodeOK, map[string]string{"a/file": "", "b/file": "content"}},
			{"nothing", "none", "b", RenameNoReplace, mft.CodeNotFound, nil},
			{"nothing, replacing", "none", "one", RenameReplace, mft.CodeNotFound, map[string]string{"one": "1"}},
			{"into nothing", "one", "none/one", RenameReplace, mft.CodeNotFound, map[string]string{"one": "1"}},
			{"onto itself", "one", "one", RenameNoReplace, mft.CodeExists, map[string]string{"one": "1"}},
			{"in place of itself", "one", "one", RenameReplace, mft.CodeOK, map[string]string{"one": "1"}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				y := newYard(t, open)
				write(t, y.at("one"), "1")
				write(t, y.at("two"), "2")
				err := y.Rename(tt.from, tt.to, tt.mode)
				if tt.name != "in place of a directory" || !portableRoot {
					wantCode(t, "Rename", err, tt.want)
				}
				for rel, want := range tt.content {
					got, err := os.ReadFile(y.at(rel))
					if string(got) != want || (want == "") != errors.Is(err, fs.ErrNotExist) {
						t.Errorf("%s is %q (%v), want %q", rel, got, err, want)
					}
				}
			})
		}
	})
}

// noReplaceWays are all the ways of RenameNoReplace, which the file system of
// a test may not need.
func noReplaceWays() map[string]func(move) error {
	return map[string]func(move) error{
		"as it comes": move.noReplace,
		"by link":     move.byLink,
		"by looking":  move.byLooking,
	}
}

func TestRenameWithoutTheCall(t *testing.T) {
	for way, call := range noReplaceWays() {
		t.Run(way, func(t *testing.T) {
			y := newYard(t, Open)
			write(t, y.at("one"), "1")
			write(t, y.at("two"), "2")
			symlink(t, y.out+"/file", y.at("link"))
			d := y.top(t)
			rename := func(oldname, newname string) error {
				return d.root.tree.Use(d.node, func(h beneath.Handle) error {
					return call(move{from: h, into: h, oldname: oldname, newname: newname, within: true})
				})
			}
			if err := rename("one", "two"); !errors.Is(err, fs.ErrExist) {
				t.Errorf("onto a file: %v, want %v", err, fs.ErrExist)
			}
			if err := rename("one", "link"); !errors.Is(err, fs.ErrExist) {
				t.Errorf("onto a link: %v, want %v", err, fs.ErrExist)
			}
			if err := rename("none", "three"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("nothing: %v, want %v", err, fs.ErrNotExist)
			}
			for _, pair := range [][2]string{{"one", "three"}, {"link", "link2"}, {"a", "b"}} {
				if err := rename(pair[0], pair[1]); err != nil {
					t.Errorf("%q: %v", pair, err)
				}
				if _, err := d.Lstat(pair[0]); mft.CodeOf(err) != mft.CodeNotFound {
					t.Errorf("%s is still there (%v)", pair[0], err)
				}
			}
			if got, err := os.ReadFile(y.at("three")); err != nil || string(got) != "1" {
				t.Errorf("three is %q, %v, want 1", got, err)
			}
			if got, err := d.Readlink("link2"); err != nil || got != y.out+"/file" {
				t.Errorf("link2 points to %q, %v", got, err)
			}
			y.untouched(t)
		})
	}
}

// A crash between link and removal leaves both names; the rename that is done
// again after it must complete and not find its own work in the way.
func TestRenameThatWasInterrupted(t *testing.T) {
	y := newYard(t, Open)
	write(t, y.at("part"), "1")
	if err := os.Link(y.at("part"), y.at("final")); err != nil {
		t.Skipf("no hard links here: %v", err)
	}
	if err := y.Rename("part", "final", RenameNoReplace); err != nil {
		t.Fatalf("Rename: %v", err)
	}
	if _, err := y.Lstat("part"); mft.CodeOf(err) != mft.CodeNotFound {
		t.Errorf("the old name is still there (%v)", err)
	}
	if got, err := os.ReadFile(y.at("final")); err != nil || string(got) != "1" {
		t.Errorf("final is %q, %v, want 1", got, err)
	}
	// One name in two spellings of case is perhaps one name.
	if err := os.Link(y.at("final"), y.at("FINAL")); err != nil {
		t.Skipf("names are the same whatever their case: %v", err)
	}
	wantCode(t, "Rename", y.Rename("final", "FINAL", RenameNoReplace), mft.CodeExists)
	if _, err := y.Lstat("final"); err != nil {
		t.Errorf("final has gone: %v", err)
	}
}

func TestRenameToAnotherRoot(t *testing.T) {
	y, z := newYard(t, Open), newYard(t, Open)
	put := func(content string) {
		if err := os.WriteFile(y.at("new"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("1")
	err := y.top(t).Rename("new", z.top(t), "other", RenameNoReplace)
	if runtime.GOOS != "linux" {
		if !errors.Is(err, ErrCrossDevice) {
			t.Fatalf("Rename: %v, want ErrCrossDevice", err)
		}
		return
	}
	if got, read := os.ReadFile(z.at("other")); err != nil || read != nil || string(got) != "1" {
		t.Fatalf("Rename: %v; other is %q, %v, want 1", err, got, read)
	}
	put("2")
	wantCode(t, "Rename", y.top(t).Rename("new", z.top(t), "other", RenameNoReplace), mft.CodeExists)
}

// Whatever is renamed where: no content is lost or made, and without replacing
// none disappears.
func TestRenameProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		top, err := os.MkdirTemp("", "confine")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(top)
		r, err := Open(top)
		if err != nil {
			rt.Fatal(err)
		}
		defer r.Close()
		names := []string{"a", "b", "c", "d"}
		model := map[string]string{}
		for _, name := range names[:rapid.IntRange(1, 3).Draw(rt, "files")] {
			model[name] = name
			if err := os.WriteFile(filepath.Join(top, name), []byte(name), 0o644); err != nil {
				rt.Fatal(err)
			}
		}
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			from, to := rapid.SampledFrom(names).Draw(rt, "from"), rapid.SampledFrom(names).Draw(rt, "to")
			mode := rapid.SampledFrom([]RenameMode{RenameReplace, RenameNoReplace}).Draw(rt, "mode")
			content, exists := model[from]
			_, taken := model[to]
			want := exists && (mode == RenameReplace || !taken)
			if err := r.Rename(from, to, mode); (err == nil) != want {
				rt.Fatalf("Rename(%q, %q, %d) = %v, want success: %t", from, to, mode, err, want)
			}
			if want {
				delete(model, from)
				model[to] = content
			}
		}
		for _, name := range names {
			want, exists := model[name]
			got, err := os.ReadFile(filepath.Join(top, name))
			if string(got) != want || (err == nil) != exists {
				rt.Fatalf("%s is %q (%v), want %q", name, got, err, want)
			}
		}
	})
}
