//go:build unix

package receiver

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mft.dev/mft"
)

// rename renames below the source.
func (f *fixture) rename(from, to string) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Join(f.src, filepath.Dir(to)), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(f.src, from), filepath.Join(f.src, to)); err != nil {
		f.t.Fatal(err)
	}
}

// moving is a mirrored fixture with large files and directories to move.
func moving(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t)
	f.tree(4, 5)
	for i := range 3 {
		f.write(fmt.Sprintf("large%d", i), randomBytes(uint64(i), 1<<20+i), 0o644)
	}
	f.write("d000/empty/deep/x", []byte("x"), 0o600)
	f.deliver()
	f.again()
	f.offer.Mirror = mft.Mirror{On: true, MaxFiles: 0, MaxPercent: 0} // nothing may be removed
	return f
}

func TestMovedIsRenamed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(f *fixture)
		moves  map[string]string // that keep their inode
	}{
		{"a file", func(f *fixture) { f.rename("large0", "huge0") }, map[string]string{"large0": "huge0"}},
		{"a file to another directory", func(f *fixture) { f.rename("large0", "d001/large0") }, map[string]string{"large0": "d001/large0"}},
		{"a directory", func(f *fixture) { f.rename("d000", "e000") }, map[string]string{"d000": "e000", "d000/sub/f0003": "e000/sub/f0003"}},
		{"a directory to another", func(f *fixture) { f.rename("d000", "d001/sub/d000") }, map[string]string{"d000/empty/deep": "d001/sub/d000/empty/deep"}},
		{"both", func(f *fixture) { f.rename("d000", "e000"); f.rename("large2", "l2") }, map[string]string{"d000": "e000", "large2": "l2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := moving(t)
			tt.change(f)
			before := inodes(t, f.dst)
			n := f.wire()
			res := f.deliver()
			wantSame(t, f.src, f.dst)
			after := inodes(t, f.dst)
			for from, to := range tt.moves {
				if after[to] != before[from] {
					t.Errorf("%s is not what %s was", to, from)
				}
			}
			if res.sent.Code != mft.CodeOK || res.sent.Removed != 0 || res.sent.Received.Bytes != 0 {
				t.Errorf("receipt %+v, want nothing removed and no content", res.sent)
			}
			if n.Load() > 10_000 {
				t.Errorf("%d bytes travelled", n.Load())
			}
			f.again()
			if res = f.deliver(); res.sent.Received.Items != 0 || res.sent.Removed != 0 {
				t.Errorf("a second time: receipt %+v", res.sent)
			}
		})
	}
}

// TestNotMoved: what must not be taken for something else.
func TestNotMoved(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(f *fixture)
	}{
		{"a directory that was changed too", func(f *fixture) {
			f.rename("d000", "e000")
			f.write("e000/empty/deep/x", []byte("y, changed"), 0o600)
		}},
		{"a file that was changed too", func(f *fixture) {
			f.rename("large0", "huge0")
			f.write("huge0", randomBytes(9, 1<<20), 0o644)
			if err := os.Chtimes(filepath.Join(f.src, "huge0"), at(1), at(1)); err != nil {
				f.t.Fatal(err)
			}
		}},
		{"one of two that look the same", func(f *fixture) {
			for _, dir := range []string{f.src, f.dst} {
				for i, name := range []string{"twin0", "twin1"} {
					p := filepath.Join(dir, name)
					if err := os.WriteFile(p, randomBytes(uint64(40+i), 1<<20), 0o644); err != nil {
						f.t.Fatal(err)
					}
					if err := os.Chtimes(p, at(2), at(2)); err != nil {
						f.t.Fatal(err)
					}
				}
			}
			f.rename("twin0", "x0")
			f.rename("twin1", "x1")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := moving(t)
			f.offer.Mirror = mft.Mirror{On: true, MaxFiles: -1, MaxPercent: -1}
			tt.change(f)
			f.deliver()
			wantSame(t, f.src, f.dst)
		})
	}
}

// TestManyMovedDoNotBlock: more large files and directories than the windows
// hold back.
func TestManyMovedDoNotBlock(t *testing.T) {
	f := newFixture(t)
	for i := range 700 {
		f.write(fmt.Sprintf("a/d%04d/f", i), []byte(fmt.Sprint(i)), 0o644)
	}
	for i := range 20_000 {
		f.write(fmt.Sprintf("b/%05d", i), nil, 0o644)
	}
	f.write("b/-large", randomBytes(1, 1<<20), 0o644) // announced before the others
	f.write("c", nil, 0o644)
	if err := os.WriteFile(filepath.Join(f.dst, "c"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if err := os.Mkdir(filepath.Join(f.dst, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f.offer.Mirror = mft.DefaultMirror()
	f.deliver()
	wantSame(t, f.src, f.dst)
}

// TestMoveIsOnRecord crashes around the renaming. A consumer takes away what has
// appeared, and it does not come again.
func TestMoveIsOnRecord(t *testing.T) {
	for _, step := range []string{"move", "rename", "commit"} {
		for _, done := range []bool{false, true} {
			for _, taken := range []bool{false, true} {
				if step == "move" && !done {
					continue // then it is sent
				}
				t.Run(fmt.Sprintf("%s/done=%v/taken=%v", step, done, taken), func(t *testing.T) {
					f := moving(t)
					f.rename("large0", "huge0")
					f.write("new", []byte("new"), 0o644)
					f.step = failOnce(step, 1, done, mft.Fail(mft.CodeIO, step, "", fmt.Errorf("injected")))
					if res := f.attempt(t.Context()); res.receiveErr == nil {
						t.Fatal("the step did not fail")
					}
					f.step = nil
					huge := filepath.Join(f.dst, "huge0")
					_, err := os.Lstat(huge)
					appeared := err == nil
					if appeared && taken {
						if err := os.Remove(huge); err != nil {
							t.Fatal(err)
						}
					}
					if _, _, ok, err := f.journal.Receipt(t.Context(), f.id); err != nil {
						t.Fatal(err)
					} else if !ok {
						f.deliver()
					}
					if _, err = os.Lstat(huge); (err == nil) == (appeared && taken) {
						t.Errorf("it appeared: %v, was taken: %v, and now is there: %v", appeared, taken, err == nil)
					}
					if !taken {
						wantSame(t, f.src, f.dst)
					}
				})
			}
		}
	}
}

// at is a moment of the past.
func at(n int) time.Time { return time.Unix(1_700_000_000+int64(n), 0) }
