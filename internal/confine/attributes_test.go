package confine

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"mft.dev/mft"
)

func TestSetAttributes(t *testing.T) {
	unit := time.Nanosecond
	switch {
	case runtime.GOOS == "windows":
		t.Skip("modes and owners are those of Unix")
	case runtime.GOOS != "linux":
		unit = time.Microsecond
	}
	for _, tt := range []struct {
		name string
		a    Attributes
	}{
		{"usual", Attributes{Mode: 0o644, MTime: 1700000000_123456789, UID: -1, GID: -1}},
		{"no permissions", Attributes{Mode: 0, MTime: 1, UID: -1, GID: -1}},
		{"before the epoch", Attributes{Mode: 0o600, MTime: -1_500000000, UID: -1, GID: -1}},
		{"own owner", Attributes{Mode: 0o640, MTime: 1e18, UID: os.Geteuid(), GID: os.Getegid()}},
		{"setuid and owner", Attributes{Mode: 0o4755, MTime: 1e18, UID: os.Geteuid(), GID: os.Getegid()}},
		{"setgid and sticky", Attributes{Mode: 0o3755, MTime: 1e18, UID: -1, GID: os.Getegid()}},
		{"more than a mode", Attributes{Mode: 0o100644, MTime: 1e18, UID: -1, GID: -1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			top := t.TempDir()
			_, d := openTop(t, top)
			f, err := d.Create("f")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := SetAttributes(f, tt.a); err != nil {
				t.Fatalf("SetAttributes: %v", err)
			}
			id, err := d.Identity("f")
			if err != nil {
				t.Fatal(err)
			}
			want := tt.a.MTime - tt.a.MTime%int64(unit)
			if got := id.MTime; got != want {
				t.Errorf("mtime is %d, want %d", got, want)
			}
			if got, want := id.Perm(), tt.a.Mode&0o7777; got != want || !id.IsRegular() {
				t.Errorf("mode is %o, want %o", id.Mode, want)
			}
			if id.UID != uint32(os.Geteuid()) || id.GID != uint32(os.Getegid()) {
				t.Errorf("owner is %d:%d, want %d:%d", id.UID, id.GID, os.Geteuid(), os.Getegid())
			}
			// What is made at once is no different.
			for name, dir := range map[string]*Dir{"public": d, "private": d.Private()} {
				if err := dir.WriteSmall(name, []byte("content"), tt.a); err != nil {
					t.Fatalf("WriteSmall, %s: %v", name, err)
				}
				got, err := d.Identity(name)
				if err != nil {
					t.Fatal(err)
				}
				want := id
				want.Inode, want.CTime, want.Size = got.Inode, got.CTime, 7
				if got != want {
					t.Errorf("WriteSmall, %s, made %+v, want %+v", name, got, want)
				}
			}
		})
	}
	t.Run("directory", func(t *testing.T) {
		y := newYard(t, Open)
		d, err := y.Dir("a")
		if err != nil {
			t.Fatal(err)
		}
		a := Attributes{Mode: 0o2750, MTime: 1_000_000_007, UID: os.Geteuid(), GID: os.Getegid()}
		if err := d.SetAttributes(a); err != nil {
			t.Fatal(err)
		}
		fi, err := d.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if id := Stamp(fi); id.Perm() != a.Mode || id.MTime/1000 != a.MTime/1000 {
			t.Errorf("the directory has mode %o and mtime %d, want %o and %d", id.Perm(), id.MTime, a.Mode, a.MTime)
		}
	})
	t.Run("link", func(t *testing.T) {
		y := newYard(t, Open)
		symlink(t, y.out+"/file", y.at("l"))
		before, err := os.Stat(y.out + "/file")
		if err != nil {
			t.Fatal(err)
		}
		a := Attributes{Mode: 0o777, MTime: 1_000_000_007, UID: os.Geteuid(), GID: os.Getegid()}
		if err := y.top(t).SetLinkAttributes("l", a); err != nil {
			t.Fatal(err)
		}
		if id, err := y.top(t).Identity("l"); err != nil || (!portableRoot && id.MTime != a.MTime) {
			t.Errorf("the link has mtime %d (%v), want %d", id.MTime, err, a.MTime)
		}
		if after, err := os.Stat(y.out + "/file"); err != nil || Stamp(after) != Stamp(before) {
			t.Errorf("the file that it points to is now %v (%v), was %v", after, err, before)
		}
	})
	t.Run("closed file", func(t *testing.T) {
		_, d := openTop(t, t.TempDir())
		f, err := d.Create("f")
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		for call, err := range map[string]error{
			"SetAttributes": SetAttributes(f, Attributes{}),
			"Flush":         Flush(f),
		} {
			wantCode(t, call, err, mft.CodeOther)
		}
		StartWriteback(f, 0, 10) // promises nothing, and must not crash
	})
}

func TestStamp(t *testing.T) {
	top := t.TempDir()
	r, d := openTop(t, top)
	write(t, filepath.Join(top, "f"), "one")
	look := func() Identity {
		t.Helper()
		id, err := d.Identity("f")
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := look()
	if second := look(); first != second {
		t.Errorf("an untouched file is %+v and then %+v", first, second)
	}
	if !first.IsRegular() || first.IsDir() || first.IsSymlink() || first.Size != 3 {
		t.Errorf("a file of 3 bytes is %+v", first)
	}
	// However it is looked at, it is the same.
	lstat, err := d.Lstat("f")
	if err != nil {
		t.Fatal(err)
	}
	f, opened, err := r.OpenFile("f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fstat, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	for call, fi := range map[string]fs.FileInfo{"Lstat": lstat, "OpenFile": opened, "File.Stat": fstat} {
		if got := Stamp(fi); got != first {
			t.Errorf("by %s it is %+v, want %+v", call, got, first)
		}
		if fi.Name() != "f" || fi.Size() != 3 || fi.Mode() != lstat.Mode() || !fi.ModTime().Equal(time.Unix(0, first.MTime)) {
			t.Errorf("%s describes it as %v", call, fi)
		}
	}
	for _, change := range []struct {
		name string
		do   func(path string) error
	}{
		{"size", func(p string) error { return os.WriteFile(p, []byte("four"), 0o644) }},
		{"time", func(p string) error { return os.Chtimes(p, time.Time{}, time.Unix(1, 0)) }},
		{"mode", func(p string) error { return os.Chmod(p, 0o400) }},
		{"another file", func(p string) error {
			if err := os.WriteFile(p+"2", []byte("four"), 0o400); err != nil {
				return err
			}
			return os.Rename(p+"2", p)
		}},
	} {
		before := look()
		if err := change.do(filepath.Join(top, "f")); err != nil {
			t.Fatal(err)
		}
		if after := look(); after == before {
			t.Errorf("%s: the identity is still %+v", change.name, after)
		}
	}
}
