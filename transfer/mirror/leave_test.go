package mirror

import (
	"path"
	"slices"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/protocol/listing"
)

// TestLeave: what is not for the mirror stays, with the directories that it is in; also
// what has come since it was planned what goes.
func TestLeave(t *testing.T) {
	marks := func(p string, dir bool) bool { return path.Base(p) == "mark" && !dir || p == "whole" }
	for _, tt := range []struct {
		name    string
		files   []string
		between string // is made before anything is removed
		want    []string
		removed int64
	}{
		{"beside", []string{"keep", "gone", "mark"}, "", []string{"keep", "mark"}, 1},
		{"deep in what goes", []string{"keep", "d/a", "d/e/mark", "d/e/b", "d/f/c"}, "", []string{"d/e/mark", "keep"}, 4},
		{"a directory", []string{"keep", "whole/a", "whole/b/c"}, "", []string{"keep", "whole/a", "whole/b/c"}, 0},
		{"nothing in what goes", []string{"keep", "d/a", "d/e/b"}, "", []string{"keep"}, 4},
		{"it comes late", []string{"keep", "d/e/b"}, "d/e/mark", []string{"d/e/mark", "keep"}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDestination(t, tt.files...)
			d.leave = marks
			if tt.between != "" {
				d.between = func() { d.write(tt.between) }
			}
			rest := d.finish(listing.Listed{Whole: true}, mft.Seal{Whole: true})
			if got := d.has(); rest.Err != nil || rest.Refused != nil || !slices.Equal(got, tt.want) {
				t.Errorf("Finish: %v, %v; the destination has %q, want %q", rest.Err, rest.Refused, got, tt.want)
			}
			if rest.Removed != tt.removed {
				t.Errorf("%d entries were removed, want %d", rest.Removed, tt.removed)
			}
		})
	}
}
