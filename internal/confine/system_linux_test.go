//go:build !portable

package confine

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
)

func TestOpenFileOfOtherKinds(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(string) (*Root, error)) {
		y := newYard(t, open)
		if err := unix.Mkfifo(y.at("pipe"), 0o644); err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("unix", y.at("socket"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		names := []string{"pipe", "socket"}
		if unix.Mknod(y.at("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))) == nil {
			names = append(names, "null")
		}
		for _, name := range names {
			_, _, err := y.OpenFile(name)
			wantCode(t, "OpenFile "+name, err, mft.CodeNotRegular)
			_, err = y.top(t).OpenExisting(name)
			wantCode(t, "OpenExisting "+name, err, mft.CodeNotRegular)
		}
		f, _, err := y.OpenFile("a/file")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
		if err != nil || flags&unix.O_NONBLOCK != 0 {
			t.Errorf("the flags of the file are %#x (%v), want none of O_NONBLOCK", flags, err)
		}
		closeOnExec, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
		if err != nil || closeOnExec&unix.FD_CLOEXEC == 0 {
			t.Errorf("a child would inherit the file (%v)", err)
		}
	})
}

func TestPermissions(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(string) (*Root, error)) {
		y := newYard(t, open)
		write(t, y.at("closed/file"), "content")
		write(t, y.at("unread"), "content")
		for path, mode := range map[string]os.FileMode{"closed": 0, "unread": 0, "a": 0o555} {
			if err := os.Chmod(y.at(path), mode); err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(func() { _ = os.Chmod(y.at("closed"), 0o755) })
		d := y.top(t)
		root := os.Geteuid() == 0
		asNobody(t, func() {
			_, err := Open(y.at("closed/file"))
			wantCode(t, "Open", err, mft.CodePermission)
			_, err = y.Dir("closed/file")
			wantCode(t, "Dir", err, mft.CodePermission)
			_, _, err = y.OpenFile("unread")
			wantCode(t, "OpenFile", err, mft.CodePermission)
			_, err = y.Lstat("closed/file")
			wantCode(t, "Lstat", err, mft.CodePermission)
			made, err := y.MkdirAll("a/x", 0o755)
			wantCode(t, "MkdirAll", err, mft.CodePermission)
			if made != nil {
				t.Errorf("MkdirAll made %q", made)
			}
			wantCode(t, "RemoveAll", y.RemoveAll("closed"), mft.CodePermission)
			if sub, err := y.Dir("a"); err != nil {
				t.Errorf("Dir: %v", err)
			} else {
				_, err = sub.Create("x")
				wantCode(t, "Create", err, mft.CodePermission)
				wantCode(t, "SetAttributes", sub.SetAttributes(Attributes{UID: -1, GID: -1}), mft.CodePermission)
				wantCode(t, "Remove", sub.Remove("file"), mft.CodePermission)
			}
			if root {
				wantCode(t, "SetLinkAttributes", d.SetLinkAttributes("a", Attributes{UID: 0, GID: 0}), mft.CodePermission)
			}
		})
	})
}

// A drop box lets files in and nobody look.
func TestDropBox(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a directory that it may not list itself")
	}
	eachWay(t, func(t *testing.T, open func(string) (*Root, error)) {
		y := newYard(t, open)
		if err := os.Mkdir(y.at("box"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(y.at("box"), 0o333); err != nil {
			t.Fatal(err)
		}
		asNobody(t, func() {
			r, err := open(y.at("box"))
			if err != nil {
				t.Errorf("Open: %v", err)
				return
			}
			defer r.Close()
			if err := r.SyncFS(); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("SyncFS: %v, want %v", err, errors.ErrUnsupported)
			}
			if _, err := r.Free(""); err != nil {
				t.Errorf("Free: %v", err)
			}
			d, err := y.Dir("box")
			if err != nil {
				t.Errorf("Dir: %v", err)
				return
			}
			f, err := d.Create("part")
			if err != nil {
				t.Errorf("Create: %v", err)
				return
			}
			f.Close()
			if err := d.Sync(); err != nil {
				t.Errorf("Sync: %v", err)
			}
			if err := d.Rename("part", d, "final", RenameNoReplace); err != nil {
				t.Errorf("Rename: %v", err)
			}
			wantCode(t, "Names", d.Names(func(string) error { return nil }), mft.CodePermission)
			// Its own box, though it may not look.
			if err := d.Mkdir("mine", 0o300); err != nil {
				t.Errorf("Mkdir: %v", err)
				return
			}
			mine, err := d.Dir("mine")
			if err != nil {
				t.Errorf("Dir: %v", err)
				return
			}
			if err := mine.SetAttributes(Attributes{Mode: 0o310, MTime: 1e18, UID: -1, GID: -1}); err != nil {
				t.Errorf("SetAttributes: %v", err)
			}
			if id, err := d.Identity("mine"); err != nil || id.Perm() != 0o310 || id.MTime != 1e18 {
				t.Errorf("after SetAttributes it is %+v (%v)", id, err)
			}
			if err := y.RemoveAll("box/mine"); err != nil {
				t.Errorf("RemoveAll of what is empty and not to be listed: %v", err)
			}
		})
	})
}

func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	top := t.TempDir()
	_, d := openTop(t, top)
	f, err := d.Create("f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// The kernel drops setuid at a change of owner; it must be there after.
	if err := SetAttributes(f, Attributes{Mode: 0o6755, MTime: 5, UID: 1234, GID: 4321}); err != nil {
		t.Fatal(err)
	}
	if id, err := d.Identity("f"); err != nil || id.UID != 1234 || id.GID != 4321 || id.Perm() != 0o6755 || id.MTime != 5 {
		t.Errorf("the file is %+v (%v)", id, err)
	}
	if err := SetAttributes(f, Attributes{Mode: 0o644, UID: -1, GID: 7}); err != nil {
		t.Fatal(err)
	}
	if id, err := d.Identity("f"); err != nil || id.UID != 1234 || id.GID != 7 {
		t.Errorf("with UID -1 the file is %+v (%v), want owner 1234:7", id, err)
	}
	symlink(t, "nowhere", filepath.Join(top, "l"))
	if err := d.SetLinkAttributes("l", Attributes{MTime: 9, UID: 1234, GID: 4321}); err != nil {
		t.Fatal(err)
	}
	if id, err := d.Identity("l"); err != nil || id.UID != 1234 || id.GID != 4321 || id.MTime != 9 {
		t.Errorf("the link is %+v (%v)", id, err)
	}
}

func TestAccessTimeIsLeftAlone(t *testing.T) {
	top := t.TempDir()
	path := filepath.Join(top, "f")
	write(t, path, "content")
	want := time.Unix(1_000_000_000, 5)
	if err := os.Chtimes(path, want, want); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := SetAttributes(f, Attributes{Mode: 0o644, MTime: 1, UID: -1, GID: -1}); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Atim.Nano() != want.UnixNano() {
		t.Errorf("the access time is %d (%v), want %d", st.Atim.Nano(), err, want.UnixNano())
	}
}
