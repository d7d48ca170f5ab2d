package mirror

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol/listing"
)

// at returns a path below the destination.
func (d *destination) at(name string) string { return filepath.Join(d.dir, filepath.FromSlash(name)) }

// must is for what a test does to a destination.
func (d *destination) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// identity returns what a name at the destination is.
func (d *destination) identity(name string) confine.Identity {
	d.t.Helper()
	fi, err := d.root.Lstat(name)
	d.must(err)
	return confine.Stamp(fi)
}

// TestWhatChangedStays: what is something else by the time of removal than what
// was seen is not removed, nor is what must not be removed and has come since.
func TestWhatChangedStays(t *testing.T) {
	const staged = ".mft-00000000000000000000000000000001.part"
	for _, tt := range []struct {
		name    string
		between func(d *destination)
		want    []string
		removed int64
	}{
		{"nothing", func(*destination) {}, []string{"keep"}, 5},
		{"another file in its place, of the same size and time", func(d *destination) {
			was := d.identity("gone")
			d.must(os.WriteFile(d.at("new"), []byte("gnoe"), 0o644))
			d.must(os.Chtimes(d.at("new"), time.Time{}, time.Unix(0, was.MTime)))
			d.must(os.Rename(d.at("new"), d.at("gone")))
		}, []string{"gone", "keep"}, 4},
		{"written to, with its time set back", func(d *destination) {
			was := d.identity("gone")
			d.must(os.WriteFile(d.at("gone"), []byte("longer"), 0o644))
			d.must(os.Chtimes(d.at("gone"), time.Time{}, time.Unix(0, was.MTime)))
		}, []string{"gone", "keep"}, 4},
		{"written to, of the same size", func(d *destination) {
			d.must(os.WriteFile(d.at("gone"), []byte("gnoe"), 0o644))
			d.must(os.Chtimes(d.at("gone"), time.Time{}, time.Unix(1, 1)))
		}, []string{"gone", "keep"}, 4},
		{"another directory in its place", func(d *destination) {
			d.must(os.Rename(d.at("dir"), d.at("elsewhere")))
			d.must(os.Mkdir(d.at("dir"), 0o755))
			d.must(os.WriteFile(d.at("dir/theirs"), nil, 0o644))
		}, []string{"dir/theirs", "elsewhere/a", "elsewhere/b/c", "keep"}, 1},
		{"staging in a directory", func(d *destination) {
			d.must(os.Mkdir(d.at("dir/"+staged), 0o700))
			d.must(os.WriteFile(d.at("dir/"+staged+"/x"), nil, 0o600))
		}, []string{"dir/" + staged + "/x", "keep"}, 1},
		{"staging deeper", func(d *destination) {
			d.must(os.Mkdir(d.at("dir/b/"+staged), 0o700))
			d.must(os.WriteFile(d.at("dir/b/"+staged+"/x"), nil, 0o600))
		}, []string{"dir/b/" + staged + "/x", "keep"}, 1},
		{"gone already", func(d *destination) { d.must(os.Remove(d.at("gone"))) }, []string{"keep"}, 5},
		{"gone already with all that is below", func(d *destination) { d.must(os.RemoveAll(d.at("dir"))) }, []string{"keep"}, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDestination(t, "keep", "gone", "dir/a", "dir/b/c")
			d.between = func() { tt.between(d) }
			rest := d.finish(listing.Listed{Whole: true}, mft.Seal{Whole: true})
			if rest.Err != nil || rest.Refused != nil {
				t.Fatalf("Finish: %v, %v", rest.Err, rest.Refused)
			}
			if got := d.has(); !slices.Equal(got, tt.want) || rest.Removed != tt.removed {
				t.Errorf("the destination has %q, and %d entries were removed, want %q and %d", got, rest.Removed, tt.want, tt.removed)
			}
		})
	}
}

// A number of a file that was removed may be that of a directory by now, and the
// other way round.
func TestKindCounts(t *testing.T) {
	d := newDestination(t, "file")
	d.must(os.Mkdir(d.at("dir"), 0o755))
	dir, file := d.identity("dir"), d.identity("file")
	removed, err := Carry(t.Context(), d.root, nil, []journal.Removal{
		{Path: "dir", Inode: dir.Inode, Size: dir.Size, MTime: dir.MTime, Entries: 1},
		{Path: "file", Dir: true, Inode: file.Inode, Entries: 1},
	}, func(err error) { t.Errorf("what is of another kind was touched: %v", err) })
	if err != nil || removed != 0 {
		t.Errorf("Carry = %d, %v, want that nothing is removed", removed, err)
	}
	if _, err := os.Stat(d.at("dir")); err != nil || len(d.has()) != 1 {
		t.Errorf("the destination has only %q, %v", d.has(), err)
	}
}

// Where the directory above has gone as a whole, so has what was in it.
func TestParentHasGone(t *testing.T) {
	d := newDestination(t, "sub/gone", "sub/dir/a", "top")
	top := d.identity("top")
	plan := []journal.Removal{
		{Path: "sub/gone", Inode: 1, Entries: 1},
		{Path: "sub/dir", Dir: true, Inode: 1, Entries: 2},
		{Path: "top", Inode: top.Inode, Size: top.Size, MTime: top.MTime, Entries: 1},
	}
	d.must(os.RemoveAll(d.at("sub")))
	for range 2 { // the second time as after a crash
		removed, err := Carry(t.Context(), d.root, nil, plan, func(err error) { t.Error(err) })
		if err != nil || removed != 4 || len(d.has()) != 0 {
			t.Errorf("Carry = %d, %v, and %q is left, want 4 and nothing", removed, err, d.has())
		}
	}
}
