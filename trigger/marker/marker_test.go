package marker

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
)

// here is for markers that are in no tree.
const here Tree = ""

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// code complains unless err has the code.
func code(t *testing.T, err error, want mft.Code, what string) {
	t.Helper()
	if got := mft.CodeOf(err); got != want {
		t.Errorf("%s: %v, want code %q", what, err, want)
	}
}

// names complains unless a directory has exactly these entries.
func names(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	ok(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if len(got) != len(want) {
		t.Fatalf("%s has %v, want %v", dir, got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s has %v, want %v", dir, got, want)
		}
	}
}

var plain = Attributes{Mode: 0o640, UID: -1, GID: -1}

func TestPlaceAndRemove(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, ".sending")
	at := time.Unix(1_700_000_000, 0)
	ok(t, here.Place(path, at, plain))
	fi, err := os.Stat(path)
	ok(t, err)
	if !fi.ModTime().Equal(at) || runtime.GOOS != "windows" && fi.Mode().Perm() != 0o640 || fi.Size() != 0 {
		t.Errorf("it was made as %v of %v", fi.Mode(), fi.ModTime())
	}
	ok(t, os.WriteFile(path, []byte("a note"), 0o600))
	ok(t, os.Chmod(path, 0o600))
	ok(t, here.Place(path, at.Add(time.Hour), plain))
	fi, err = os.Stat(path)
	ok(t, err)
	if !fi.ModTime().Equal(at.Add(time.Hour)) || runtime.GOOS != "windows" && fi.Mode().Perm() != 0o600 || fi.Size() != 6 {
		t.Errorf("it was touched, and is %v of %v, %d bytes", fi.Mode(), fi.ModTime(), fi.Size())
	}
	if is, err := here.Look(path); !is || err != nil {
		t.Errorf("Look: %v, %v", is, err)
	}
	for range 2 {
		ok(t, here.Remove(path))
	}
	if is, err := here.Look(path); is || err != nil {
		t.Errorf("Look when it was removed: %v, %v", is, err)
	}
	names(t, dir)
}

// TestCrashed finds what a crash has left beside a marker.
func TestCrashed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, ".sending")
	ok(t, os.WriteFile(filepath.Join(dir, aside("place", ".sending")), nil, 0o600))
	ok(t, here.Place(path, time.Unix(1, 0), plain))
	names(t, dir, ".sending")
}

func TestTake(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, ".ready")
	take := func(want bool, when string) {
		t.Helper()
		if taken, err := here.Take(path, "nightly"); taken != want || err != nil {
			t.Errorf("%s: Take: %v, %v; want %v", when, taken, err, want)
		}
		if is, err := here.Taken(path, "nightly"); is != want || err != nil {
			t.Errorf("%s: Taken: %v, %v; want %v", when, is, err, want)
		}
	}
	take(false, "without one")
	ok(t, os.WriteFile(path, nil, 0o600))
	take(true, "with one")
	if is, err := here.Look(path); is || err != nil {
		t.Errorf("it is there: %v, %v", is, err)
	}
	take(true, "again, after a crash")
	ok(t, os.WriteFile(path, []byte("made anew"), 0o600))
	take(true, "again, when it was made anew")
	for range 2 {
		ok(t, here.Drop(path, "nightly"))
	}
	names(t, dir, ".ready")
	take(true, "with the new one")
	if is, err := here.Taken(path, "hourly"); is || err != nil {
		t.Errorf("another channel has taken it: %v, %v", is, err)
	}
}

func TestForeignThings(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	ok(t, os.WriteFile(victim, []byte("content"), 0o600))
	long := time.Unix(1, 0)
	ok(t, os.Chtimes(victim, long, long))
	link, sub := filepath.Join(dir, "link"), filepath.Join(dir, "sub")
	if err := os.Symlink(victim, link); err != nil {
		t.Skipf("there are no symbolic links: %v", err)
	}
	ok(t, os.Mkdir(sub, 0o700))
	for _, path := range []string{link, sub} {
		code(t, here.Place(path, time.Now(), plain), mft.CodeNotRegular, "Place at "+path)
		code(t, here.Remove(path), mft.CodeNotRegular, "Remove of "+path)
		_, err := here.Take(path, "nightly")
		code(t, err, mft.CodeNotRegular, "Take of "+path)
		if is, err := here.Look(path); !is || err != nil {
			t.Errorf("Look at %s: %v, %v", path, is, err)
		}
	}
	names(t, dir, "link", "sub", "victim")
	if fi, err := os.Stat(victim); err != nil || !fi.ModTime().Equal(long) {
		t.Errorf("what a link leads to: %v, %v", fi, err)
	}
	for what, err := range map[string]error{
		"Place":  here.Place(filepath.Join(dir, "none", "x"), time.Now(), plain),
		"Remove": here.Remove(filepath.Join(dir, "none", "x")),
		"Drop":   here.Drop(filepath.Join(dir, "none", "x"), "nightly"),
		"Look":   second(here.Look(filepath.Join(dir, "none", "x"))),
		"Take":   second(here.Take(filepath.Join(dir, "none", "x"), "nightly")),
	} {
		code(t, err, mft.CodeNotFound, what+" where there is no directory")
	}
	code(t, second(here.Look("relative")), mft.CodeBadPath, "a relative path")
}

func second[T any](_ T, err error) error { return err }

// TestMadeAnewInARace has another program make the trigger whenever it is gone:
// each one that it makes is taken once.
func TestMadeAnewInARace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, ".ready")
	const all = 300
	var made sync.WaitGroup
	made.Go(func() {
		for n := 0; n < all; {
			f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			switch {
			case err == nil:
				n++
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			case errors.Is(err, fs.ErrExist):
				runtime.Gosched()
			default:
				t.Error(err)
				return
			}
		}
	})
	done := make(chan struct{})
	go func() { made.Wait(); close(done) }()
	taken := 0
	for last := false; ; {
		got, err := here.Take(path, "nightly")
		ok(t, err)
		if got {
			taken++
			ok(t, here.Drop(path, "nightly"))
			continue
		}
		if last {
			break
		}
		select {
		case <-done:
			last = true
		default:
		}
	}
	if taken != all {
		t.Errorf("%d were taken, and %d made", taken, all)
	}
	names(t, dir)
}

// TestPlaceInARace has another program remove and make the marker all the time.
func TestPlaceInARace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, ".done")
	stop := make(chan struct{})
	var other sync.WaitGroup
	other.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = os.Remove(path)
				_ = os.WriteFile(path, []byte("of another"), 0o600)
			}
		}
	})
	for i := range 300 {
		if err := here.Place(path, time.Unix(int64(i), 0), plain); err != nil && mft.CodeOf(err) != mft.CodeNotFound {
			t.Errorf("Place: %v", err)
		}
	}
	close(stop)
	other.Wait()
	names(t, dir, ".done")
}

// Within a tree no symbolic link is followed, for it may lead anywhere; where the
// configuration alone says where a marker is, it is.
func TestTree(t *testing.T) {
	top := t.TempDir()
	tree, outside := Tree(filepath.Join(top, "tree")), filepath.Join(top, "outside")
	for _, d := range []string{filepath.Join(string(tree), "sub"), outside} {
		ok(t, os.MkdirAll(d, 0o755))
	}
	ok(t, os.Symlink(outside, filepath.Join(string(tree), "link")))
	ok(t, os.Symlink(string(tree), filepath.Join(top, "way")))
	ok(t, os.WriteFile(filepath.Join(outside, "x"), nil, 0o644))
	in := filepath.Join(string(tree), "link", "x")
	for what, err := range map[string]error{
		"Place":  tree.Place(in, time.Now(), plain),
		"Remove": tree.Remove(in),
		"Drop":   tree.Drop(in, "nightly"),
		"Look":   second(tree.Look(in)),
		"Take":   second(tree.Take(in, "nightly")),
		"Taken":  second(tree.Taken(in, "nightly")),
	} {
		if err == nil {
			t.Errorf("%s follows a symbolic link out of the tree", what)
		}
	}
	names(t, outside, "x")
	for _, at := range []string{filepath.Join(string(tree), "x"), filepath.Join(string(tree), "sub", "x"), filepath.Join(top, "way", "sub", "y"), filepath.Join(outside, "y")} {
		ok(t, tree.Place(at, time.Now(), plain))
		if is, err := tree.Look(at); !is || err != nil {
			t.Errorf("Look(%q) = %t, %v after Place", at, is, err)
		}
	}
	names(t, outside, "x", "y")
}
