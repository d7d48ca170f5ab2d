//go:build !portable

package beneath

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"mft.dev/mft/internal/confine/entries"
)

// The tests of package confine run by both means; this tells whether the
// first of them was really there.
func TestBestIsOpenat2(t *testing.T) {
	tree, err := Open(t.TempDir(), Best)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	if tree.plain {
		t.Skip("openat2 does not work here: paths are walked")
	}
	walk, err := Open(t.TempDir(), Walk)
	if err != nil {
		t.Fatal(err)
	}
	defer walk.Close()
	if !walk.plain {
		t.Error("a tree that was to be walked uses openat2")
	}
}

// Both means say the same of every kind of thing at the end of a path and in
// its middle.
func TestMeansAgree(t *testing.T) {
	top := t.TempDir()
	for _, dir := range []string{"d/sub", "closed"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(top, "d", "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"up": "..", "in": "d", "file": "d/file", "loop": "loop", "gone": "none"} {
		if err := os.Symlink(target, filepath.Join(top, name)); err != nil {
			t.Fatal(err)
		}
	}
	best, err := Open(top, Best)
	if err != nil {
		t.Fatal(err)
	}
	defer best.Close()
	for _, rel := range []string{
		"d", "d/sub", "d/file", "none", "d/none", "none/d", "d/file/x", "up", "in", "in/sub", "file", "loop", "gone", "up/x",
		"d/sub/" + strings.Repeat("x", 256), strings.Repeat("d/", unix.PathMax/2) + "d",
	} {
		for _, flags := range []int{unix.O_RDONLY | unix.O_DIRECTORY, unix.O_RDONLY | entries.Inert, unix.O_PATH | unix.O_DIRECTORY} {
			a, errA := best.openat(best.base.fd, rel, flags)
			b, errB := walk(best.base.fd, rel, flags)
			for fd, err := range map[int]error{a: errA, b: errB} {
				if err == nil {
					_ = unix.Close(fd)
				}
			}
			if errA != errB {
				t.Errorf("%.40q with flags %#x: openat2 says %v, walking %v", rel, flags, errA, errB)
			}
		}
	}
}
