package mirror

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
	"mft.dev/mft/protocol/listing"
)

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
			if err := unix.Mount("tmpfs", point, "tmpfs", 0, "size=1m,nr_inodes=64"); err != nil {
				t.Skipf("this process may not mount: %v", err)
			}
			t.Cleanup(func() {
				if err := unix.Unmount(point, unix.MNT_DETACH); err != nil {
					t.Errorf("unmount: %v", err)
				}
			})
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
