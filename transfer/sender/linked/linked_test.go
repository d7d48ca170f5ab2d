package linked

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mft.dev/mft/internal/confine"
	"mft.dev/mft/protocol/listing"
)

// stamp returns what a file with so many names is.
func stamp(t *testing.T, names int) *confine.Identity {
	t.Helper()
	dir := t.TempDir()
	first := filepath.Join(dir, "0")
	if err := os.WriteFile(first, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for i := range names - 1 {
		if err := os.Link(first, filepath.Join(dir, fmt.Sprint(i+1))); err != nil {
			t.Skipf("no file has several names here: %v", err)
		}
	}
	fi, err := os.Lstat(first)
	if err != nil {
		t.Fatal(err)
	}
	id := confine.Stamp(fi)
	if names > 1 && id.Nlink != uint64(names) {
		t.Skip("nobody says here how many names a file has")
	}
	return &id
}

func TestBook(t *testing.T) {
	one, two, three := stamp(t, 1), stamp(t, 2), stamp(t, 3)
	b := New()
	for path, id := range map[string]*confine.Identity{"alone": one, "outside": two} {
		b.Add(path, id) // of the second the other name is not sent
	}
	for _, path := range []string{"a", "d/b", "c"} {
		b.Add(path, three)
	}
	var got []listing.Linked
	if err := b.Each(func(l *listing.Linked) error { got = append(got, *l); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].First != "a" || !slices.Equal(got[0].Others, []string{"d/b", "c"}) {
		t.Errorf("%+v", got)
	}
	if err := b.Each(func(*listing.Linked) error { return fs.ErrClosed }); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("error %v", err)
	}
	var none *Book
	none.Add("a", three)
	if err := none.Each(func(*listing.Linked) error { return fs.ErrClosed }); err != nil || none.Left() != 0 {
		t.Errorf("no book has something: %v", err)
	}
}

// TestManyNames: they go in several messages, none of which is too large, and each is there once.
func TestManyNames(t *testing.T) {
	id := stamp(t, 2)
	b := New()
	long := strings.Repeat("p", 4000)
	var want []string
	for i := range 10_000 {
		want = append(want, fmt.Sprintf("%s%05d", long, i))
		b.Add(want[i], id)
	}
	if most/4005 >= int(10_000-b.Left())+1 || b.Left() == 0 {
		t.Errorf("%d of 10,000 were left out", b.Left())
	}
	got := want[:1:1]
	err := b.Each(func(l *listing.Linked) error {
		if n := len(listing.AppendLinked(nil, l)); n > listing.MostLinked || l.First != want[0] || len(l.Others) == 0 {
			t.Errorf("%d bytes, first %q, %d others", n, l.First, len(l.Others))
		}
		got = append(got, l.Others...)
		return nil
	})
	if err != nil || !slices.Equal(got, want[:10_000-b.Left()]) {
		t.Errorf("%d names, %v", len(got), err)
	}
}
