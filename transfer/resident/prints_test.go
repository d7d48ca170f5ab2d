package resident

import (
	"fmt"
	"path/filepath"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/transfer/scan"
)

// newPrinted is a mirrored place with a directory p of n files of a byte each, told in
// prints as listing 0 to somebody who has those of which the source is to have a
// file, and what the sender would say of it.
func newPrinted(t *testing.T, n int, has func(i int) bool) (looked, listing.Matched, mft.Count) {
	t.Helper()
	l := newLooked(t)
	l.terms.Mirror = true
	for i := range n {
		l.write(fmt.Sprintf("p/%03d", i), "x")
	}
	a, err := l.Answer(t.Context(), 0, &listing.Listing{Path: "p", Entries: int64(n)})
	if err != nil || a.Answer != listing.Differ || a.Prints.Len() != n {
		t.Fatalf("Answer() = %v of %d prints, %v, want %d", a.Answer, a.Prints.Len(), err, n)
	}
	var told listing.Matched
	var low, high uint64
	var same mft.Count
	for i := range n {
		name, id := l.at(fmt.Sprintf("p/%03d", i))
		a0, a1 := l.lister.Print(name, &id, nil)
		number := -1
		for k := range a.Prints.Len() {
			if a.Prints.At(k) == listing.Print(a0) {
				number = k
			}
		}
		switch {
		case number < 0:
			t.Fatalf("%s has no print", name)
		case has(number):
			low, high = low+a0, high+a1
			same.Items++
			same.Bytes++
		}
	}
	for k := range n {
		if !has(k) {
			told.Others = append(told.Others, k)
		}
	}
	told.Digest = scan.Digest(low, high)
	return l, told, same
}

// at looks at a file.
func (l looked) at(rel string) ([]byte, confine.Identity) {
	l.t.Helper()
	fi, err := l.root.Lstat(rel)
	if err != nil {
		l.t.Fatal(err)
	}
	return []byte(filepath.Base(rel)), confine.Stamp(fi)
}

func TestMatched(t *testing.T) {
	for _, c := range []struct {
		name string
		has  func(i int) bool
	}{
		{"all", func(int) bool { return true }},
		{"none", func(int) bool { return false }},
		{"all but the first and the last", func(i int) bool { return i > 0 && i < 19 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, told, want := newPrinted(t, 20, c.has)
			if _, err := l.Seen("p"); mft.CodeOf(err) != mft.CodeProtocol {
				t.Errorf("Seen before Matched: %v", err)
			}
			if err := l.Scanned(); mft.CodeOf(err) != mft.CodeProtocol {
				t.Errorf("Scanned before Matched: %v", err)
			}
			if got, err := l.Matched(&told); err != nil || got != want {
				t.Fatalf("Matched() = %+v, %v, want %+v", got, err, want)
			}
			if _, err := l.Seen("d"); mft.CodeOf(err) != mft.CodeProtocol {
				t.Errorf("Seen of another directory: %v", err)
			}
			// What came since is not for the mirror to know.
			l.write("p/new", "n")
			seen, err := l.Seen("p")
			if err != nil || seen == nil || seen.Len() != len(told.Others) || seen.Folder.Inode == 0 {
				t.Fatalf("Seen() = %+v, %v, want %d entries", seen, err, len(told.Others))
			}
			if err := l.Scanned(); err != nil {
				t.Errorf("Scanned() = %v", err)
			}
			if _, err := l.Matched(&told); mft.CodeOf(err) != mft.CodeProtocol {
				t.Errorf("Matched() again = %v", err)
			}
		})
	}
}

func TestMatchedRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(m *listing.Matched)
		code   mft.Code
	}{
		{"another listing", func(m *listing.Matched) { m.Listing++ }, mft.CodeProtocol},
		{"more than there are", func(m *listing.Matched) { m.Others = append(m.Others, 20) }, mft.CodeProtocol},
		{"another sum", func(m *listing.Matched) { m.Digest[15] ^= 1 }, mft.CodeCorrupt},
		{"one that differs", func(m *listing.Matched) { m.Others = m.Others[1:] }, mft.CodeCorrupt},
		{"another one", func(m *listing.Matched) { m.Others[0]++ }, mft.CodeCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, told, _ := newPrinted(t, 20, func(i int) bool { return i%5 > 0 })
			c.change(&told)
			if _, err := l.Matched(&told); mft.CodeOf(err) != c.code {
				t.Errorf("Matched() = %v, want %v", err, c.code)
			}
		})
	}
}

// What is told in prints is bounded, however often somebody asks.
func TestPrintsAreBounded(t *testing.T) {
	l, _, _ := newPrinted(t, 1000, func(int) bool { return true })
	told := 1000
	for n := uint64(1); n <= 40; n++ {
		a, err := l.Answer(t.Context(), n, &listing.Listing{Path: "p", Entries: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if told += a.Prints.Len(); (a.Answer == listing.Differ) != (a.Prints.Len() > 0) {
			t.Errorf("%d prints for %v", a.Prints.Len(), a.Answer)
		}
	}
	if told > listing.PrintWindow || told < listing.PrintWindow/2 || l.printedSize > mostLooks {
		t.Errorf("%d prints were told, and %d bytes kept", told, l.printedSize)
	}
	for _, tt := range []struct {
		name    string
		entries int64
	}{{"few at the source", 3}, {"far fewer at the source", 100}, {"few here", 1000}} {
		l, _, _ := newPrinted(t, 1000, func(int) bool { return true })
		dir := "p"
		if tt.name == "few here" {
			dir = "d"
		}
		if a, err := l.Answer(t.Context(), 1, &listing.Listing{Path: dir, Entries: tt.entries}); err != nil || a.Answer != listing.List {
			t.Errorf("%s: Answer() = %v, %v, want List", tt.name, a.Answer, err)
		}
	}
}
