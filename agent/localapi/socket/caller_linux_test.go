package socket

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
)

func TestAdmitsUser(t *testing.T) {
	self := uint32(os.Geteuid())
	for _, tt := range []struct {
		name     string
		gid      int
		uid, has uint32
		want     bool
	}{
		{"root", -1, 0, 0, true},
		{"the same user", -1, self, 4242, true},
		{"another user", -1, 4242, 4242, false},
		{"another user by its group", 4242, 4243, 4242, true},
		{"another user of another group", 4242, 4243, 4243, false},
		{"group -1 is nobody's", -1, 4243, ^uint32(0), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := (&members{tt.gid}).admitsUser(tt.uid, tt.has)
			if got := err == nil; got != tt.want {
				t.Errorf("admitsUser(%d, %d) for group %d = %v, want admitted %v", tt.uid, tt.has, tt.gid, err, tt.want)
			}
		})
	}
}

func TestListenForGroup(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give a file to another group")
	}
	g, err := user.LookupGroupId("1")
	if err != nil {
		t.Skipf("needs a group beside that of root: %v", err)
	}
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ln, err := Listen(filepath.Join(dir, "s"), g.Name)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for path, want := range map[string]os.FileMode{ln.Addr().String(): 0o660, dir: 0o710} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want || strconv.Itoa(groupOf(info)) != g.Gid {
			t.Errorf("%s: permissions %o of group %d, want %o of group %s", path, got, groupOf(info), want, g.Gid)
		}
	}
}
