//go:build unix

package receiver

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mft.dev/mft"
	"mft.dev/mft/trigger/selection"
)

// TestMirrorOfLinks: what becomes of links, and of what has their names at the destination.
func TestMirrorOfLinks(t *testing.T) {
	tests := []struct {
		policy mft.Symlinks
		inner  string // what in/near is at the destination
		fails  int
	}{
		{"", "-> file", 0},
		{mft.SymlinksCopy, "-> file", 0},
		{mft.SymlinksSkip, "theirs", 0},
		{mft.SymlinksRefuse, "theirs", 3},
	}
	for _, tt := range tests {
		for _, compare := range []mft.Compare{mft.CompareQuick, mft.CompareNone} {
			t.Run("policy "+string(tt.policy)+"/"+string(compare), func(t *testing.T) {
				f := newFixture(t)
				f.write("in/file", []byte("content"), 0o644)
				f.offer.Mirror, f.offer.Compare = mft.Mirror{On: true, MaxFiles: -1, MaxPercent: -1}, compare
				f.deliver()
				chosen := selection.Selection{Symlinks: tt.policy}
				if tt.policy != "" {
					f.choose = chosen.Choose(time.Now())
				}
				secret := filepath.Join(t.TempDir(), "secret")
				if err := errors.Join(
					os.WriteFile(secret, []byte("secret"), 0o644), os.Symlink(secret, filepath.Join(f.src, "far")),
					os.Symlink("file", filepath.Join(f.src, "in/near")), os.Symlink("in", filepath.Join(f.src, "dir")),
				); err != nil {
					t.Fatal(err)
				}
				f.put("in/near", "far", "extra")
				if err := os.WriteFile(filepath.Join(f.dst, "in/near"), []byte("theirs"), 0o644); err != nil {
					t.Fatal(err)
				}
				for range 2 { // the second time there is nothing to do, and it is no other
					f.again()
					f.notes = nil
					res := f.deliver()
					fails := 0
					for _, note := range f.notes {
						if strings.Contains(note, string(mft.CodeLinkRefused)) {
							fails++
						}
					}
					if fails != tt.fails {
						t.Errorf("notes %q, want %d links refused", f.notes, tt.fails)
					}
					if (res.sent.Code != mft.CodeOK || res.sendErr != nil) && tt.fails == 0 {
						t.Errorf("receipt %+v, %v, want OK", res.sent, res.sendErr)
					}
				}
				want := map[string]string{"in/file": "content", "in/near": tt.inner, "far": "far"}
				if tt.inner == "-> file" {
					want["dir"] = "-> in"
				}
				if tt.fails > 0 {
					want["extra"] = "extra" // a source that could not be read whole removes nothing
				}
				if diff := cmp.Diff(want, linked(t, f.dst)); diff != "" {
					t.Errorf("destination (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// linked returns the files below dir with their content, and the links with their targets.
func linked(t *testing.T, dir string) map[string]string {
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		if d.Type()&os.ModeSymlink != 0 {
			target, err := os.Readlink(p)
			out[rel] = "-> " + target
			return err
		}
		b, err := os.ReadFile(p)
		out[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
