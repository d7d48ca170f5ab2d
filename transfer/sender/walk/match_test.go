package walk

import (
	"slices"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/transfer/scan"
)

func TestMatch(t *testing.T) {
	lister := scan.ListerFor(mft.Basis{Salt: [16]byte{7}})
	file := confine.Identity{Mode: 0o100644, Size: 5, MTime: 9}
	longer := file
	longer.Size++
	dir := confine.Identity{Mode: 0o040755}
	if !file.IsRegular() || !dir.IsDir() {
		t.Skip("modes have another form here")
	}
	var prints listing.Prints
	var low, high uint64
	for _, e := range []struct {
		name string
		id   *confine.Identity
		both bool
	}{{"gone", &file, false}, {"same", &file, true}, {"changed", &longer, false}, {"walked", &dir, true}, {"appeared", &dir, false}} {
		a, b := lister.Print([]byte(e.name), e.id, nil)
		if prints = prints.AppendPrint(a); e.both {
			low, high = low+a, high+b
		}
	}
	var m match
	for range 2 { // its memory is used again
		had := m.begin(lister, &ask{answer: listing.Differ, prints: prints, dirs: []string{"walked"}})
		for _, c := range []struct {
			name string
			id   *confine.Identity
			want bool
		}{
			{"same", &file, true},
			{"same", &file, false}, // a name is told once
			{"changed", &file, false},
			{"new", &file, false},
			{"walked", &dir, true},
			{"appeared", &dir, false}, // nobody would look into it
		} {
			if got := had([]byte(c.name), c.id, nil); got != c.want {
				t.Errorf("had(%s) = %v, want %v", c.name, got, c.want)
			}
		}
		told, same := m.end(3)
		if told.Listing != 3 || told.Digest != scan.Digest(low, high) || !slices.Equal(told.Others, []int{0, 2, 4}) {
			t.Errorf("end() = %+v", told)
		}
		if want := (mft.Count{Items: 2, Bytes: 5}); same != want {
			t.Errorf("the receiver has %+v, want %+v", same, want)
		}
	}
	if m.begin(lister, &ask{answer: listing.List}) != nil {
		t.Error("there is a match without prints")
	}
}

// TestPrintsAreBounded: a receiver may tell as many prints as the walker has not
// obeyed, and no more.
func TestPrintsAreBounded(t *testing.T) {
	const each = listing.PrintWindow / 4
	prints := make(listing.Prints, 6*each)
	if prints.Len() != each {
		t.Fatalf("there are %d prints", prints.Len())
	}
	asks := NewAsks(func(*listing.Listing, listing.Answer) {})
	for range 6 {
		asks.add(&ask{})
	}
	for n := range uint64(4) {
		if _, err := asks.Answered(n, listing.Differ, prints); err != nil {
			t.Fatal(err)
		}
	}
	k, err := asks.next(false)
	if err != nil {
		t.Fatal(err)
	}
	asks.obeyed(k)
	if _, err := asks.Answered(4, listing.Differ, prints); err != nil {
		t.Errorf("room that was made is not taken: %v", err)
	}
	if _, err := asks.Answered(5, listing.Differ, prints[:6]); mft.CodeOf(err) != mft.CodeProtocol {
		t.Errorf("too many prints: %v", err)
	}
}
