//go:build unix

package receiver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
)

func inodeOf(t *testing.T, path string) uint64 {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return confine.Stamp(fi).Inode
}

// groups returns for each file below dir the first name that it has there.
func groups(t *testing.T, dir string) map[string]string {
	t.Helper()
	out, firsts := map[string]string{}, map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		id := fmt.Sprint(inodeOf(t, path))
		if firsts[id] == "" {
			firsts[id] = rel
		}
		out[rel] = firsts[id]
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (f *fixture) link(first string, others ...string) {
	f.t.Helper()
	for _, other := range others {
		path := filepath.Join(f.src, other)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			f.t.Fatal(err)
		}
		if err := os.Link(filepath.Join(f.src, first), path); err != nil {
			f.t.Skipf("files cannot have several names here: %v", err)
		}
	}
}

// TestPreserveLinks: names of one file arrive as that, also where some of them were there, stay it when it
// changes, and become files of their own when they are.
func TestPreserveLinks(t *testing.T) {
	for _, mirrored := range []bool{false, true} {
		for _, compare := range []mft.Compare{mft.CompareQuick, mft.CompareContent, mft.CompareNone} {
			t.Run(fmt.Sprintf("mirror %t/%s", mirrored, compare), func(t *testing.T) {
				f := newFixture(t)
				f.offer.Preserve, f.offer.Compare = mft.PreserveLinks, compare
				if mirrored {
					f.offer.Mirror = mft.Mirror{On: true, MaxFiles: -1, MaxPercent: -1}
				}
				f.write("small", []byte("small"), 0o644)
				f.write("in/large", make([]byte, 2<<20), 0o644)
				f.write("alone", []byte("small"), 0o644)
				f.link("small", "also small", "in/deep/small", "other/small")
				f.link("in/large", "large")
				deliver := func() {
					t.Helper()
					f.again()
					if res := f.deliver(); res.sent.Code != mft.CodeOK {
						t.Fatalf("receipt %+v; notes %q", res.sent, f.notes)
					}
					if want, got := groups(t, f.src), groups(t, f.dst); diffMaps(want, got) != "" {
						t.Errorf("the names of files are %v, want %v", got, want)
					}
					if mirrored {
						wantSame(t, f.src, f.dst)
					}
					wantSameFiles(t, f.src, f.dst)
				}
				deliver()
				deliver() // nothing is new

				if err := os.Remove(filepath.Join(f.dst, "large")); err != nil {
					t.Fatal(err)
				}
				deliver() // a name was missing
				old := time.Unix(1_700_000_000, 0)
				if err := os.Chtimes(filepath.Join(f.src, "small"), old, old); err != nil {
					t.Fatal(err)
				}
				deliver() // the file is another one
				f.link("alone", "alone too")
				deliver() // one more name of what was there
				if err := os.Remove(filepath.Join(f.src, "also small")); err != nil {
					t.Fatal(err)
				}
				f.write("also small", []byte("mine!"), 0o644)
				deliver() // and one less
			})
		}
	}
}

// later waits until what is made in dir is younger than what has a name there, or skips where nobody
// says how old that is.
func later(t *testing.T, dir, name string) {
	t.Helper()
	root, err := confine.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	in, err := root.Dir("")
	if err != nil {
		t.Fatal(err)
	}
	old, err := in.Born(name)
	if err != nil || old == 0 {
		t.Skipf("nobody says when it was made: %v", err)
	}
	for {
		f, err := in.Create("young")
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		young, err := in.Born("young")
		if err := errors.Join(err, in.Remove("young")); err != nil {
			t.Fatal(err)
		}
		if young > old {
			return
		}
		runtime.Gosched()
	}
}

// TestLinksOfOthers: a file that was there, and only looks like the one that is sent, gets no second
// name. Where it may be replaced it is; else it stays.
func TestLinksOfOthers(t *testing.T) {
	for policy, want := range map[mft.Overwrite]string{mft.OverwriteReplace: "mine", mft.OverwriteVersion: "ours", mft.OverwriteNever: "ours"} {
		t.Run(string(policy), func(t *testing.T) {
			f := newFixture(t)
			f.offer.Preserve, f.offer.Overwrite = mft.PreserveLinks, policy
			at := time.Unix(1_700_000_000, 0)
			for dir, text := range map[string]string{f.dst: "ours", f.src: "mine"} {
				if err := os.WriteFile(filepath.Join(dir, "a"), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				if err := os.Chtimes(filepath.Join(dir, "a"), at, at); err != nil {
					t.Fatal(err)
				}
			}
			later(t, f.dst, "a")
			f.link("a", "b", "c")
			f.deliver()
			for name, want := range map[string]string{"a": want, "b": "mine", "c": "mine"} {
				if got, err := os.ReadFile(filepath.Join(f.dst, name)); err != nil || string(got) != want {
					t.Errorf("%s has %q, %v, want %q", name, got, err, want)
				}
			}
			if got := groups(t, f.dst); got["b"] != got["c"] || (got["a"] == got["b"]) != (want == "mine") {
				t.Errorf("the names of files are %v", got)
			}
		})
	}
}

// TestLinksCutOff: an attempt that is cut off at any point is made good by the next one.
func TestLinksCutOff(t *testing.T) {
	for _, step := range []string{"flush", "prepare", "rename", "links", "directories", "names", "clear", "commit"} {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%t", step, done), func(t *testing.T) {
				f := newFixture(t)
				f.offer.Preserve, f.offer.Mirror = mft.PreserveLinks, mft.Mirror{On: true, MaxFiles: -1, MaxPercent: -1}
				f.write("a", []byte("a"), 0o644)
				f.write("in/b", []byte("b"), 0o644)
				f.deliver()
				f.again()
				f.write("new/large", make([]byte, 2<<20), 0o644)
				f.link("a", "in/a", "new/a")
				f.link("new/large", "in/large")
				f.step = failOnce(step, 1, done, mft.Fail(mft.CodeIO, step, "", errors.New("injected")))
				if res := f.attempt(t.Context()); res.receiveErr == nil {
					t.Fatalf("nothing failed at %s", step)
				}
				f.step = nil
				if res := f.deliver(); res.sent.Code != mft.CodeOK {
					t.Fatalf("receipt %+v; notes %q", res.sent, f.notes)
				}
				if want, got := groups(t, f.src), groups(t, f.dst); diffMaps(want, got) != "" {
					t.Errorf("the names of files are %v, want %v", got, want)
				}
				wantSame(t, f.src, f.dst)
			})
		}
	}
}

// TestLinksAreNotAsked: without being preserved names are files of their own.
func TestLinksAreNotAsked(t *testing.T) {
	f := newFixture(t)
	f.write("a", []byte("a"), 0o644)
	f.link("a", "b")
	f.deliver()
	if got := groups(t, f.dst); got["a"] != "a" || got["b"] != "b" {
		t.Errorf("they are %v", got)
	}
}
