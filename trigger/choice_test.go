package trigger

import (
	"testing"

	"mft.dev/mft"
)

func TestChoose(t *testing.T) {
	s := Source{
		Select:  mft.Selection{Include: []string{"*.csv", "*.txt"}, Exclude: []string{"draft-*", "/old/**"}},
		Markers: map[string]bool{".ready.csv": true},
	}
	for _, tt := range []struct {
		name, path string
		regular    bool
		want       Choice
	}{
		{"a file", "a.csv", true, Choice{Moves: true}},
		{"one in a directory", "sub/a.txt", true, Choice{Moves: true}},
		{"a link", "a.csv", false, Choice{Why: WhyNotRegular}},
		{"nothing", "", true, Choice{Why: WhyNotRegular}},
		{"a marker", ".ready.csv", true, Choice{Why: WhyMarker}},
		{"another of its name", "sub/.ready.csv", true, Choice{Moves: true}},
		{"not included", "a.xml", true, Choice{Why: WhyNotIncluded}},
		{"excluded by name", "sub/draft-1.csv", true, Choice{Why: WhyExcluded, Pattern: "draft-*"}},
		{"excluded by path", "old/a.csv", true, Choice{Why: WhyExcluded, Pattern: "/old/**"}},
		{"put aside", ".mft-1.part/a.csv", true, Choice{Why: WhyAside}},
	} {
		if got := s.Choose(tt.path, tt.regular); got != tt.want {
			t.Errorf("%s: Choose(%q) = %+v, want %+v", tt.name, tt.path, got, tt.want)
		}
	}
	broken := Source{Select: mft.Selection{Exclude: []string{"["}}}
	if got := broken.Choose("a", true); got != (Choice{Why: WhyBadPattern}) {
		t.Errorf("Choose with a pattern that cannot be used = %+v", got)
	}
}

func TestSince(t *testing.T) {
	seen := Sighting{Size: 1, MTime: 2, CTime: 3, Inode: 4}
	for _, tt := range []struct {
		name string
		last *Sighting
		want Choice
	}{
		{"never sent", nil, Choice{Moves: true, Why: WhyNew}},
		{"sent as it is", &Sighting{1, 2, 3, 4}, Choice{Why: WhySent}},
		{"another size", &Sighting{2, 2, 3, 4}, Choice{Moves: true, Why: WhyChanged}},
		{"another time", &Sighting{1, 3, 3, 4}, Choice{Moves: true, Why: WhyChanged}},
		{"changed and set back", &Sighting{1, 2, 9, 4}, Choice{Moves: true, Why: WhyChanged}},
		{"another file of its name", &Sighting{1, 2, 3, 5}, Choice{Moves: true, Why: WhyChanged}},
	} {
		if got := Since(seen, tt.last); got != tt.want {
			t.Errorf("%s: Since = %+v, want %+v", tt.name, got, tt.want)
		}
	}
}
