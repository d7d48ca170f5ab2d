package receiver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
	"mft.dev/mft/internal/xattr"
)

// needsExtended skips where files have no extended attributes or access lists.
func needsExtended(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range []string{"user.x", xattr.Access} {
		if _, _, err := xattr.Get(f, name); errors.Is(err, errors.ErrUnsupported) {
			t.Skipf("the file system has no %s", name)
		}
	}
}

// give gives a file or directory attributes, and takes those away of which the value is nil.
func give(t *testing.T, path string, values map[string][]byte) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for name, value := range values {
		if value == nil {
			err = xattr.Remove(f, name)
		} else {
			err = xattr.Set(f, name, value)
		}
		if err != nil {
			t.Fatalf("%s of %s: %v", name, path, err)
		}
	}
}

// aclOf is an access list by which one user may do more than the group and others.
func aclOf(user uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range []struct {
		tag, perm uint16
		id        uint32
	}{{1, 7, ^uint32(0)}, {2, 6, user}, {4, 4, ^uint32(0)}, {16, 6, ^uint32(0)}, {32, 0, ^uint32(0)}} {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

// extendedIn returns the attributes of what is below dir, but links, and their permissions.
func extendedIn(t *testing.T, dir string, folders bool) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir || d.Type()&fs.ModeSymlink != 0 || d.IsDir() && !folders {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		out[rel], err = allOf(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// allOf returns the attributes of a file or directory, and its permissions.
func allOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return "", err
	}
	all := fi.Mode().Perm().String()
	for _, name := range []string{"user.a", "user.b", "user.empty", xattr.Access, xattr.Default} {
		value, found, err := xattr.Get(f, name)
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return "", err
		}
		if found {
			all += fmt.Sprintf(" %s=%x", name, value)
		}
	}
	return all, nil
}

func wantSameExtended(t *testing.T, want, got string, folders bool) {
	t.Helper()
	if diff := diffMaps(extendedIn(t, want, folders), extendedIn(t, got, folders)); diff != "" {
		t.Errorf("what is preserved: %s", diff)
	}
}

// drawPreserve draws what is preserved, and gives some of it to all three trees; the two
// destinations are alike.
func drawPreserve(t *testing.T, r *rand.Rand, f *fixture, theirs string) mft.Preserve {
	keeps := []mft.Preserve{0, mft.PreserveLinks, mft.PreserveXAttrs, mft.PreserveACLs, mft.PreserveExtended, mft.PreserveAll}[r.IntN(6)]
	if keeps == 0 {
		return 0
	}
	if keeps.Has(mft.PreserveLinks) {
		plantLinks(t, r, f.src)
		seed := r.Uint64()
		for _, dir := range []string{f.dst, theirs} {
			plantLinks(t, rand.New(rand.NewPCG(seed, 6)), dir)
		}
	}
	needsExtended(t, f.src)
	folders := f.offer.Mirror.On // without a mirror, directories that are there stay as they are
	plantExtended(t, r, f.src, keeps, folders)
	seed := r.Uint64()
	for _, dir := range []string{f.dst, theirs} {
		plantExtended(t, rand.New(rand.NewPCG(seed, 5)), dir, keeps, folders)
	}
	return keeps
}

// plantLinks makes some files names of others.
func plantLinks(t *testing.T, r *rand.Rand, dir string) {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for range r.IntN(6) {
		if len(files) < 2 {
			return
		}
		first, other := files[r.IntN(len(files))], files[r.IntN(len(files))]
		if first == other {
			continue
		}
		if err := errors.Join(os.Remove(other), os.Link(first, other)); err != nil {
			t.Fatal(err)
		}
	}
}

// wantLinked wants names of one file in src to be that in got, if they are in want.
func wantLinked(t *testing.T, src, want, got string) {
	t.Helper()
	in, there, here := groups(t, src), groups(t, want), groups(t, got)
	for name, first := range in {
		for other, same := range in {
			if same == first && there[name] != "" && there[name] == there[other] && here[name] != here[other] {
				t.Errorf("%q and %q are two files, and one at the source and in what rsync made", name, other)
			}
		}
	}
}

// plantExtended plants only what is preserved: other lists would be inherited where files are made, which
// is not where rsync makes them.
func plantExtended(t *testing.T, r *rand.Rand, dir string, keeps mft.Preserve, folders bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir || d.Type()&fs.ModeSymlink != 0 || d.IsDir() && !folders {
			return err
		}
		values := map[string][]byte{}
		if keeps.Has(mft.PreserveXAttrs) {
			if r.IntN(2) == 0 {
				values["user.a"] = []byte{byte(r.IntN(2))}
			}
			if r.IntN(3) == 0 {
				values["user.empty"] = []byte{}
			}
		}
		if keeps.Has(mft.PreserveACLs) {
			if r.IntN(3) == 0 {
				values[xattr.Access] = aclOf(4000 + r.Uint32N(2))
			}
			if d.IsDir() && r.IntN(3) == 0 {
				values[xattr.Default] = aclOf(4000 + r.Uint32N(2))
			}
		}
		give(t, path, values)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPreserve: what is preserved arrives with new files of every kind, is put right where the
// files are, and is taken away; what is not preserved stays as it is.
func TestPreserve(t *testing.T) {
	for _, keeps := range []mft.Preserve{mft.PreserveXAttrs, mft.PreserveACLs, mft.PreserveExtended} {
		for _, compare := range []mft.Compare{mft.CompareQuick, mft.CompareContent} {
			t.Run(keeps.String()+"/"+string(compare), func(t *testing.T) { preserves(t, keeps, compare) })
		}
	}
}

func preserves(t *testing.T, keeps mft.Preserve, compare mft.Compare) {
	f := newFixture(t)
	needsExtended(t, f.src)
	if err := os.Chmod(f.dst, 0o755); err != nil {
		t.Fatal(err)
	}
	give(t, f.dst, map[string][]byte{xattr.Default: aclOf(4001)}) // what is made there begins with it
	f.offer.Preserve, f.offer.Compare = keeps, compare
	f.offer.Mirror = mft.Mirror{On: true, MaxFiles: -1, MaxPercent: -1}
	old := time.Unix(1_700_000_000, 0)
	all := map[string][]byte{"user.a": []byte("1"), "user.empty": {}}
	if keeps.Has(mft.PreserveACLs) {
		all[xattr.Access] = aclOf(4000)
	}
	if !keeps.Has(mft.PreserveXAttrs) {
		delete(all, "user.a")
		delete(all, "user.empty")
	}
	names := map[string]int{"small": 10, "read-only": 10, "large": 1 << 20, "in/small": 10, "in/large": 1 << 20, "in/deep/er/small": 3, "plain": 5}
	for name, n := range names {
		f.write(name, bytes.Repeat([]byte("x"), n), 0o640)
	}
	for name := range names {
		if name != "plain" {
			give(t, filepath.Join(f.src, name), all)
		}
		if err := os.Chtimes(filepath.Join(f.src, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(f.src, "read-only"), 0o440); err != nil {
		t.Fatal(err)
	}
	give(t, filepath.Join(f.src, "in"), all)
	if keeps.Has(mft.PreserveACLs) {
		give(t, filepath.Join(f.src, "in/deep"), map[string][]byte{xattr.Default: aclOf(4002)})
	}
	same := func(moved, unchanged int64) {
		t.Helper()
		res := f.deliver()
		if res.sent.Code != mft.CodeOK {
			t.Fatalf("receipt %+v; notes %q", res.sent, f.notes)
		}
		if keeps.Has(mft.PreserveACLs) {
			wantSameExtended(t, f.src, f.dst, true)
		} else { // the list that they begin with stays
			want, got := extendedIn(t, f.src, true), extendedIn(t, f.dst, true)
			for name := range want {
				if _, attributes, _ := strings.Cut(want[name], " "); attributes != "" && !strings.Contains(got[name], attributes) || attributes == "" && strings.Contains(got[name], "user.") {
					t.Errorf("%s: %q, want %q", name, got[name], want[name])
				}
			}
		}
		if res.sent.Received.Bytes != moved || unchanged >= 0 && res.sent.Unchanged.Bytes != unchanged {
			t.Errorf("received %+v, unchanged %+v, want %d and %d bytes", res.sent.Received, res.sent.Unchanged, moved, unchanged)
		}
		f.again()
	}
	bytes := int64(10 + 10 + 1<<20 + 10 + 1<<20 + 3 + 5)
	same(bytes, 0)
	same(0, bytes)

	// The same content with other attributes is put right where it is.
	change := map[string][]byte{"user.a": []byte("2"), "user.b": []byte("new"), "user.empty": nil}
	if !keeps.Has(mft.PreserveXAttrs) {
		change = map[string][]byte{xattr.Access: aclOf(4003)}
	}
	for _, name := range []string{"small", "in/large", "plain", "in"} {
		give(t, filepath.Join(f.src, name), change)
	}
	inode := inodeOf(t, filepath.Join(f.dst, "in/large"))
	same(0, -1)
	if inodeOf(t, filepath.Join(f.dst, "in/large")) != inode {
		t.Error("a file was made anew of which only attributes had changed")
	}

	// What the source has no more is taken away, and what is not preserved is not.
	for _, name := range []string{"small", "in/large", "in"} {
		give(t, filepath.Join(f.src, name), map[string][]byte{"user.a": nil, "user.b": nil, xattr.Access: nil})
		if err := os.Chmod(filepath.Join(f.src, name), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	same(0, -1)
	before := extendedIn(t, f.dst, true)
	f.offer.Preserve = 0
	for name := range names {
		give(t, filepath.Join(f.src, name), map[string][]byte{"user.a": []byte("other")})
	}
	f.deliver()
	if diff := diffMaps(before, extendedIn(t, f.dst, true)); diff != "" {
		t.Errorf("without being preserved: %s", diff)
	}
}

// TestPreserveTooMuch: a file whose attributes are too large to travel stays behind, by name, and the
// others arrive.
func TestPreserveTooMuch(t *testing.T) {
	f := newFixture(t)
	needsExtended(t, f.src)
	f.offer.Preserve = mft.PreserveXAttrs
	f.write("good", []byte("good"), 0o644)
	f.write("bad", []byte("bad"), 0o644)
	file, err := os.Open(filepath.Join(f.src, "bad"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := xattr.Set(file, "user.large", make([]byte, 40<<10)); err != nil {
		t.Skipf("the file system does not take so much: %v", err)
	}
	res := f.deliver()
	if got := strings.Join(f.notes, "\n"); !strings.Contains(got, string(mft.CodeUnpreserved)) || !strings.Contains(got, "bad") {
		t.Errorf("notes %q", got)
	}
	if _, err := os.Stat(filepath.Join(f.dst, "good")); err != nil || res.sent.Received.Items != 1 {
		t.Errorf("%v, receipt %+v", err, res.sent)
	}
}

// TestPreserveWhereNoneAre: on a file system that has no attributes, what has some stays behind, by
// name, and the others arrive; a directory arrives without.
func TestPreserveWhereNoneAre(t *testing.T) {
	f := newFixture(t)
	needsExtended(t, f.src)
	if err := unix.Mount("ramfs", f.dst, "ramfs", 0, ""); err != nil {
		t.Skipf("this process may not mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(f.dst, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	if file, err := os.Open(f.dst); err != nil {
		t.Fatal(err)
	} else if _, _, err = xattr.Get(file, "user.x"); !errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("it has attributes: %v", errors.Join(err, file.Close()))
	} else if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	f.offer.Preserve = mft.PreserveAll
	for _, name := range []string{"plain", "some", "in/plain", "in/some", "large"} {
		size := 10
		if name == "large" {
			size = 1 << 20
		}
		f.write(name, bytes.Repeat([]byte("x"), size), 0o644)
	}
	for _, name := range []string{"some", "in/some", "in", "large"} {
		give(t, filepath.Join(f.src, name), map[string][]byte{"user.a": []byte("1")})
	}
	res := f.deliver()
	if res.sent.Code != mft.CodePartial || res.sent.Failed != 4 || !strings.Contains(res.sent.Detail, "the file system has none") {
		t.Errorf("receipt %+v, want 4 that failed", res.sent)
	}
	got := strings.Join(f.notes, "\n")
	for _, name := range []string{`"some"`, `"in/some"`, `"in"`, `"large"`} {
		if !strings.Contains(got, name) {
			t.Errorf("nothing is said of %s: %s", name, got)
		}
	}
	if there := extendedIn(t, f.dst, true); len(there) != 3 || there["plain"] == "" || there["in"] == "" || there["in/plain"] == "" {
		t.Errorf("there is %v, want what has nothing, and the directory", there)
	}
}
