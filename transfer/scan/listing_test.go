package scan_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zeebo/blake3"
	"pgregory.net/rapid"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine"
	"mft.dev/mft/internal/siphash"
	"mft.dev/mft/transfer/scan"
)

// all says that all counts.
func all() *scan.Lister { return &scan.Lister{Modes: 0o7777, Owners: true, Dirs: true} }

// list lists a directory as the top of a tree.
func list(t testing.TB, l *scan.Lister, path string) scan.Listing {
	t.Helper()
	root, err := confine.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	out, err := l.List(t.Context(), root, "", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A thing is what a test puts in a directory.
type thing struct {
	name, target string
	kind         fs.FileMode // 0, fs.ModeDir, fs.ModeSymlink
	perm         fs.FileMode
	size         int64
	mtime        int64
}

func (x thing) make(t testing.TB, dir string) {
	path := filepath.Join(dir, x.name)
	var err error
	switch x.kind {
	case 0:
		if err = os.WriteFile(path, nil, 0o600); err == nil {
			err = os.Truncate(path, x.size)
		}
	case fs.ModeDir:
		err = os.Mkdir(path, 0o700)
	case fs.ModeSymlink:
		symlink(t, x.target, path)
		return
	}
	if err == nil {
		err = os.Chmod(path, x.perm)
	}
	if err == nil {
		err = os.Chtimes(path, time.Time{}, time.Unix(0, x.mtime))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// slowly is the listing of a directory by what package os says, as the
// documentation of Lister.List tells it.
func slowly(t testing.TB, l *scan.Lister, path string) scan.Listing {
	t.Helper()
	entries, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	var out scan.Listing
	salted := blake3.Sum256(append([]byte("mft listing 2\x00"), l.Salt[:]...))
	key := siphash.New((*[16]byte)(salted[:]))
	for _, e := range entries {
		fi, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		id := confine.Stamp(fi)
		kind, rest := byte(0), []byte(nil)
		mode := uint16(id.Mode & 0o7777 & l.Modes)
		switch {
		case strings.HasPrefix(e.Name(), ".mft-") && strings.HasSuffix(e.Name(), ".part"):
			continue
		case fi.Mode().IsRegular():
			kind, rest = 1, binary.LittleEndian.AppendUint64(nil, uint64(fi.Size()))
			out.Bytes += fi.Size()
		case fi.IsDir():
			kind = 2
			out.Dirs = append(out.Dirs, e.Name())
		case fi.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(filepath.Join(path, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if !scan.SafeLink(e.Name(), target) {
				out.Unfit++
				continue
			}
			kind, rest = 3, append(binary.LittleEndian.AppendUint16(nil, uint16(len(target))), target...)
		default:
			out.Unfit++
			continue
		}
		out.Items++
		if kind == 2 {
			mode &^= 0o2000
		}
		entry := []byte{kind}
		if kind == 1 || kind == 2 && l.Dirs {
			entry = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint16(entry, mode), uint64(id.MTime))
		}
		entry = append(entry, rest...)
		if l.Owners && (kind != 2 || l.Dirs) {
			entry = appendOwner(entry, e.Name(), path, id.UID, func(it mft.Item) string { return it.Owner }, t)
			entry = appendOwner(entry, e.Name(), path, id.GID, func(it mft.Item) string { return it.Group }, t)
		}
		low, high := key.Sum(append(entry, e.Name()...))
		for lane, digest := range []uint64{low, high} {
			sum := binary.LittleEndian.Uint64(out.Digest[8*lane:]) + digest
			binary.LittleEndian.PutUint64(out.Digest[8*lane:], sum)
		}
	}
	return out
}

// appendOwner appends what Items tells of an owner.
func appendOwner(b []byte, name, dir string, number uint32, of func(mft.Item) string, t testing.TB) []byte {
	t.Helper()
	owner := ""
	for e, err := range open(t, dir+"/").Items(t.Context()) {
		if err == nil && e.Item.Path == name {
			owner = of(e.Item)
			break
		}
	}
	b = binary.AppendUvarint(b, uint64(len(owner)))
	if owner == "" {
		return binary.LittleEndian.AppendUint32(b, number)
	}
	return append(b, owner...)
}

func draw(t *rapid.T) []thing {
	things := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) thing {
		x := thing{
			name:  rapid.StringMatching(`[a-z.][a-zA-Z .-]{0,20}`).Draw(t, "name"),
			kind:  rapid.SampledFrom([]fs.FileMode{0, 0, fs.ModeDir, fs.ModeSymlink}).Draw(t, "kind"),
			perm:  fs.FileMode(rapid.Uint32Range(0, 0o777).Draw(t, "perm")),
			size:  rapid.Int64Range(0, 1<<30).Draw(t, "size"),
			mtime: rapid.Int64Range(-1e18, 4e18).Draw(t, "mtime"),
		}
		x.target = rapid.SampledFrom([]string{"a", "../a", "a/../b", "/a", strings.Repeat("x/", 100)}).Draw(t, "target")
		return x
	}), 0, 12, func(x thing) string { return strings.ToLower(x.name) }).Draw(t, "things")
	return slices.DeleteFunc(things, func(x thing) bool { return x.name == "." || x.name == ".." })
}

func TestListingProperty(t *testing.T) {
	fast := all()
	rapid.Check(t, func(r *rapid.T) {
		things := draw(r)
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range things {
			x.make(t, dir)
		}
		fast.Modes = rapid.SampledFrom([]uint32{0, 0o777, 0o7777}).Draw(r, "modes")
		fast.Owners = rapid.Bool().Draw(r, "owners")
		fast.Dirs = rapid.Bool().Draw(r, "dirs")
		copy(fast.Salt[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(r, "salt"))
		got, want := list(t, fast, dir), slowly(t, fast, dir)
		if got.Count != want.Count || got.Digest != want.Digest || got.Unfit != want.Unfit || !slices.Equal(got.Dirs, want.Dirs) {
			r.Errorf("the listing of %+v is %+v, want %+v", things, got, want)
		}
		if again := list(t, fast, dir); again.Digest != got.Digest || !slices.Equal(again.Dirs, got.Dirs) {
			r.Errorf("a second time it is %+v, was %+v", again, got)
		}
	})
}

func TestListingNeedsNoOrder(t *testing.T) {
	var things []thing
	for i := range 300 {
		things = append(things, thing{name: fmt.Sprintf("n%d", i), perm: 0o644, size: int64(i), mtime: int64(i)})
	}
	one, two := t.TempDir(), t.TempDir()
	for i, x := range things {
		x.make(t, one)
		things[len(things)-1-i].make(t, two)
	}
	a, b := list(t, all(), one), list(t, all(), two)
	if a.Digest != b.Digest || a.Count != b.Count || a.Items != 300 || a.Bytes != 300*299/2 {
		t.Errorf("the same files made in another order are %+v and %+v", a, b)
	}
}

// Each thing that counts changes the digest, and nothing else does.
func TestListingTellsChanges(t *testing.T) {
	things := []thing{
		{name: "dir", kind: fs.ModeDir, perm: 0o755, mtime: 5},
		{name: "file", perm: 0o644, size: 3, mtime: 5},
	}
	rename := func(from, to string) func(dir string) error {
		return func(dir string) error { return os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)) }
	}
	on := func(name string, do func(path string) error) func(dir string) error {
		return func(dir string) error { return do(filepath.Join(dir, name)) }
	}
	chmod := func(mode fs.FileMode) func(path string) error {
		return func(path string) error { return os.Chmod(path, mode) }
	}
	at := func(nanoseconds int64) func(path string) error {
		return func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(0, nanoseconds)) }
	}
	chown := func(uid, gid int) func(path string) error {
		return func(path string) error {
			if os.Geteuid() != 0 {
				return errors.ErrUnsupported
			}
			return os.Chown(path, uid, gid)
		}
	}
	relink := func(target string) func(path string) error {
		return func(path string) error { return errors.Join(os.Remove(path), os.Symlink(target, path)) }
	}
	full, modes, permissions, little := all(), &scan.Lister{Modes: 0o7777}, &scan.Lister{Modes: 0o777}, &scan.Lister{}
	for _, tt := range []struct {
		name   string
		lister *scan.Lister
		change func(dir string) error
		same   bool
	}{
		{"nothing", full, func(string) error { return nil }, true},
		{"name", full, rename("file", "fila"), false},
		{"name of a directory", full, rename("dir", "dis"), false},
		{"size", full, on("file", func(p string) error { return errors.Join(os.Truncate(p, 4), at(5)(p)) }), false},
		{"content", full, on("file", func(p string) error { return errors.Join(os.WriteFile(p, []byte("new"), 0), at(5)(p)) }), true},
		{"time", full, on("file", at(6)), false},
		{"time of a directory", full, on("dir", at(6)), false},
		{"mode", full, on("file", chmod(0o600)), false},
		{"mode of a directory", full, on("dir", chmod(0o700)), false},
		{"time of a directory that does not count", modes, on("dir", at(6)), true},
		{"mode of a directory that does not count", modes, on("dir", chmod(0o700)), true},
		{"setgid of a directory", full, on("dir", chmod(0o755|fs.ModeSetgid)), true},
		{"mode that does not count", little, on("file", chmod(0o600)), true},
		{"setuid", full, on("file", chmod(0o644|fs.ModeSetuid)), false},
		{"setuid that does not count", permissions, on("file", chmod(0o644|fs.ModeSetuid)), true},
		{"mode that counts still", permissions, on("file", chmod(0o600)), false},
		{"owner", full, on("file", chown(1234, -1)), false},
		{"group", full, on("file", chown(-1, 1234)), false},
		{"owner of a directory", full, on("dir", chown(1234, -1)), false},
		{"owner that does not count", modes, on("file", chown(1234, 1234)), true},
		{"type", full, on("file", func(p string) error {
			return errors.Join(os.Remove(p), os.Mkdir(p, 0o644), os.Chmod(p, 0o644), at(5)(p))
		}), false},
		{"one less", full, on("file", os.Remove), false},
		{"one more", full, on("more", func(p string) error { return os.WriteFile(p, nil, 0o644) }), false},
		{"a link more", full, on("link", func(p string) error { return os.Symlink("file", p) }), false},
		{"a link that cannot travel more", full, on("link", func(p string) error { return os.Symlink("/file", p) }), true},
		{"staging more", full, on(".mft-0.part", func(p string) error { return os.Mkdir(p, 0o700) }), true},
		{"what is below a directory", full, on("dir", func(p string) error {
			return errors.Join(os.WriteFile(filepath.Join(p, "below"), nil, 0o644), at(5)(p))
		}), true},
		{"a second name elsewhere", full, on("file", func(p string) error { return os.Link(p, filepath.Join(p, "../dir/second")) }), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, x := range things {
				x.make(t, dir)
			}
			before := list(t, tt.lister, dir)
			err := tt.change(dir)
			if tt.name == "a second name elsewhere" { // it changes the time of dir
				err = errors.Join(err, at(5)(filepath.Join(dir, "dir")))
			}
			if err != nil {
				t.Skipf("not here: %v", err)
			}
			after := list(t, tt.lister, dir)
			if got := before.Digest == after.Digest; got != tt.same {
				t.Errorf("the digest is the same: %t, want %t", got, tt.same)
			}
		})
	}
	t.Run("target", func(t *testing.T) {
		dir := t.TempDir()
		symlink(t, "a", filepath.Join(dir, "link"))
		before := list(t, all(), dir)
		if err := relink("b")(filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		if list(t, all(), dir).Digest == before.Digest {
			t.Error("another target has the same digest")
		}
	})
	t.Run("salt", func(t *testing.T) {
		dir := t.TempDir()
		things[1].make(t, dir)
		salted := all()
		if _, err := rand.Read(salted.Salt[:]); err != nil {
			t.Fatal(err)
		}
		a, b := list(t, all(), dir), list(t, salted, dir)
		if a.Digest == b.Digest || a.Count != b.Count {
			t.Errorf("with another salt the listing is %+v, was %+v", b, a)
		}
	})
	if empty := list(t, all(), t.TempDir()); empty.Digest != [16]byte{} || empty.Items != 0 || empty.Dirs != nil {
		t.Errorf("an empty directory is %+v", empty)
	}
}

// Entries cannot be moved between fields.
func TestListingIsUnambiguous(t *testing.T) {
	seen := map[[16]byte]string{}
	for _, x := range []thing{
		{name: "ab", kind: fs.ModeSymlink, target: "c"},
		{name: "b", kind: fs.ModeSymlink, target: "ca"},
		{name: "b", kind: fs.ModeSymlink, target: "c"},
		{name: "a", perm: 0o644, size: 1, mtime: 1},
		{name: "a", perm: 0o644, size: 1, mtime: -1},
		{name: "\x01a", perm: 0o644, size: 1, mtime: 1},
		{name: "a", kind: fs.ModeDir, perm: 0o644, mtime: 1},
		{name: "\x01a", kind: fs.ModeDir, perm: 0o644, mtime: 1},
	} {
		if os.PathSeparator == '\\' && x.name[0] == 1 {
			continue
		}
		dir := t.TempDir()
		x.make(t, dir)
		l := list(t, &scan.Lister{Modes: 0o777}, dir)
		if other, ok := seen[l.Digest]; ok && x.kind != fs.ModeSymlink {
			t.Errorf("%+v has the digest of %s", x, other)
		}
		seen[l.Digest] = fmt.Sprintf("%+v", x)
	}
}

func TestSourceList(t *testing.T) {
	top := newTree(t)
	symlink(t, "../a.csv", filepath.Join(top, "out", "sub", "up"))
	symlink(t, "../../a.csv", filepath.Join(top, "out", "sub", "out"))
	direct := func(items []string, path string) (good, bad int64) {
		for _, it := range items {
			dir, name := splitLast(it)
			switch {
			case dir != path:
			case strings.HasSuffix(name, "!"):
				bad++
			default:
				good++
			}
		}
		return good, bad
	}
	unfit := int64(0)
	for _, tt := range []struct {
		source string
		lists  []string // directories that are whole
		not    []string
	}{
		{"out", []string{"out", "out/sub", "out/sub/deep"}, []string{"", "in", "outside", "sub", "out/none", "out/a.csv", "out/..", "out//sub"}},
		{"out/", []string{"", "sub", "sub/deep"}, []string{"out", ".", "..", "/", "sub/", "./sub"}},
		{"link", []string{"link", "link/sub"}, []string{"out"}},
		{"out/a.csv", nil, []string{"", "a.csv", "sub"}},
		{"out/s*", []string{"sub", "sub/deep"}, []string{"", "su", "a.csv", "sub/none"}},
		{"*/sub", []string{"out/sub", "out/sub/deep"}, []string{"", "out", "in", "in/sub"}},
		{"out/**", []string{"sub", "sub/deep"}, []string{"", "."}},
		{"out/**/deep", []string{"sub/deep"}, []string{"", "sub"}},
	} {
		s := open(t, top+"/"+tt.source)
		var items []string
		for e, err := range s.Items(t.Context()) {
			items = append(items, e.Item.Path)
			if err != nil {
				items[len(items)-1] += "!"
			}
		}
		l := all()
		for _, path := range tt.lists {
			got, err := s.List(t.Context(), l, path)
			good, bad := direct(items, path)
			if err != nil || got.Items != good || got.Unfit != bad || good == 0 {
				t.Errorf("List(%q) of %s = %+v, %v, want %d items and %d errors as Items has", path, tt.source, got, err, good, bad)
			}
			unfit += bad
			for _, dir := range got.Dirs {
				if !slices.Contains(items, strings.TrimPrefix(path+"/"+dir, "/")) {
					t.Errorf("List(%q) of %s has the directory %q, Items does not", path, tt.source, dir)
				}
			}
		}
		for _, path := range tt.not {
			if got, err := s.List(t.Context(), l, path); mft.CodeOf(err) == mft.CodeOK || got.Items != 0 || got.Dirs != nil {
				t.Errorf("List(%q) of %s = %+v, want an error", path, tt.source, got)
			}
		}
	}
	if unfit == 0 {
		t.Error("no source had a link that cannot travel")
	}
}

// Both ends list alike, wherever the directory is.
func TestListingOfACopy(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for _, dir := range []string{filepath.Join(from, "d"), filepath.Join(to, "elsewhere", "d")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, x := range []thing{{name: "f", perm: 0o644, size: 9, mtime: 7}, {name: "x", kind: fs.ModeDir, perm: 0o755, mtime: 8}} {
			x.make(t, dir)
		}
	}
	sent, err := open(t, filepath.Join(from, "d")).List(t.Context(), all(), "d")
	if err != nil {
		t.Fatal(err)
	}
	root, err := confine.Open(to)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	here, err := all().List(t.Context(), root, "elsewhere/d", "d", 1)
	if err != nil || here.Digest != sent.Digest || here.Count != sent.Count || !slices.Equal(here.Dirs, sent.Dirs) {
		t.Errorf("a copy is %+v (%v), want %+v", here, err, sent)
	}
}

func TestListingFails(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "d", "f"), "content")
	root, err := confine.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if got, err := all().List(ctx, root, "d", "d", 1); mft.CodeOf(err) != mft.CodeCancelled || got.Items != 0 {
		t.Errorf("List after cancelling: %+v, %v", got, err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "d")); err != nil {
		t.Fatal(err)
	}
	if got, err := all().List(t.Context(), root, "d", "d", 1); mft.CodeOf(err) != mft.CodeNotFound || got.Items != 0 {
		t.Errorf("List of what was removed: %+v, %v", got, err)
	}
}

// A path that a manifest does not carry is no entry.
func TestListingOfLongPaths(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "1234"), "content")
	write(t, filepath.Join(dir, "12345"), "content")
	root, err := confine.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for size, want := range map[int]int64{4090: 2, 4091: 1, 4092: 0} {
		got, err := all().List(t.Context(), root, "", strings.Repeat("p", size), 1)
		if err != nil || got.Items != want || got.Unfit != 2-want {
			t.Errorf("below a path of %d bytes: %+v, %v, want %d items", size, got, err, want)
		}
	}
}

func TestReadItem(t *testing.T) {
	top := t.TempDir()
	for _, name := range []string{"d/a", "d/b", "d/sub/c", "e"} {
		write(t, filepath.Join(top, name), "content of "+name)
	}
	s := open(t, top+"/")
	entries := map[string]scan.Entry{}
	for e, err := range s.Items(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		entries[e.Item.Path] = e
	}
	read := func(name string) (string, bool, error) {
		e := entries[name]
		content, id, err := s.ReadItem(e, make([]byte, e.Item.Size))
		return string(content), id == e.Identity, err
	}
	for _, name := range []string{"d/a", "d/b", "e", "d/a", "d/sub/c", "d/sub/c"} {
		if got, same, err := read(name); err != nil || !same || got != "content of "+name {
			t.Errorf("ReadItem(%q) = %q, %t, %v", name, got, same, err)
		}
	}
	if _, _, err := read("d/a"); err != nil {
		t.Fatal(err)
	}
	// Another directory has the path now.
	if err := os.Rename(filepath.Join(top, "d"), filepath.Join(top, "old")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(top, "d", "b"), "another content")
	if got, same, err := read("d/b"); err == nil && same && got != "content of d/b" {
		t.Errorf("ReadItem of what was moved = %q as if it were the same", got)
	}
	fi, err := os.Lstat(filepath.Join(top, "d", "b"))
	if err != nil {
		t.Fatal(err)
	}
	now := entries["d/b"]
	now.Identity, now.Item.Size = confine.Stamp(fi), fi.Size()
	if got, id, err := s.ReadItem(now, make([]byte, now.Item.Size)); err != nil || id != now.Identity || string(got) != "another content" {
		t.Errorf("ReadItem of what is there now = %q, %v", got, err)
	}
	write(t, filepath.Join(top, "e"), "longer than it was before")
	if got, same, err := read("e"); err != nil || same || !strings.HasPrefix("longer than it was before", got) {
		t.Errorf("ReadItem of a changed file = %q, %t, %v, want another identity", got, same, err)
	}
	remove(t, filepath.Join(top, "e"))
	if _, _, err := read("e"); mft.CodeOf(err) != mft.CodeNotFound {
		t.Errorf("ReadItem of nothing: %v, want %q", err, mft.CodeNotFound)
	}
	symlink(t, "d/b", filepath.Join(top, "e"))
	if _, _, err := read("e"); mft.CodeOf(err) != mft.CodeSymlink {
		t.Errorf("ReadItem of a link: %v, want %q", err, mft.CodeSymlink)
	}
	remove(t, filepath.Join(top, "d"))
	if _, _, err := read("d/sub/c"); mft.CodeOf(err) != mft.CodeNotFound {
		t.Errorf("ReadItem in nothing: %v, want %q", err, mft.CodeNotFound)
	}
}

// Several may read at once.
func TestReadItemAtOnce(t *testing.T) {
	top := t.TempDir()
	for i := range 40 {
		write(t, filepath.Join(top, fmt.Sprintf("d%d", i%8), fmt.Sprint(i)), fmt.Sprint(i))
	}
	s := open(t, top+"/")
	var entries []scan.Entry
	for e, err := range s.Items(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Item.Type == mft.ItemFile {
			entries = append(entries, e)
		}
	}
	done := make(chan error)
	for range 4 {
		go func() {
			buf := make([]byte, 10)
			for _, e := range entries {
				got, id, err := s.ReadItem(e, buf)
				if _, name := splitLast(e.Rel); err != nil || id != e.Identity || !bytes.Equal(got, []byte(name)) {
					done <- fmt.Errorf("ReadItem(%q) = %q, %w", e.Rel, got, err)
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
