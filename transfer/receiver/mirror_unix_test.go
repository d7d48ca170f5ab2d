//go:build unix

package receiver

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/transfer/mirror"
)

// mirrored is a fixture whose destination has all of the source, and then is
// mirrored with these limits.
func mirrored(t *testing.T, limits mft.Mirror) *fixture {
	t.Helper()
	f := newFixture(t)
	f.tree(5, 10)
	f.deliver()
	f.again()
	limits.On = true
	f.offer.Mirror = limits
	return f
}

// put makes a file at the destination.
func (f *fixture) put(names ...string) {
	f.t.Helper()
	for _, name := range names {
		p := filepath.Join(f.dst, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			f.t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(name), 0o644); err != nil {
			f.t.Fatal(err)
		}
	}
}

func TestMirrorMakesTheSame(t *testing.T) {
	for _, compare := range []mft.Compare{mft.CompareQuick, mft.CompareContent, mft.CompareNone} {
		t.Run(string(compare), func(t *testing.T) {
			f := mirrored(t, mft.Mirror{MaxFiles: 100, MaxPercent: 50})
			f.offer.Compare = compare
			f.put("extra", "d001/sub/extra", "gone/a", "gone/deep/b")
			if err := os.Symlink("extra", filepath.Join(f.dst, "d001/link")); err != nil {
				t.Fatal(err)
			}
			f.write("d002/sub/f0003", []byte("changed"), 0o600)
			f.write("new/x", []byte("x"), 0o600)
			for _, name := range []string{"d004", "d003/sub/f0001"} {
				if err := os.RemoveAll(filepath.Join(f.src, name)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(filepath.Join(f.src, "d000"), 0o700); err != nil {
				t.Fatal(err)
			}
			res := f.deliver()
			wantSame(t, f.src, f.dst)
			// d004 has 12 entries; gone 4; three single ones and f0001.
			if res.sent.Code != mft.CodeOK || res.sent.Removed != 20 || res.received != res.sent {
				t.Errorf("receipts %+v and %+v, want 20 removed", res.sent, res.received)
			}
			f.again()
			res = f.deliver()
			if res.sent.Removed != 0 || compare == mft.CompareQuick && res.sent.Received.Items != 0 {
				t.Errorf("a second time: receipt %+v, want nothing to do", res.sent)
			}
		})
	}
}

func TestMirrorOfANamedDirectory(t *testing.T) {
	f := newFixture(t)
	f.sources = []string{f.src}
	f.tree(2, 3)
	f.deliver()
	f.put("src/extra", "beside")
	f.again()
	f.offer.Mirror = mft.DefaultMirror()
	if res := f.deliver(); res.sent.Removed != 1 {
		t.Errorf("receipt %+v, want one removed", res.sent)
	}
	wantSame(t, f.src, filepath.Join(f.dst, "src"))
	if _, err := os.Stat(filepath.Join(f.dst, "beside")); err != nil {
		t.Error("what is beside the directory was removed")
	}
}

func TestMirrorLimits(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limits mft.Mirror
		change func(f *fixture) error
		code   mft.Code
		words  string
	}{
		{"files", mft.Mirror{MaxFiles: 1, MaxPercent: -1}, func(f *fixture) error { f.put("x", "y"); return nil }, mft.CodeDeleteLimit, "2 files"},
		{"no file", mft.Mirror{MaxFiles: 0, MaxPercent: -1}, func(f *fixture) error { f.put("x"); return nil }, mft.CodeDeleteLimit, "1 files"},
		{"share", mft.Mirror{MaxFiles: -1, MaxPercent: 10}, func(f *fixture) error {
			return os.RemoveAll(filepath.Join(f.src, "d000"))
		}, mft.CodeDeleteLimit, "12 of 62 entries"},
		{"within", mft.Mirror{MaxFiles: 2, MaxPercent: 10}, func(f *fixture) error { f.put("x", "y"); return nil }, mft.CodeOK, ""},
		{"no limit", mft.Mirror{MaxFiles: -1, MaxPercent: -1}, func(f *fixture) error {
			for i := range 5 {
				if err := os.RemoveAll(filepath.Join(f.src, fmt.Sprintf("d%03d", i))); err != nil {
					return err
				}
			}
			return nil
		}, mft.CodeOK, ""},
		{"empty source", mft.Mirror{MaxFiles: -1, MaxPercent: -1}, func(f *fixture) error {
			if err := os.RemoveAll(f.src); err != nil {
				return err
			}
			return os.Mkdir(f.src, 0o755)
		}, mft.CodeEmptySource, "empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := mirrored(t, tt.limits)
			if err := tt.change(f); err != nil {
				t.Fatal(err)
			}
			before := arrived(t, f.dst)
			res := f.deliver()
			if res.sent.Code != tt.code || !strings.Contains(res.sent.Detail, tt.words) {
				t.Errorf("receipt %+v, want %v with %q", res.sent, tt.code, tt.words)
			}
			if tt.code == mft.CodeOK {
				wantSame(t, f.src, f.dst)
				return
			}
			if diff := diffMaps(before, arrived(t, f.dst)); diff != "" || res.sent.Removed != 0 {
				t.Errorf("something was removed: %s, %d", diff, res.sent.Removed)
			}
		})
	}
}

// TestMirrorSpares: what must never be removed.
func TestMirrorSpares(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(f *fixture) (stays string, err error)
		failed int64
	}{
		{"staging of another transfer", func(f *fixture) (string, error) {
			f.put(".mft-00000000000000000000000000000000.part/x")
			return ".mft-00000000000000000000000000000000.part/x", nil
		}, 0},
		{"a directory with staging in it", func(f *fixture) (string, error) {
			f.put("extra/deep/.mft-0.part/x")
			return "extra/deep/.mft-0.part/x", nil
		}, 0},
		{"the name of a pipe at the source", func(f *fixture) (string, error) {
			f.put("d001/pipe")
			return "d001/pipe", syscall.Mkfifo(filepath.Join(f.src, "d001/pipe"), 0o600)
		}, 0},
		{"the name of a pipe among many", func(f *fixture) (string, error) {
			f.put("d001/sub/pipe")
			return "d001/sub/pipe", syscall.Mkfifo(filepath.Join(f.src, "d001/sub/pipe"), 0o600)
		}, 0},
		{"the name of a link that leads out", func(f *fixture) (string, error) {
			f.put("d001/out")
			return "d001/out", os.Symlink(f.dst, filepath.Join(f.src, "d001/out"))
		}, 0},
		{"all, when a directory cannot be read", func(f *fixture) (string, error) {
			f.put("extra")
			// Too long to travel: an error of the scan that root meets too.
			deep := filepath.Join(f.src, "d001")
			for range 17 {
				deep = filepath.Join(deep, strings.Repeat("n", 240))
				if err := mkdirLong(deep); err != nil {
					return "", err
				}
			}
			return "extra", nil
		}, 1},
		{"what a link at the destination leads to", func(f *fixture) (string, error) {
			outside := filepath.Join(filepath.Dir(f.dst), "outside")
			if err := os.MkdirAll(outside, 0o755); err != nil {
				return "", err
			}
			if err := os.WriteFile(filepath.Join(outside, "x"), nil, 0o644); err != nil {
				return "", err
			}
			return "../outside/x", os.Symlink(outside, filepath.Join(f.dst, "extra"))
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := mirrored(t, mft.Mirror{MaxFiles: -1, MaxPercent: -1})
			stays, err := tt.change(f)
			if err != nil {
				t.Skipf("not here: %v", err)
			}
			res := f.deliver()
			if _, err := os.Lstat(filepath.Join(f.dst, stays)); err != nil {
				t.Errorf("%s was removed: %+v", stays, res.sent)
			}
			if res.sent.Failed != tt.failed {
				t.Errorf("receipt %+v, want %d failed", res.sent, tt.failed)
			}
		})
	}
}

// mkdirLong makes a directory whose path is longer than a call takes.
func mkdirLong(path string) error {
	if len(path) < 4000 {
		return os.Mkdir(path, 0o755)
	}
	back, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := os.Chdir(filepath.Dir(path)); err != nil {
		return err
	}
	err = os.Mkdir(filepath.Base(path), 0o755)
	return slices.Compact([]error{err, os.Chdir(back)})[0]
}

// TestMirrorIsEndedAfterACrash fails the removal, and what follows it, undone
// and done; the next attempt ends with the same numbers.
func TestMirrorIsEndedAfterACrash(t *testing.T) {
	for _, step := range []string{"prepare", "rename", "names", "remove", "clear", "commit"} {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/done=%v", step, done), func(t *testing.T) {
				f := mirrored(t, mft.Mirror{MaxFiles: 100, MaxPercent: 50})
				f.put("extra", "gone/a", "gone/b")
				f.write("d000/sub/new", []byte("new"), 0o644)
				f.step = failOnce(step, 1, done, mft.Fail(mft.CodeIO, step, "", fmt.Errorf("injected")))
				if res := f.attempt(t.Context()); res.receiveErr == nil {
					t.Fatal("the step did not fail")
				}
				f.step = nil
				receipt, _, ok, err := f.journal.Receipt(t.Context(), f.id)
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					receipt = f.deliver().sent
				}
				wantSame(t, f.src, f.dst)
				if receipt.Code != mft.CodeOK || receipt.Removed != 4 {
					t.Errorf("receipt %+v, want 4 removed", receipt)
				}
				plan, _, err := f.journal.Removals(t.Context(), f.id)
				if err != nil || len(plan) != 0 {
					t.Errorf("the journal still plans to remove %+v, %v", plan, err)
				}
			})
		}
	}
}

// TestMirrorNeverRemovesAnother: what took the place of something that was to
// go is not that.
func TestMirrorNeverRemovesAnother(t *testing.T) {
	f := mirrored(t, mft.Mirror{MaxFiles: 100, MaxPercent: 50})
	f.put("extra", "gone/a")
	f.step = func(step string, do func() error) error {
		if step == "remove" {
			for _, err := range []error{
				os.Rename(filepath.Join(f.dst, "gone"), filepath.Join(f.dst, "other")), os.Mkdir(filepath.Join(f.dst, "gone"), 0o755),
				os.WriteFile(filepath.Join(f.dst, "extra"), []byte("another, longer"), 0o644),
			} {
				if err != nil {
					t.Error(err)
				}
			}
		}
		return do()
	}
	if res := f.deliver(); res.sent.Removed != 0 {
		t.Errorf("receipt %+v, want nothing removed", res.sent)
	}
	for _, name := range []string{"extra", "gone", "other/a"} {
		if _, err := os.Stat(filepath.Join(f.dst, name)); err != nil {
			t.Errorf("%s is gone", name)
		}
	}
}

func TestMirrorDecides(t *testing.T) {
	for _, tt := range []struct {
		name   string
		plan   mirror.Plan
		limits mft.Mirror
		empty  bool
		want   mft.Code
	}{
		{"nothing", mirror.Plan{Total: 10}, mft.Mirror{}, false, mft.CodeOK},
		{"nothing, of nothing", mirror.Plan{}, mft.Mirror{}, true, mft.CodeOK},
		{"one, none allowed", mirror.Plan{Files: 1, Entries: 1, Total: 10}, mft.Mirror{}, false, mft.CodeDeleteLimit},
		{"a directory, no share allowed", mirror.Plan{Entries: 1, Total: 10}, mft.Mirror{MaxFiles: -1}, false, mft.CodeDeleteLimit},
		{"a directory, no file allowed", mirror.Plan{Entries: 1, Total: 10}, mft.Mirror{MaxPercent: -1}, false, mft.CodeOK},
		{"just half", mirror.Plan{Files: 5, Entries: 5, Total: 10}, mft.DefaultMirror(), false, mft.CodeOK},
		{"more than half", mirror.Plan{Files: 6, Entries: 6, Total: 11}, mft.DefaultMirror(), false, mft.CodeDeleteLimit},
		{"a thousand", mirror.Plan{Files: 1000, Entries: 1000, Total: 1 << 40}, mft.DefaultMirror(), false, mft.CodeOK},
		{"one more", mirror.Plan{Files: 1001, Entries: 1001, Total: 1 << 40}, mft.DefaultMirror(), false, mft.CodeDeleteLimit},
		{"all, without limit", mirror.Plan{Files: 1 << 62, Entries: 1 << 62, Total: 1 << 62}, mft.Mirror{MaxFiles: -1, MaxPercent: -1}, false, mft.CodeOK},
		{"empty source, without limit", mirror.Plan{Files: 1, Entries: 1, Total: 1}, mft.Mirror{MaxFiles: -1, MaxPercent: -1}, true, mft.CodeEmptySource},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := mirror.Decide(&tt.plan, tt.limits, tt.empty); mft.CodeOf(err) != tt.want {
				t.Errorf("Decide = %v, want %v", err, tt.want)
			}
		})
	}
}

// TestMirrorIntoNothing: nothing waits for what might be renamed where there is nothing.
func TestMirrorIntoNothing(t *testing.T) {
	f := newFixture(t)
	f.offer.Mirror = mft.Mirror{On: true, MaxFiles: -1, MaxPercent: -1}
	f.write("large", make([]byte, 2<<20), 0o644)
	f.write("in/large", make([]byte, 2<<20), 0o644)
	if res := f.deliver(); res.sent.Code != mft.CodeOK || res.sent.Received.Bytes != 4<<20 {
		t.Errorf("receipt %+v", res.sent)
	}
	wantSame(t, f.src, f.dst)
}
