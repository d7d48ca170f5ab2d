package walk

import (
	"testing"

	"mft.dev/mft/protocol/listing"
)

func TestPace(t *testing.T) {
	// Each letter is a directory: what its answer would be (s same, l list, n
	// new, d differ); want tells which of them are asked about.
	for _, tt := range []struct{ name, answers, want string }{
		{"all the same", "ssssssssssssssss", "aaaaaaaaaaaaaaaa"},
		{"one in seven differs", "lsssssslsssssslssssss", "aaaaaaaaaaaaaaaaaaaaa"},
		{"all differ", "llllllllllllllllllllllllllllllllllllllllllllll", "aaaaaaaa--------a----------------a------------"},
		{"they do so no longer", "llllllllllllllllsssssss", "aaaaaaaa--------aaaaaaa"},
		{"those that are told in prints differ", "dddddddddddddddd", "aaaaaaaaaaaaaaaa"},
		{"new ones differ", "nnnnnnnnnn", "aaaaaaaa--"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p pace
			got := ""
			for _, a := range tt.answers {
				if !p.asks() {
					got += "-"
					continue
				}
				got += "a"
				p.heard(map[rune]listing.Answer{'s': listing.Same, 'l': listing.List, 'n': listing.New, 'd': listing.Differ}[a])
			}
			if got != tt.want {
				t.Errorf("asked %s, want %s", got, tt.want)
			}
		})
	}
}
