package walk

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
	"mft.dev/mft/protocol/listing"
	"mft.dev/mft/transfer/scan"
)

// A diary is an Announcer that notes in which order directories were listed
// ("?PATH") and announced.
type diary struct {
	t     *testing.T
	notes []string
	next  uint64
}

func (d *diary) Add(_ *scan.Source, e scan.Entry) error {
	d.notes = append(d.notes, e.Item.Path)
	d.next++
	return nil
}

func (d *diary) Next() uint64 { return d.next }
func (d *diary) Flush() error { return nil }

func (d *diary) Tell(kind protocol.FrameKind, payload []byte) error {
	if kind != protocol.FrameListings {
		return nil
	}
	all, err := listing.Parse(payload)
	for _, l := range all {
		d.notes = append(d.notes, "?"+l.Path)
	}
	return err
}

func (d *diary) Skip(at string, err error) { d.t.Errorf("skipped %s: %v", at, err) }

// TestListedBeforeAnnounced: in a mirror, the listings of the directories in
// one that differs are sent before their items, whenever the answer comes.
func TestListedBeforeAnnounced(t *testing.T) {
	const dirs = 20
	top := t.TempDir()
	for i := range dirs {
		if err := os.MkdirAll(filepath.Join(top, fmt.Sprintf("d%02d/sub", i)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, asked := range []int{0, 1, dirs / 2, dirs} { // when the answer comes
		t.Run(fmt.Sprint(asked), func(t *testing.T) {
			src, err := scan.Open(top + "/")
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			basis := mft.Basis{Present: true, Listings: true}
			d := &diary{t: t}
			asks := NewAsks(func(*listing.Listing, listing.Answer) {})
			w := &walker{
				Order: Order{Source: src, Asks: asks, Basis: basis, Mirror: true, Same: func(mft.Count) {}},
				a:     d, lister: scan.ListerFor(basis),
			}
			folder, ok := src.Top()
			if !ok {
				t.Fatal("the source is no directory")
			}
			if err := w.step(t.Context(), pending{folder: folder}, true); err != nil {
				t.Fatal(err)
			}
			// Only directories of the top, which the walk meets one after the other with
			// what is below them.
			for n := 0; n < asked; {
				next := w.todo[len(w.todo)-1]
				w.todo = w.todo[:len(w.todo)-1]
				if err := w.step(t.Context(), next, false); err != nil {
					t.Fatal(err)
				}
				if path.Dir(next.folder.Path()) == "." {
					n++
				}
			}
			if _, err := asks.Answered(0, listing.List, nil); err != nil {
				t.Fatal(err)
			}
			if err := w.serve(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			for i := range dirs {
				name := fmt.Sprintf("d%02d", i)
				listed, item := slices.Index(d.notes, "?"+name), slices.Index(d.notes, name)
				if listed < 0 || item < 0 || listed > item {
					t.Errorf("%s: listed %d., announced %d. of %q", name, listed, item, d.notes)
				}
			}
		})
	}
}
