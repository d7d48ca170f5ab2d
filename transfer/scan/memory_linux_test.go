//go:build !portable

package scan_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"mft.dev/mft/internal/confine"
	"mft.dev/mft/transfer/scan"
)

// A listing takes as much memory for many files as for few.
func TestListingTakesNoMemory(t *testing.T) {
	measure := func(files int) float64 {
		dir := t.TempDir()
		for i := range files {
			write(t, filepath.Join(dir, fmt.Sprintf("a-name-of-more-than-thirty-two-bytes-%d", i)), "")
		}
		root, err := confine.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		l := all()
		return testing.AllocsPerRun(10, func() {
			if got, err := l.List(t.Context(), root, "", "", 0); err != nil || got.Items != int64(files) {
				t.Fatalf("%+v, %v", got, err)
			}
		})
	}
	if few, many := measure(10), measure(500); many > few+2 {
		t.Errorf("10 files take %v allocations, 500 take %v", few, many)
	}
}

func TestReadItemTakesNoMemory(t *testing.T) {
	top := t.TempDir()
	write(t, filepath.Join(top, "d", "f"), "content")
	s := open(t, filepath.Join(top, "d"))
	var e scan.Entry
	for e = range s.Items(t.Context()) {
	}
	buf := make([]byte, e.Item.Size)
	got := testing.AllocsPerRun(10, func() {
		if content, id, err := s.ReadItem(e, buf); err != nil || id != e.Identity || string(content) != "content" {
			t.Fatalf("ReadItem = %q, %v", content, err)
		}
	})
	if got > 0 {
		t.Errorf("ReadItem allocates %v times, want none", got)
	}
}
