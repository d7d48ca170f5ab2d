//go:build !portable

package confine

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
)

// mount puts a file system of 1 MiB on a directory, or skips the test.
func mount(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, "size=1m,nr_inodes=64"); err != nil {
		t.Skipf("this process may not mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
}

func TestOtherFileSystemBelow(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(string) (*Root, error)) {
		y := newYard(t, open)
		mount(t, y.at("tree/mnt"))
		write(t, y.at("tree/mnt/keep"), "content")
		write(t, y.at("tree/file"), "content")

		t.Run("rename across", func(t *testing.T) {
			for _, mode := range []RenameMode{RenameReplace, RenameNoReplace} {
				err := y.Rename("tree/file", "tree/mnt/file", mode)
				wantCode(t, "Rename", err, mft.CodeOther)
				if !errors.Is(err, ErrCrossDevice) {
					t.Errorf("Rename: %v, want %v", err, ErrCrossDevice)
				}
			}
		})
		t.Run("space", func(t *testing.T) {
			s, err := y.Free("tree/mnt")
			if err != nil || s.Bytes <= 0 || s.Bytes > 1<<20 || s.Inodes <= 0 || s.Inodes > 64 {
				t.Errorf("Free = %+v, %v, want up to 1 MiB and 64 inodes", s, err)
			}
		})
		t.Run("full", func(t *testing.T) {
			d, err := y.Dir("tree/mnt")
			if err != nil {
				t.Fatal(err)
			}
			f, err := d.Create("big")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			wantCode(t, "Preallocate", Preallocate(f, 2<<20), mft.CodeNoSpace)
			_, err = f.Write(make([]byte, 2<<20))
			if got := CodeFor(err); got != mft.CodeNoSpace {
				t.Errorf("CodeFor(%v) = %q, want %q", err, got, mft.CodeNoSpace)
			}
			f.Close()
			if err := d.Remove("big"); err != nil {
				t.Fatal(err)
			}
			a := Attributes{Mode: 0o644, UID: -1, GID: -1}
			wantCode(t, "WriteSmall", d.WriteSmall("big", make([]byte, 2<<20), a), mft.CodeNoSpace)
			if err := d.Remove("big"); err != nil {
				t.Errorf("the unfinished file is gone: %v", err)
			}
			if err := d.WriteSmall("fits", make([]byte, 1<<19), a); err != nil {
				t.Errorf("WriteSmall: %v", err)
			}
			y.FlushCache()
		})
		t.Run("remove", func(t *testing.T) {
			err := y.RemoveAll("tree")
			if err == nil {
				t.Error("RemoveAll removed a directory with a file system mounted below")
			}
			if !strings.Contains(err.Error(), "mnt") {
				t.Errorf("the error does not name the mount point: %v", err)
			}
			if got, err := os.ReadFile(y.at("tree/mnt/keep")); err != nil || string(got) != "content" {
				t.Errorf("the file on the other file system is %q, %v", got, err)
			}
			if _, err := os.Lstat(y.at("tree/file")); err == nil {
				t.Error("RemoveAll left what it could have removed")
			}
		})
		y.FlushCache()
	})
}

func TestReadOnlyFileSystem(t *testing.T) {
	y := newYard(t, Open)
	mount(t, y.at("mnt"))
	write(t, y.at("mnt/file"), "content")
	if err := unix.Mount("", y.at("mnt"), "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Skipf("cannot make it read-only: %v", err)
	}
	d, err := y.Dir("mnt")
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Create("x")
	wantCode(t, "Create", err, mft.CodeReadOnly)
	wantCode(t, "WriteSmall", d.WriteSmall("x", nil, Attributes{UID: -1, GID: -1}), mft.CodeReadOnly)
	wantCode(t, "Mkdir", d.Mkdir("x", 0o755), mft.CodeReadOnly)
	_, err = d.OpenExisting("file")
	wantCode(t, "OpenExisting", err, mft.CodeReadOnly)
	wantCode(t, "Remove", d.Remove("file"), mft.CodeReadOnly)
	made, err := y.MkdirAll("mnt", 0o755)
	if err != nil || made != nil {
		t.Errorf("MkdirAll of what is there = %q, %v", made, err)
	}
	y.FlushCache()
}
