package trigger

import (
	"slices"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/trigger/selection"
)

// TestMirrorRules: markers in the tree of either end come first, whatever their names
// and the rules are; others are none of its business.
func TestMirrorRules(t *testing.T) {
	ch := mft.Channel{
		From:   mft.Endpoint{Path: "/srv/out/"},
		To:     []mft.Endpoint{{Path: "/srv/in"}, {Path: `C:\in`}},
		Select: mft.Selection{Rules: []string{"+ *"}},
	}
	ch.Markers = []mft.Marker{
		{End: mft.EndSource, Path: "/srv/out/.ready"},
		{End: mft.EndSource, Path: "/run/busy"},
		{End: mft.EndSource, Path: "/srv/outer/x"},
		{End: mft.EndDestination, Path: "/srv/in/sub/[1] *?"},
		{End: mft.EndDestination, Path: `C:\in\sub\done`},
	}
	want := []string{"- /.ready", `- /sub/\[1] \*\?`, "- /sub/done", "+ *"}
	got := MirrorRules(ch)
	if !slices.Equal(got, want) {
		t.Errorf("MirrorRules = %q, want %q", got, want)
	}
	rules, err := selection.Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	s := selection.Selection{Rules: rules}
	for path, moves := range map[string]bool{".ready": false, "sub/.ready": true, "sub/[1] *?": false, "sub/1 ab": true, "sub/done": false, "done": true} {
		if got := s.Decide(selection.Entry{Path: path, Type: mft.ItemFile}, time.Time{}); got.Moves != moves {
			t.Errorf("%q: %v", path, got)
		}
	}
}

// TestFits: rules leave out by name, limits by size and age.
func TestFits(t *testing.T) {
	now := time.Unix(1000, 0)
	sel := mft.Selection{Rules: []string{"+ */", "+ *.csv", "- *"}, MinSize: 2, MaxSize: 4, MinAge: time.Second, MaxAge: time.Minute}
	chosen, err := Chosen(sel)
	if err != nil {
		t.Fatal(err)
	}
	s := Source{Select: sel, Chosen: chosen}
	if got := s.Choose("x/a.txt", true); got != (Choice{Why: WhyRule, Pattern: "- *"}) {
		t.Errorf("Choose = %+v", got)
	}
	for _, tt := range []struct {
		size int64
		age  time.Duration
		want Why
	}{{3, 10 * time.Second, ""}, {1, 10 * time.Second, WhyTooSmall}, {5, 10 * time.Second, WhyTooLarge}, {3, 0, WhyTooYoung}, {3, time.Hour, WhyTooOld}} {
		if got := s.Fits("x/a.csv", tt.size, now.Add(-tt.age).UnixNano(), now); got != (Choice{Moves: tt.want == "", Why: tt.want}) {
			t.Errorf("Fits(%d bytes, %v old) = %+v, want %q", tt.size, tt.age, got, tt.want)
		}
	}
}
