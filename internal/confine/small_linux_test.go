//go:build !portable

package confine

import (
	"encoding/binary"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
)

// Nothing is taken from what is not a regular file.
func TestReadSmallOfOtherKinds(t *testing.T) {
	y := newYard(t, Open)
	if err := unix.Mkfifo(y.at("pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(y.at("pipe"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	if _, err := pipe.WriteString("for somebody else"); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(y.at("idle"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", y.at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	names := []string{"pipe", "idle", "socket"}
	if unix.Mknod(y.at("zero"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))) == nil {
		names = append(names, "zero")
	}
	for _, name := range names {
		for _, room := range []int{0, 100} {
			_, _, err := y.top(t).ReadSmall(name, make([]byte, room))
			wantCode(t, "ReadSmall "+name, err, mft.CodeNotRegular)
		}
	}
	got := make([]byte, 100)
	if n, err := pipe.Read(got); err != nil || string(got[:n]) != "for somebody else" {
		t.Errorf("in the pipe there is %q (%v)", got[:n], err)
	}
}

func TestSmallPermissions(t *testing.T) {
	y := newYard(t, Open)
	write(t, y.at("unread"), "content")
	write(t, y.at("listable/file"), "content")
	write(t, y.at("unlisted/file"), "content")
	for path, mode := range map[string]os.FileMode{"unread": 0, "a": 0o555, "listable": 0o744, "unlisted": 0o711, "": 0o777} {
		if err := os.Chmod(y.at(path), mode); err != nil {
			t.Fatal(err)
		}
	}
	root := os.Geteuid() == 0
	asNobody(t, func() {
		top, err := y.Dir("")
		if err != nil {
			t.Error(err)
			return
		}
		_, _, err = top.ReadSmall("unread", make([]byte, 9))
		wantCode(t, "ReadSmall", err, mft.CodePermission)
		plain := Attributes{Mode: 0o644, MTime: 5, UID: -1, GID: -1}
		if d, err := y.Dir("a"); err != nil {
			t.Error(err)
		} else {
			wantCode(t, "WriteSmall", d.WriteSmall("x", nil, plain), mft.CodePermission)
		}
		if !root {
			return // its own directories are open to it
		}
		nothing := func([]byte, *Identity, []byte) error { return nil }
		if d, err := y.Dir("unlisted"); err != nil {
			t.Error(err)
		} else {
			wantCode(t, "List", d.List(nothing), mft.CodePermission)
			if got, _, err := d.ReadSmall("file", make([]byte, 9)); err != nil || string(got) != "content" {
				t.Errorf("ReadSmall where nothing may be listed = %q, %v", got, err)
			}
		}
		if d, err := y.Dir("listable"); err != nil {
			t.Error(err)
		} else {
			wantCode(t, "List", d.List(nothing), mft.CodePermission)
		}
		// An owner that may not be given leaves a file that nobody else reads.
		notMine := Attributes{Mode: 0o666, MTime: 5, UID: 0, GID: -1}
		wantCode(t, "WriteSmall", top.WriteSmall("given", []byte("content"), notMine), mft.CodePermission)
		if id, err := top.Identity("given"); err != nil || id.Perm() != 0o600 {
			t.Errorf("what could not be given away is %+v (%v), want mode 0600", id, err)
		}
		mine := Attributes{Mode: 0o4755, MTime: 5, UID: 65534, GID: 65534}
		if err := top.Private().WriteSmall("mine", []byte("content"), mine); err != nil {
			t.Errorf("WriteSmall: %v", err)
		}
		if id, err := top.Identity("mine"); err != nil || id.Perm() != 0o4755 || id.UID != 65534 || id.MTime != 5 {
			t.Errorf("its own file is %+v (%v)", id, err)
		}
	})
}

func TestWriteSmallGivesAway(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	_, d := openTop(t, t.TempDir())
	for name, a := range map[string]Attributes{
		"both":      {Mode: 0o6755, MTime: 5, UID: 1234, GID: 4321},
		"user":      {Mode: 0o4711, MTime: 5, UID: 1234, GID: -1},
		"group":     {Mode: 0o2750, MTime: 5, UID: -1, GID: 4321},
		"unchanged": {Mode: 0o7777, MTime: 5, UID: 0, GID: os.Getegid()},
		"unusual":   {Mode: 0o044, MTime: 5, UID: 1234, GID: 4321},
		"hidden":    {Mode: 0o600, MTime: 5, UID: 1234, GID: 4321},
	} {
		for prefix, dir := range map[string]*Dir{"public": d, "private": d.Private()} {
			if err := dir.WriteSmall(prefix+name, []byte("content"), a); err != nil {
				t.Fatal(err)
			}
			want := a
			if want.UID < 0 {
				want.UID = 0
			}
			if want.GID < 0 {
				want.GID = os.Getegid()
			}
			id, err := d.Identity(prefix + name)
			if err != nil || id.UID != uint32(want.UID) || id.GID != uint32(want.GID) || id.Perm() != want.Mode || id.MTime != 5 || id.Size != 7 {
				t.Errorf("%s, %s: the file is %+v (%v), want %+v", name, prefix, id, err, want)
			}
		}
	}
}

// What the kernel makes of the permissions at creation does not show in the
// end.
func TestWriteSmallIsExact(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, top string)
		gid     int // that the directory gives
	}{
		{"umask of nothing", func(t *testing.T, _ string) { umask(t, 0) }, os.Getegid()},
		{"usual umask", func(t *testing.T, _ string) { umask(t, 0o022) }, os.Getegid()},
		{"strict umask", func(t *testing.T, _ string) { umask(t, 0o077) }, os.Getegid()},
		{"umask of all", func(t *testing.T, _ string) { umask(t, 0o777) }, os.Getegid()},
		{"default access list", func(t *testing.T, top string) {
			acl := binary.LittleEndian.AppendUint32(nil, 2)
			for _, e := range []struct {
				tag, perm uint16
				id        uint32
			}{{1, 6, 1<<32 - 1}, {2, 7, 1234}, {4, 0, 1<<32 - 1}, {16, 4, 1<<32 - 1}, {32, 0, 1<<32 - 1}} {
				acl = binary.LittleEndian.AppendUint16(acl, e.tag)
				acl = binary.LittleEndian.AppendUint16(acl, e.perm)
				acl = binary.LittleEndian.AppendUint32(acl, e.id)
			}
			if err := unix.Setxattr(top, "system.posix_acl_default", acl, 0); err != nil {
				t.Skipf("no access lists here: %v", err)
			}
		}, os.Getegid()},
		{"group of the directory", func(t *testing.T, top string) {
			if err := os.Chown(top, -1, 4321); err != nil {
				t.Skipf("this process may not change groups: %v", err)
			}
			if err := unix.Chmod(top, 0o2755); err != nil {
				t.Fatal(err)
			}
		}, 4321},
	} {
		t.Run(tt.name, func(t *testing.T) {
			top := t.TempDir()
			_, d := openTop(t, top)
			tt.prepare(t, top)
			private := d.Private() // which remembers how the one before came out
			for _, mode := range []uint32{0, 0o400, 0o444, 0o600, 0o640, 0o644, 0o666, 0o755, 0o777, 0o2755, 0o7777} {
				for _, gid := range []int{-1, os.Getegid()} {
					for prefix, dir := range map[string]*Dir{"public": d, "private": private, "private again": private} {
						a := Attributes{Mode: mode, MTime: 1_000_000_007, UID: -1, GID: gid}
						if err := dir.WriteSmall(prefix, []byte("content"), a); err != nil {
							t.Fatal(err)
						}
						want := tt.gid
						if gid >= 0 {
							want = gid
						}
						id, err := d.Identity(prefix)
						if err != nil || id.Perm() != mode || id.GID != uint32(want) || id.MTime != a.MTime {
							t.Errorf("%s: the file is %+v (%v), want mode %o and group %d", prefix, id, err, mode, want)
						}
						if err := d.Remove(prefix); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
		})
	}
}

// umask sets that of the process until the test ends. No test of the package
// runs beside another.
func umask(t *testing.T, mask int) {
	t.Helper()
	old := unix.Umask(mask)
	t.Cleanup(func() { unix.Umask(old) })
}

func TestSmallKeepsNothingOpen(t *testing.T) {
	y := newYard(t, Open)
	write(t, y.at("d/file"), "content")
	symlink(t, "file", y.at("d/link"))
	if err := unix.Mkfifo(y.at("d/pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := y.Dir("d")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, name := range []string{"file", "link", "pipe", "none", ".."} {
			_, _, _ = d.ReadSmall(name, make([]byte, 9))
		}
		_ = d.WriteSmall("file", nil, Attributes{})
		_ = d.WriteSmall("new", nil, Attributes{Mode: 0o644, UID: -1, GID: -1})
		_ = d.Remove("new")
		_ = d.List(func([]byte, *Identity, []byte) error { return os.ErrInvalid })
		_ = d.List(func([]byte, *Identity, []byte) error { return nil })
		_ = d.Names(func(string) error { return os.ErrInvalid })
		_ = d.Names(func(string) error { return nil })
	}
	if got := openDescriptors(t, y.in); got != 2 {
		t.Errorf("%d descriptors are open, want those of the root and the directory", got)
	}
}

// A tree that is deeper than descriptors are kept is listed level by level, and
// from within.
func TestListDeep(t *testing.T) {
	y := newYard(t, Open)
	const levels = 3 * maxOpen
	if _, err := y.MkdirAll("d"+strings.Repeat("/d", levels-1), 0o755); err != nil {
		t.Fatal(err)
	}
	most := 0
	var down func(d *Dir) int
	down = func(d *Dir) int {
		deepest := 0
		err := d.Names(func(name string) error {
			next, err := d.Dir(name)
			if err == nil {
				deepest = 1 + down(next)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		most = max(most, openDescriptors(t, y.in))
		return deepest
	}
	d, err := y.Dir("d")
	if err != nil {
		t.Fatal(err)
	}
	if got := 1 + down(d); got != levels {
		t.Errorf("%d levels were listed, want %d", got, levels)
	}
	if most > maxOpen+2 {
		t.Errorf("%d descriptors were open, want no more than %d", most, maxOpen+2)
	}
}
