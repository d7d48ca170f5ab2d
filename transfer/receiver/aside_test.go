package receiver

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/transfer"
	"mft.dev/mft/transfer/staging/publish"
)

func TestNewDirectoryAppearsWhole(t *testing.T) {
	f := newFixture(t)
	f.write("new/a", []byte("a"), 0o644)
	f.write("new/deep/b", randomBytes(1, transfer.SmallMax+1), 0o400)
	f.write("old/c", []byte("c"), 0o644)
	if err := os.Mkdir(filepath.Join(f.dst, "old"), 0o755); err != nil {
		t.Fatal(err)
	}
	published := 0
	f.step = func(step string, do func() error) error {
		before := arrived(t, filepath.Join(f.dst, "new"))
		err := do()
		after := arrived(t, filepath.Join(f.dst, "new"))
		if len(before) == 0 && len(after) > 0 {
			published++
			if len(after) != 3 {
				t.Errorf("step %s made %v appear, want the whole directory at once", step, after)
			}
		}
		return err
	}
	f.deliver()
	wantSame(t, filepath.Join(f.src, "new"), filepath.Join(f.dst, "new"))
	if published != 1 {
		t.Errorf("the new directory appeared in %d steps, want one", published)
	}
}

// keptFile returns the file that an interrupted attempt left of a new
// directory.
func keptFile(t *testing.T, f *fixture, name string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(f.dst, publish.Staging(f.id), "*", name))
	if err != nil || len(found) != 1 {
		t.Fatalf("staging holds %q as %v, %v; want it once", name, found, err)
	}
	return found[0]
}

func TestInterruptedDirectoryGoesOn(t *testing.T) {
	f := newFixture(t)
	const files, size = 200, 100_000
	for i := range files {
		f.write(fmt.Sprintf("new/d%02d/f%03d", i/20, i), randomBytes(uint64(i), size), 0o640)
	}
	f.write("new/z/big", randomBytes(999, 60<<20), 0o600)
	f.write("new/z/empty", nil, 0o600)
	var left, written atomic.Int64
	f.wrap = func(c net.Conn) net.Conn { return cutter{counter{c, &written}, &left} }
	attempts := 1
	for left.Store(files * size / 2); ; left.Store(35 << 20) {
		res := f.attempt(t.Context())
		if res.sendErr == nil {
			break
		}
		if attempts++; attempts > 10 {
			t.Fatalf("no end in sight: %v / %v", res.sendErr, res.receiveErr)
		}
		if attempts > 2 {
			continue
		}
		// Meanwhile one file of the source changes, one goes, one becomes a
		// directory, and one that had arrived is damaged in place.
		f.write("new/d00/f000", randomBytes(5000, size), 0o640)
		if err := os.Remove(filepath.Join(f.src, "new/d00/f001")); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(f.src, "new/d00/f002")); err != nil {
			t.Fatal(err)
		}
		f.write("new/d00/f002/inner", []byte("x"), 0o644)
		damaged := keptFile(t, f, "d00/f003")
		fi, err := os.Stat(damaged)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(damaged, bytes.Repeat([]byte{0}, size), 0o640); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(damaged, fi.ModTime(), fi.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	wantSame(t, f.src, f.dst)
	if attempts < 3 {
		t.Errorf("it took %d attempts: the cuts did not happen", attempts)
	}
	// What had landed is not sent again, but for what each cut tore.
	if most := int64(files*size+60<<20) + int64(attempts)*(24<<20); written.Load() > most {
		t.Errorf("%d bytes were written in %d attempts, want at most %d", written.Load(), attempts, most)
	}
}

func TestKeptFilesAreNotSentAgain(t *testing.T) {
	f := newFixture(t)
	for i := range 50 {
		f.write(fmt.Sprintf("new/f%02d", i), randomBytes(uint64(i), 200_000), 0o640)
	}
	// Everything has landed; the attempt fails before anything is published.
	f.step = failOnce("prepare", 1, false, mft.Fail(mft.CodeJournal, "prepare", "", errors.New("injected")))
	if res := f.attempt(t.Context()); res.receiveErr == nil {
		t.Fatal("the first attempt did not fail")
	}
	f.step = nil
	var written atomic.Int64
	f.wrap = func(c net.Conn) net.Conn { return counter{c, &written} }
	f.deliver()
	wantSame(t, f.src, f.dst)
	if written.Load() > 100_000 {
		t.Errorf("%d bytes were written again, want names and digests only", written.Load())
	}
}

func TestDirectoryMadeMeanwhile(t *testing.T) {
	f := newFixture(t)
	f.write("new/a", []byte("a"), 0o644)
	f.write("new/sub/b", []byte("b"), 0o644)
	theirs := filepath.Join(f.dst, "new")
	f.step = func(step string, do func() error) error {
		if step == "prepare" {
			if err := os.Mkdir(theirs, 0o755); err != nil {
				t.Error(err)
			}
			if err := os.WriteFile(filepath.Join(theirs, "theirs"), []byte("t"), 0o600); err != nil {
				t.Error(err)
			}
		}
		return do()
	}
	res := f.attempt(t.Context())
	if code := mft.CodeOf(res.sendErr); code != mft.CodeRaced || !code.Retryable() {
		t.Fatalf("the sender heard %v, want %v", res.sendErr, mft.CodeRaced)
	}
	f.step = nil
	f.deliver()
	got := arrived(t, f.dst)
	for _, name := range []string{"new/a", "new/sub/b", "new/theirs"} {
		if got[name] == "" {
			t.Errorf("%s is missing", name)
		}
	}
	if len(got) != 5 {
		t.Errorf("the destination has %v, want three files in two directories", got)
	}
}

// TestPartlyPublished crashes between the publication of two new directories;
// what was published is taken away, and what was not cannot be any more as
// planned. Each file appears once all the same.
func TestPartlyPublished(t *testing.T) {
	f := newFixture(t)
	f.write("a/one", []byte("1"), 0o644)
	f.write("a/sub/two", []byte("2"), 0o644)
	f.write("b/three", []byte("3"), 0o644)
	c := &consumer{t: t, from: f.dst, to: filepath.Join(t.TempDir(), "taken"), seen: map[string]int{}}
	if err := os.Mkdir(c.to, 0o755); err != nil {
		t.Fatal(err)
	}
	f.step = failOnce("rename", 2, false, mft.Fail(mft.CodeIO, "rename", "", errors.New("injected")))
	if res := f.attempt(t.Context()); res.receiveErr == nil {
		t.Fatal("the first attempt did not fail")
	}
	f.step = nil
	c.take()
	if err := os.RemoveAll(filepath.Join(f.dst, "a")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(f.dst, "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	if res := f.deliver(); res.sent.Received.Items != 5 || res.sent.Unchanged.Items != 1 {
		t.Errorf("receipt = %+v, want five items, and b unchanged", res.sent)
	}
	c.take()
	for _, name := range []string{"a/one", "a/sub/two", "b/three"} {
		if c.seen[name] != 1 {
			t.Errorf("%s appeared %d times, want once", name, c.seen[name])
		}
	}
}

// TestDirectoryAttributes: what is built aside has the attributes of its
// source when it appears, also when these would keep others from working in it.
func TestDirectoryAttributes(t *testing.T) {
	f := newFixture(t)
	f.write("new/closed/a", []byte("a"), 0o400)
	old := time.Now().Add(-2 * time.Hour).Truncate(time.Microsecond)
	for dir, mode := range map[string]os.FileMode{"new/closed": 0o500, "new": 0o555} {
		p := filepath.Join(f.src, dir)
		if err := os.Chtimes(p, old, old); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { // so that they can be removed
		for _, root := range []string{f.src, f.dst} {
			_ = os.Chmod(filepath.Join(root, "new"), 0o755)
			_ = os.Chmod(filepath.Join(root, "new/closed"), 0o755)
		}
	})
	f.deliver()
	wantSame(t, f.src, f.dst)
}
