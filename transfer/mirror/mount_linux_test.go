package mirror

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/journal"
	"mft.dev/mft/protocol/listing"
)

// mount mounts a file system of its own at dir until the test ends, or source if
// that is not empty.
func mount(t *testing.T, source, dir string) {
	t.Helper()
	var err error
	if source == "" {
		err = unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,nr_inodes=64")
	} else {
		err = unix.Mount(source, dir, "", unix.MS_BIND, "")
	}
	if err != nil {
		t.Skipf("this process may not mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
}

// TestMountPointStays: what is mounted below a destination was not delivered
// there, and neither it nor the directories above it are removed.
func TestMountPointStays(t *testing.T) {
	for _, at := range []string{"mnt", "dir/mnt"} {
		t.Run(at, func(t *testing.T) {
			d := newDestination(t, "keep", "gone", "dir/a")
			point := filepath.Join(d.dir, at)
			if err := os.MkdirAll(point, 0o755); err != nil {
				t.Fatal(err)
			}
			mount(t, "", point)
			if err := os.WriteFile(filepath.Join(point, "theirs"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if rest := d.finish(listing.Listed{Whole: true}, mft.Seal{Whole: true}); rest.Err != nil || rest.Refused != nil {
				t.Fatalf("Finish: %v, %v", rest.Err, rest.Refused)
			}
			got := d.has()
			if !slices.Contains(got, at+"/theirs") || slices.Contains(got, "gone") {
				t.Errorf("the destination has %q, want what is mounted, and nothing else that is not in the source", got)
			}
			if at == "dir/mnt" && !slices.Contains(got, "dir/a") {
				t.Errorf("the destination has %q, want the directory above the mount point whole", got)
			}
		})
	}
}

// TestMountInBetween: what was mounted after the plan was made stays, and it is
// not tried to remove what it is mounted on.
func TestMountInBetween(t *testing.T) {
	for _, tt := range []struct {
		name, at, source string
	}{
		{"on a directory to be removed", "dir", ""},
		{"on one below", "dir/b", ""},
		{"on a file", "dir/a", "theirs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			other := t.TempDir()
			mount(t, "", other)
			d := newDestination(t, "keep", "gone", "dir/a", "dir/b/c")
			d.must(os.WriteFile(filepath.Join(other, "theirs"), nil, 0o644))
			d.between = func() { mount(t, filepath.Join(other, tt.source), d.at(tt.at)) }
			rest := d.finish(listing.Listed{Whole: true}, mft.Seal{Whole: true})
			if rest.Err != nil || rest.Removed != 1 {
				t.Errorf("Finish: %d removed, %v, want 1", rest.Removed, rest.Err)
			}
			if _, err := os.Stat(filepath.Join(other, "theirs")); err != nil {
				t.Error(err)
			}
			if got := d.has(); slices.Contains(got, "gone") || !slices.Contains(got, "keep") {
				t.Errorf("the destination has %q", got)
			}
		})
	}
}

// Two file systems may give one number to two files, which then differ in
// nothing else. That on top of the other cannot be removed, and is not tried.
func TestFileSystemCounts(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	var ids []confine.Identity
	for _, top := range []string{one, two} {
		mount(t, "", top)
		name := filepath.Join(top, "file")
		if err := errors.Join(os.WriteFile(name, nil, 0o644), os.Chtimes(name, time.Time{}, time.Unix(1, 0))); err != nil {
			t.Fatal(err)
		}
		fi, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, confine.Stamp(fi))
	}
	if ids[0].Inode != ids[1].Inode {
		t.Skipf("here the files have the numbers %d and %d", ids[0].Inode, ids[1].Inode)
	}
	root, err := confine.Open(one)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	mount(t, filepath.Join(two, "file"), filepath.Join(one, "file"))
	plan := []journal.Removal{{Path: "file", Inode: ids[0].Inode, Size: ids[0].Size, MTime: ids[0].MTime, Entries: 1}}
	told := func(err error) { t.Errorf("another file system was touched: %v", err) }
	if removed, err := Carry(t.Context(), root, nil, plan, told); err != nil || removed != 0 {
		t.Errorf("Carry = %d, %v, want that nothing is removed", removed, err)
	}
}

// An empty file system is none that may be removed either.
func TestEmptyMountPoint(t *testing.T) {
	d := newDestination(t, "dir/a")
	d.must(os.Mkdir(d.at("mnt"), 0o755))
	mount(t, "", d.at("mnt"))
	top, err := d.root.Dir("")
	d.must(err)
	if gone, err := (emptying{t.Context(), nil, d.identity("dir").Dev}).remove(top, "mnt"); gone || err != nil {
		t.Errorf("remove = %t, %v, want that it is left alone", gone, err)
	}
}
