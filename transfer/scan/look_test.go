package scan

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mft.dev/mft/internal/confine"
	"mft.dev/mft/transfer/look"
)

// TestInGoesByWhatWasSeen lists a directory with b and d in it, changes it, and
// has its entries told.
func TestInGoesByWhatWasSeen(t *testing.T) {
	long := time.Unix(1_000_000_000, 0)
	for _, c := range []struct {
		name   string
		change func(top string) error
		want   []string
		anew   bool // b is what it is now
	}{
		{"nothing", func(string) error { return nil }, []string{"b", "d"}, false},
		{"written in place", func(top string) error {
			return os.WriteFile(filepath.Join(top, "s", "b"), []byte("longer"), 0o644)
		}, []string{"b", "d"}, false},
		{"replaced", func(top string) error {
			return errors.Join(
				os.WriteFile(filepath.Join(top, "other"), []byte("longer"), 0o644),
				os.Rename(filepath.Join(top, "other"), filepath.Join(top, "s", "b")))
		}, []string{"b", "d"}, true},
		{"appeared", func(top string) error {
			return errors.Join(
				os.WriteFile(filepath.Join(top, "s", "b"), []byte("longer"), 0o644),
				os.WriteFile(filepath.Join(top, "s", "c"), nil, 0o644))
		}, []string{"b", "c", "d"}, true},
		{"another directory", func(top string) error {
			return errors.Join(
				os.Rename(filepath.Join(top, "s"), filepath.Join(top, "old")),
				os.Mkdir(filepath.Join(top, "s"), 0o755),
				os.WriteFile(filepath.Join(top, "s", "b"), []byte("longer"), 0o644),
				os.Chtimes(filepath.Join(top, "s"), long, long))
		}, []string{"b"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			top := t.TempDir()
			dir := filepath.Join(top, "s")
			err := errors.Join(
				os.MkdirAll(filepath.Join(dir, "d"), 0o755),
				os.WriteFile(filepath.Join(dir, "b"), []byte("b"), 0o644),
				os.Mkdir(filepath.Join(dir, ".mft-x.part"), 0o755),
				os.Chtimes(dir, long, long))
			if err != nil {
				t.Fatal(err)
			}
			// The root is above, so that another directory can take the place.
			root, err := confine.Open(top)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			s, err := OpenUnder(root, "s/")
			if err != nil {
				t.Fatal(err)
			}
			var first look.Look
			if _, err := s.ListInto(t.Context(), &Lister{}, "", &first, true); err != nil {
				t.Fatal(err)
			}
			seen := first.Clone()
			if err := c.change(top); err != nil {
				t.Fatal(err)
			}
			f, _ := s.Top()
			var names []string
			size := int64(-1)
			settled, err := s.In(t.Context(), f, seen, nil, func(e Entry, err error) error {
				names = append(names, e.Item.Path)
				if e.Item.Path == "b" {
					size = e.Item.Size
				}
				return err
			})
			if err != nil || !settled {
				t.Errorf("In() = %v, %v, want a settled directory", settled, err)
			}
			if !slices.Equal(names, c.want) {
				t.Errorf("told of %q, want %q", names, c.want)
			}
			if want := int64(len("longer")); (size == want) != c.anew {
				t.Errorf("b has %d bytes, looked at anew: want %v", size, c.anew)
			}
			names = nil
			_, err = s.In(t.Context(), f, &first, func(name []byte, _ *confine.Identity, _ []byte) bool { return string(name) != "b" }, func(e Entry, err error) error {
				names = append(names, e.Item.Path)
				return err
			})
			if had := slices.DeleteFunc(c.want, func(name string) bool { return name != "b" }); err != nil || !slices.Equal(names, had) {
				t.Errorf("told of %q, %v, want %q but for what is had", names, err, had)
			}
		})
	}
}
