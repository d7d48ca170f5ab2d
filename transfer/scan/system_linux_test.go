//go:build !portable

package scan_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/transfer/scan"
)

func TestWhatDoesNotTravel(t *testing.T) {
	top := t.TempDir()
	write(t, filepath.Join(top, "d", "file"), "content")
	if err := unix.Mkfifo(filepath.Join(top, "d", "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(top, "d", "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	want := []string{"d", "d/file", "d/pipe!NOT_REGULAR", "d/socket!NOT_REGULAR"}
	if unix.Mknod(filepath.Join(top, "d", "null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))) == nil {
		want = slices.Insert(want, 2, "d/null!NOT_REGULAR")
	}
	if got := collect(t, open(t, filepath.Join(top, "d"))); !slices.Equal(got, want) {
		t.Errorf("Items = %q, want %q", got, want)
	}
	listing, slow := list(t, all(), filepath.Join(top, "d")), slowly(t, all(), filepath.Join(top, "d"))
	if listing.Items != 1 || listing.Unfit != int64(len(want)-2) || listing.Digest != slow.Digest {
		t.Errorf("the listing is %+v, want one file and the digest %x", listing, slow.Digest)
	}
	root, err := confine.Open(top)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, err := scan.Open(filepath.Join(top, "d", "pipe")); mft.CodeOf(err) != mft.CodeNotRegular {
		t.Errorf("Open of a pipe: %v, want %q", err, mft.CodeNotRegular)
	}
	if _, err := scan.OpenUnder(root, "d/socket"); mft.CodeOf(err) != mft.CodeNotRegular {
		t.Errorf("OpenUnder of a socket: %v, want %q", err, mft.CodeNotRegular)
	}
}

func TestUnusualNames(t *testing.T) {
	top := t.TempDir()
	want := []string{"\x01", " ", "$(x)", "-rf", "...", "a\nb", `back\slash`, "\xff\xfe"}
	slices.Sort(want)
	for _, name := range want {
		write(t, filepath.Join(top, name), "content")
	}
	if got := collect(t, open(t, top+"/")); !slices.Equal(got, want) {
		t.Errorf("Items = %q, want %q", got, want)
	}
}

func TestHardLinksAndSparseFiles(t *testing.T) {
	top := t.TempDir()
	write(t, filepath.Join(top, "d", "one"), "content")
	if err := os.Link(filepath.Join(top, "d", "one"), filepath.Join(top, "d", "two")); err != nil {
		t.Skipf("no hard links here: %v", err)
	}
	if err := os.Truncate(filepath.Join(top, "d", "one"), 1<<40); err != nil {
		t.Skipf("no sparse files here: %v", err)
	}
	var files []scan.Entry
	for e, err := range open(t, filepath.Join(top, "d")).Items(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Item.Type == mft.ItemFile {
			files = append(files, e)
		}
	}
	if len(files) != 2 || files[0].Identity != files[1].Identity || files[1].Item.Size != 1<<40 || files[1].Item.Path != "d/two" {
		t.Errorf("two names of a file of 1 TiB are %+v", files)
	}
}

func TestMountIsCrossed(t *testing.T) {
	top := t.TempDir()
	mnt := filepath.Join(top, "d", "mnt")
	write(t, filepath.Join(mnt, "below"), "hidden by the mount")
	if err := unix.Mount("tmpfs", mnt, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("this process may not mount: %v", err)
	}
	defer func() {
		if err := unix.Unmount(mnt, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	write(t, filepath.Join(mnt, "file"), "content")
	s := open(t, filepath.Join(top, "d"))
	want := []string{"d", "d/mnt", "d/mnt/file"}
	if got := collect(t, s); !slices.Equal(got, want) {
		t.Errorf("Items = %q, want %q", got, want)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// The walk goes on around what may not be read.
func TestUnreadable(t *testing.T) {
	top := newTree(t)
	dir := filepath.Join(top, "out")
	for name, mode := range map[string]os.FileMode{"sub/deep": 0, "b.csv": 0, "sub/d.csv": 0} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	// A directory that may be passed but not listed.
	write(t, filepath.Join(dir, "passable", "x"), "content")
	if err := os.Chmod(filepath.Join(dir, "passable"), 0o311); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(dir, "sub", "deep"), 0o755) })
	asNobody(t, func() {
		s, err := scan.Open(dir)
		if err != nil {
			t.Error(err)
			return
		}
		defer s.Close()
		var got []string
		for e, err := range s.Items(t.Context()) {
			entry := e.Item.Path
			if err != nil {
				entry += "!" + string(mft.CodeOf(err))
			} else if e.Item.Type == mft.ItemFile {
				f, _, err := s.OpenItem(e)
				if err != nil {
					entry += "?" + string(mft.CodeOf(err))
				} else {
					f.Close()
				}
			}
			got = append(got, entry)
		}
		want := []string{
			"out", "out/.hidden", "out/a.csv", "out/b.csv?INSUFFICIENT_PERMISSION", "out/c.txt",
			"out/passable", "out/passable!INSUFFICIENT_PERMISSION",
			"out/sub", "out/sub/d.csv?INSUFFICIENT_PERMISSION", "out/sub/deep", "out/sub/deep!INSUFFICIENT_PERMISSION", "out/x[1].csv",
		}
		if !slices.Equal(got, want) {
			t.Errorf("Items = %q, want %q", got, want)
		}
		// As the whole source, the same is the end.
		n := 0
		if s, err := scan.Open(filepath.Join(dir, "passable") + "/"); err != nil {
			t.Error(err)
		} else {
			defer s.Close()
			for e, err := range s.Items(t.Context()) {
				if n++; e.Item.Path != "" || mft.CodeOf(err) != mft.CodePermission {
					t.Errorf("the contents of what cannot be listed are %q, %v", e.Item.Path, err)
				}
			}
		}
		if n != 1 {
			t.Errorf("the walk gave %d items, want one error", n)
		}
	})
}

// asNobody runs f on a thread that has given up the rights of root, so that
// permissions count. f must not call t.FailNow.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		f()
		return
	}
	const nobody = 65534
	done := make(chan unix.Errno)
	go func() {
		// The thread is never unlocked, and so ends with the goroutine. The
		// calls of package unix would change every thread.
		runtime.LockOSThread()
		for _, call := range [][4]uintptr{
			{unix.SYS_SETGROUPS, 0, 0, 0},
			{unix.SYS_SETRESGID, nobody, nobody, nobody},
			{unix.SYS_SETRESUID, nobody, nobody, nobody},
		} {
			if _, _, errno := unix.RawSyscall(call[0], call[1], call[2], call[3]); errno != 0 {
				done <- errno
				return
			}
		}
		f()
		done <- 0
	}()
	if errno := <-done; errno != 0 {
		t.Skipf("this process may not become another user: %v", errno)
	}
}

// Somebody who may write in the tree swaps a directory for a link while it is
// walked and read. Nothing of what the link leads to is sent.
func TestNothingFollowsASwap(t *testing.T) {
	top := t.TempDir()
	write(t, filepath.Join(top, "d", "x", "file"), "content")
	write(t, filepath.Join(top, "secret", "file"), "secret")
	write(t, filepath.Join(top, "secret", "other"), "secret")
	symlink(t, "../secret", filepath.Join(top, "d", "y"))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, top+"/d/x", unix.AT_FDCWD, top+"/d/y", unix.RENAME_EXCHANGE)
			}
		}
	})
	for range 100 {
		for _, path := range []string{"d", "d/", "d/*/*", "d/**/file"} {
			s, err := scan.Open(top + "/" + path)
			if err != nil {
				continue // a pattern whose match was swapped away
			}
			for e, err := range s.Items(t.Context()) {
				if err != nil || e.Item.Type != mft.ItemFile {
					continue
				}
				f, _, err := s.OpenItem(e)
				if err != nil {
					continue
				}
				if content, _ := io.ReadAll(f); string(content) != "content" {
					t.Errorf("%s: %q has the content %q", path, e.Item.Path, content)
				}
				f.Close()
				if content, id, err := s.ReadItem(e, make([]byte, 100)); err == nil && (string(content) != "content" || id != e.Identity) {
					t.Errorf("%s: of %q was read %q", path, e.Item.Path, content)
				}
			}
			s.Close()
		}
	}
	close(stop)
	wg.Wait()
}
