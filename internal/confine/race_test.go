package confine

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine/beneath"
)

// swapping runs f while somebody keeps exchanging the directory in/d for a
// symbolic link to the directory outside, and in/f for a link to a file
// outside.
func swapping(t *testing.T, y yard, f func()) {
	t.Helper()
	write(t, y.at("d/file"), "content")
	write(t, y.at("d/sub/file"), "content")
	write(t, y.at("f"), "content")
	symlink(t, y.out, y.at("dlink"))
	symlink(t, y.out+"/file", y.at("flink"))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, name := range []string{"d", "f"} {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					// It fails when f has just removed one of the two; they
					// are put back below.
					_ = exchange(y.at(name), y.at(name+"link"))
				}
			}
		})
	}
	f()
	close(stop)
	wg.Wait()
}

// rounds is how often each operation meets the swapper.
func rounds(t *testing.T) int {
	if testing.Short() {
		return 30
	}
	return 100
}

func TestNothingEscapesARace(t *testing.T) {
	operations := []struct {
		name string
		call func(t *testing.T, y yard, d *Dir) error
	}{
		{"OpenFile", func(t *testing.T, y yard, _ *Dir) error { return readBack(t)(y.OpenFile("d/file")) }},
		{"OpenFile last", func(t *testing.T, y yard, _ *Dir) error { return readBack(t)(y.OpenFile("f")) }},
		{"OpenExisting", func(t *testing.T, _ yard, d *Dir) error {
			f, err := d.OpenExisting("f")
			return readBack(t)(f, nil, err)
		}},
		{"ReadSmall", func(t *testing.T, _ yard, d *Dir) error {
			content, id, err := d.ReadSmall("f", make([]byte, 100))
			if err == nil && (string(content) != "content" || !id.IsRegular() || id.Size != 7) {
				t.Errorf("ReadSmall read %q of %+v", content, id)
			}
			return err
		}},
		{"Dir and ReadSmall", func(t *testing.T, y yard, _ *Dir) error {
			d, err := y.Dir("d")
			if err != nil {
				return err
			}
			content, _, err := d.ReadSmall("file", make([]byte, 100))
			if err == nil && string(content) != "content" {
				t.Errorf("ReadSmall read %q", content)
			}
			return err
		}},
		{"Dir and WriteSmall", func(_ *testing.T, y yard, _ *Dir) error {
			d, err := y.Dir("d")
			if err != nil {
				return err
			}
			if err := d.WriteSmall("new", []byte("x"), Attributes{Mode: 0o777, UID: -1, GID: -1}); err != nil {
				return err
			}
			return d.Remove("new")
		}},
		{"WriteSmall onto", func(t *testing.T, _ yard, d *Dir) error {
			err := d.WriteSmall("f", []byte("x"), Attributes{Mode: 0o777, UID: -1, GID: -1})
			if err == nil && !portableRoot { // which exchanges names less well
				t.Error("WriteSmall replaced what is there")
			}
			_, _, err = d.ReadSmall("f", make([]byte, 100))
			return err
		}},
		{"List", func(t *testing.T, y yard, _ *Dir) error {
			d, err := y.Dir("d")
			if err != nil {
				return err
			}
			return d.List(func(name []byte, _ *Identity, _ []byte) error {
				if string(name) == "a" {
					t.Error("List listed the directory outside")
				}
				return nil
			})
		}},
		{"Dir and Create", func(_ *testing.T, y yard, _ *Dir) error {
			d, err := y.Dir("d")
			if err != nil {
				return err
			}
			f, err := d.Create("new")
			if err != nil {
				return err
			}
			f.Close()
			return d.Remove("new")
		}},
		{"MkdirAll", func(_ *testing.T, y yard, _ *Dir) error {
			_, err := y.MkdirAll("d/made/deep", 0o755)
			_ = y.RemoveAll("d/made")
			return err
		}},
		{"Names", func(t *testing.T, y yard, _ *Dir) error {
			d, err := y.Dir("d")
			if err != nil {
				return err
			}
			return d.Names(func(name string) error {
				if name == "a" {
					t.Error("Names listed the directory outside")
				}
				return nil
			})
		}},
		{"Dir.Dir", func(t *testing.T, _ yard, d *Dir) error {
			sub, err := d.Dir("d")
			if err != nil {
				return err
			}
			_, err = sub.Lstat("a")
			if err == nil {
				t.Error("Dir led to the directory outside")
			}
			return nil
		}},
		{"Sub", func(t *testing.T, y yard, _ *Dir) error {
			sub, err := y.Sub("d")
			if err != nil {
				return err
			}
			defer sub.Close()
			if _, err = sub.Lstat("a"); err == nil {
				t.Error("Sub led to the directory outside")
			}
			return nil
		}},
		{"Rename into", func(t *testing.T, y yard, _ *Dir) error {
			write(t, y.at("temp"), "content")
			err := y.Rename("temp", "d/renamed", RenameReplace)
			_ = y.RemoveAll("d/renamed")
			return err
		}},
		{"Rename out of", func(_ *testing.T, y yard, _ *Dir) error {
			err := y.Rename("d/file", "mine", RenameNoReplace)
			if err == nil {
				err = y.Rename("mine", "d/file", RenameReplace)
			}
			if err != nil {
				_ = y.Rename("mine", "dlink/file", RenameReplace)
			}
			return err
		}},
		{"RemoveAll below", func(_ *testing.T, y yard, _ *Dir) error { return y.RemoveAll("d/sub") }},
		{"SetAttributes", func(_ *testing.T, y yard, _ *Dir) error {
			d, err := y.Dir("d")
			if err != nil {
				return err
			}
			return d.SetAttributes(Attributes{Mode: 0o777, UID: -1, GID: -1})
		}},
	}
	eachWay(t, func(t *testing.T, open func(string) (*Root, error)) {
		for _, op := range operations {
			t.Run(op.name, func(t *testing.T) {
				y := newYard(t, open)
				d, err := y.Dir("")
				if err != nil {
					t.Fatal(err)
				}
				good, calls := 0, 0
				swapping(t, y, func() {
					// Until both the directory and the link were met often, if
					// the scheduler lets that happen at all.
					enough := rounds(t)
					for calls < enough || min(good, calls-good) < enough/10 && calls < 20*enough {
						calls++
						if op.call(t, y, d) == nil {
							good++
						}
					}
				})
				t.Logf("%d of %d calls met the directory", good, calls)
				y.untouched(t)
				if fi, err := os.Stat(y.out); err != nil || fi.Mode().Perm() != 0o755 {
					t.Errorf("the directory outside is now %v (%v), want mode 0755", fi.Mode(), err)
				}
			})
		}
	})
}

// readBack checks that a file that was opened is not the one outside.
func readBack(t *testing.T) func(f *os.File, _ fs.FileInfo, err error) error {
	return func(f *os.File, _ fs.FileInfo, err error) error {
		if err != nil {
			return err
		}
		defer f.Close()
		content, err := io.ReadAll(f)
		if string(content) == secret {
			t.Error("the file outside was opened")
		}
		return err
	}
}

// RemoveAll is the operation that would do most harm.
func TestRemoveAllStaysInside(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(string) (*Root, error)) {
		y := newYard(t, open)
		for range rounds(t) / 8 {
			swapping(t, y, func() { _ = y.RemoveAll("d") })
			for _, name := range []string{"d", "dlink", "f", "flink"} {
				if err := os.RemoveAll(y.at(name)); err != nil {
					t.Fatal(err)
				}
			}
			y.untouched(t)
		}
	})
}

// Another process is the attacker whom no lock of ours reaches.
func TestNothingEscapesAnotherProcess(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell here to be the other process")
	}
	eachWay(t, func(t *testing.T, open func(string) (*Root, error)) {
		y := newYard(t, open)
		write(t, y.at("d/file"), "content")
		symlink(t, y.out, y.at("dlink"))
		write(t, y.at("go-on"), "")
		cmd := exec.Command(sh, "-c", `while [ -e go-on ]; do mv d real; mv dlink d; mv d dlink; mv real d; done`)
		cmd.Dir = y.in
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for range rounds(t) {
			_ = readBack(t)(y.OpenFile("d/file"))
			if d, err := y.Dir("d"); err == nil {
				if f, err := d.Create("new"); err == nil {
					f.Close()
				}
				_ = d.Remove("new")
			}
			_, _ = y.MkdirAll("d/deep", 0o755)
		}
		if err := os.Remove(y.at("go-on")); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // mv fails when it loses against MkdirAll
		y.untouched(t)
		if _, err := os.Lstat(y.out + "/deep"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a directory was made outside: %v", err)
		}
	})
}

// FuzzPaths: whatever the path, nothing outside is reached by it.
func FuzzPaths(f *testing.F) {
	for _, seed := range []string{
		"", ".", "..", "a/file", "../in2/file", "/etc/passwd", "l/file", "a/../l", "a\x00b", "a//b", "\xff",
		"a/./file", "up/in2/file", "abs/file", strings.Repeat("../", 30) + "etc/passwd", "a\\..\\..", "C:", "NUL", "a:b",
	} {
		f.Add(seed)
	}
	y := yard{}
	top := f.TempDir()
	y.in, y.out = top+"/in", top+"/in2"
	write(f, y.at("a/file"), "content")
	write(f, y.out+"/file", secret)
	symlink(f, "../in2", y.at("l"))
	symlink(f, "..", y.at("up"))
	symlink(f, y.out, y.at("abs"))
	outside, err := os.Stat(y.out + "/file")
	if err != nil {
		f.Fatal(err)
	}
	if y.Root, err = Open(y.in); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { y.Close() })
	f.Fuzz(func(t *testing.T, rel string) {
		file, fi, err := y.OpenFile(rel)
		if err == nil {
			defer file.Close()
			if got, _ := file.Stat(); os.SameFile(got, outside) || fi.Size() == int64(len(secret)) {
				t.Fatalf("OpenFile(%q) opened the file outside", rel)
			}
		} else if mft.CodeOf(err) == mft.CodeOther {
			t.Errorf("OpenFile(%q): %v has no code", rel, err)
		}
		if fi, err := y.Lstat(rel); err == nil && fi.Size() == int64(len(secret)) {
			t.Fatalf("Lstat(%q) described the file outside", rel)
		}
		if clean, err := beneath.CheckPath(rel); err == nil && clean != "" && !fs.ValidPath(strings.ToValidUTF8(clean, "x")) {
			t.Errorf("CheckPath(%q) = %q, which io/fs refuses", rel, clean)
		}
	})
}
