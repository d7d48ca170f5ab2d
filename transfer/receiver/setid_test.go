package receiver

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/protocol"
)

// TestRootSetID: a grant for setuid bits is none for files that have the rights of root
// here, whoever has them at the sender; others are taken.
func TestRootSetID(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("files can only be given away by root")
	}
	const nobody = 65534
	for _, tt := range []struct {
		name     string
		mode     os.FileMode
		uid, gid int
		taken    bool
	}{
		{"setuid of root", os.ModeSetuid, 0, nobody, false},
		{"setuid of another", os.ModeSetuid, nobody, 0, true},
		{"setgid of root's group", os.ModeSetgid, nobody, 0, false},
		{"setgid of another", os.ModeSetgid, 0, nobody, true},
		{"sticky", os.ModeSticky, 0, 0, true},
	} {
		for _, allow := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, allow), func(t *testing.T) {
				f := newFixture(t)
				f.write("tool", []byte("x"), 0o755)
				tool := filepath.Join(f.src, "tool")
				if err := errors.Join(os.Lchown(tool, tt.uid, tt.gid), os.Chmod(tool, 0o755|tt.mode)); err != nil {
					t.Fatal(err)
				}
				f.landing.AllowSetID, f.landing.AllowRootSetID = true, allow
				res := f.deliver()
				fi, err := os.Stat(filepath.Join(f.dst, "tool"))
				if want := tt.taken || allow; want && (err != nil || fi.Mode()&tt.mode == 0) {
					t.Errorf("it was not taken as it is: %v, %v", fi, err)
				} else if !want && (err == nil || res.sent.Code != mft.CodeRootSetID) {
					t.Errorf("it was taken, or the receipt says %s, want %s", res.sent.Code, mft.CodeRootSetID)
				}
			})
		}
	}
}

// TestRootSetIDInPlace: nor does a file that is there already come to have the bit.
func TestRootSetIDInPlace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("files can only be given away by root")
	}
	f := newFixture(t)
	when := time.Unix(1e9, 0)
	for _, dir := range []string{f.src, f.dst} {
		at := filepath.Join(dir, "there")
		if err := errors.Join(os.WriteFile(at, []byte("x"), 0o755), os.Chtimes(at, when, when)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(f.src, "there"), 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	f.landing.AllowSetID = true
	f.deliver()
	if fi, err := os.Stat(filepath.Join(f.dst, "there")); err != nil || fi.Mode()&os.ModeSetuid != 0 {
		t.Errorf("what was there is %v, %v", fi, err)
	}
}

// TestRootSetIDOfNobody: a sender may say that a file is nobody's, as one on Windows does.
// What it makes then is the receiver's own, and so with setuid is none the less refused.
func TestRootSetIDOfNobody(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("files can only be given away by root")
	}
	const nobody = math.MaxUint32
	content := []byte("content")
	pack := protocol.AppendPackEntry(nil, 0, protocol.HashOf(content), content)
	for name, it := range map[string]mft.Item{
		"setuid":                    {Path: "tool", Mode: 0o4755, UID: nobody, GID: nobody},
		"setgid":                    {Path: "tool", Mode: 0o2755, UID: nobody, GID: nobody},
		"setuid, group of a few":    {Path: "tool", Mode: 0o4755, UID: nobody, GID: 4242},
		"setgid, user of a few":     {Path: "tool", Mode: 0o2755, UID: 4242, GID: nobody},
		"there already, as old":     {Path: "there", Mode: 0o6755, UID: nobody, GID: nobody, MTime: 1e18},
		"there already, not so old": {Path: "there", Mode: 0o6755, UID: nobody, GID: nobody},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			at := filepath.Join(f.dst, "there")
			if err := errors.Join(os.WriteFile(at, content, 0o755), os.Chtimes(at, time.Time{}, time.Unix(1e9, 0))); err != nil {
				t.Fatal(err)
			}
			f.landing.AllowSetID = true
			it.Type, it.Size = mft.ItemFile, int64(len(content))
			s := new(stream).items(0, it).frame(protocol.FramePack, pack).frame(protocol.FrameEnd, nil)
			if err := receiveRaw(t, f, s.Bytes()); err == nil {
				t.Error("Receive accepted what was not sealed")
			}
			err := filepath.WalkDir(f.dst, func(path string, d os.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				if fi, err := d.Info(); err != nil || fi.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 {
					t.Errorf("%s is %v, %v", path, fi.Mode(), err)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}
