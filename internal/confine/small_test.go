package confine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine/beneath"
)

// hostile are names that a file system takes and people do not expect.
func hostile() []string {
	names := []string{"-rf", "...", "..a", ".hidden", " ", strings.Repeat("n", 255)}
	if runtime.GOOS == "linux" {
		names = append(names, "\x01", "\xff\xfe", "a\nb", `back\slash`, "$(x)", strings.Repeat("\xe2", 255))
	}
	return names
}

// listed returns what List tells, and checks it against what else tells it.
func listed(t *testing.T, d *Dir) []string {
	t.Helper()
	var names []string
	err := d.List(func(name []byte, id *Identity, target []byte) error {
		if want, err := d.Identity(string(name)); err != nil || *id != want {
			t.Errorf("List says that %q is %+v, Identity %+v (%v)", name, id, want, err)
		}
		want := ""
		if id.IsSymlink() {
			var err error
			if want, err = d.Readlink(string(name)); err != nil {
				t.Error(err)
			}
		}
		if string(target) != want {
			t.Errorf("List says that %q points to %q, want %q", name, target, want)
		}
		names = append(names, string(name))
		return nil
	})
	if err != nil {
		t.Errorf("List: %v", err)
	}
	slices.Sort(names)
	var again []string
	err = d.root.List(d.Rel(), func(name []byte, _ *Identity, _ []byte) error {
		again = append(again, string(name))
		return nil
	})
	if slices.Sort(again); err != nil || !slices.Equal(again, names) {
		t.Errorf("List of the path gives %q, %v, want %q", again, err, names)
	}
	return names
}

func TestList(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(string) (*Root, error)) {
		t.Run("kinds", func(t *testing.T) {
			y := newYard(t, open)
			write(t, y.at("k/file"), "content")
			write(t, y.at("k/dir/below"), "content")
			symlink(t, "file", y.at("k/link"))
			symlink(t, strings.Repeat("x/", 1000)+"x", y.at("k/long"))
			symlink(t, y.out, y.at("k/out"))
			d, err := y.Dir("k")
			if err != nil {
				t.Fatal(err)
			}
			if got, want := listed(t, d), []string{"dir", "file", "link", "long", "out"}; !slices.Equal(got, want) {
				t.Errorf("List gave %q, want %q", got, want)
			}
			for path, want := range map[string]mft.Code{
				"k/file": mft.CodeWrongType, "k/link": mft.CodeSymlink, "k/out": mft.CodeSymlink, "k/out/secret": mft.CodeSymlink,
				"k/..": mft.CodeBadPath, "k/none": mft.CodeNotFound,
			} {
				wantCode(t, "List of "+path, y.List(path, func([]byte, *Identity, []byte) error {
					t.Errorf("something is listed in %q", path)
					return nil
				}), want)
			}
			y.untouched(t)
		})
		t.Run("empty", func(t *testing.T) {
			y := newYard(t, open)
			if err := os.Mkdir(y.at("e"), 0o755); err != nil {
				t.Fatal(err)
			}
			d, err := y.Dir("e")
			if err != nil {
				t.Fatal(err)
			}
			if got := listed(t, d); len(got) != 0 {
				t.Errorf("List of nothing gave %q", got)
			}
		})
		t.Run("names", func(t *testing.T) {
			y := newYard(t, open)
			want := hostile()
			for _, name := range want {
				write(t, y.at("n/"+name), "content")
			}
			slices.Sort(want)
			d, err := y.Dir("n")
			if err != nil {
				t.Fatal(err)
			}
			if got := listed(t, d); !slices.Equal(got, want) {
				t.Errorf("List gave %q, want %q", got, want)
			}
		})
		t.Run("many", func(t *testing.T) {
			y := newYard(t, open)
			const many = beneath.Portion + 77 // with long names, they take several reads
			var want []string
			for i := range many {
				want = append(want, fmt.Sprintf("%05d%s", i, strings.Repeat("x", 50)))
				write(t, y.at("m/"+want[i]), "")
			}
			d, err := y.Dir("m")
			if err != nil {
				t.Fatal(err)
			}
			if got := listed(t, d); !slices.Equal(got, want) {
				t.Errorf("List gave %d names, want %d", len(got), many)
			}
		})
	})
}

func TestListStops(t *testing.T) {
	y := newYard(t, Open)
	for i := range 10 {
		write(t, y.at(fmt.Sprintf("d/%d", i)), "content")
	}
	d, err := y.Dir("d")
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("enough")
	calls := 0
	err = d.List(func([]byte, *Identity, []byte) error {
		calls++
		return stop
	})
	if err != stop || calls != 1 {
		t.Errorf("List returned %v after %d calls, want the error of the function after one", err, calls)
	}
	if err := y.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.List(func([]byte, *Identity, []byte) error { return nil }); !errors.Is(err, os.ErrClosed) {
		t.Errorf("List after Close: %v, want %v", err, os.ErrClosed)
	}
}

// A function may do with the directory what it likes, list it also.
func TestListWithin(t *testing.T) {
	y := newYard(t, Open)
	for i := range 20 {
		write(t, y.at(fmt.Sprintf("d/%d", i)), "content")
	}
	d, err := y.Dir("d")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			n := 0
			err := d.List(func(outer []byte, _ *Identity, _ []byte) error {
				name := string(outer)
				err := d.List(func([]byte, *Identity, []byte) error {
					n++
					return nil
				})
				if string(outer) != name {
					t.Errorf("the name %q became %q while it was lent", name, outer)
				}
				return err
			})
			if err != nil || n != 400 {
				t.Errorf("20 names were listed 20 times: %d names, %v", n, err)
			}
		})
	}
	wg.Wait()
	// What is removed while it is listed does not end the listing.
	if err := d.List(func(name []byte, _ *Identity, _ []byte) error { return d.Remove(string(name)) }); err != nil {
		t.Errorf("List with Remove: %v", err)
	}
	if got := listed(t, d); len(got) != 0 {
		t.Errorf("%q are left, want none", got)
	}
}

func TestListOfWhatVanishes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(y yard) error // after the first name
		want   int                // names
		code   mft.Code
	}{
		{"the rest", func(y yard) error {
			for i := range 5 {
				if err := os.Rename(y.at(fmt.Sprintf("d/%d", i)), y.at(fmt.Sprintf("gone-%d", i))); err != nil {
					return err
				}
			}
			return nil
		}, 1, mft.CodeOK},
		{"the directory", func(y yard) error { return os.RemoveAll(y.at("d")) }, 1, mft.CodeNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			y := newYard(t, Open)
			for i := range 5 {
				write(t, y.at(fmt.Sprintf("d/%d", i)), "content")
			}
			d, err := y.Dir("d")
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			err = d.List(func([]byte, *Identity, []byte) error {
				if n++; n == 1 {
					return tt.change(y)
				}
				return nil
			})
			wantCode(t, "List", err, tt.code)
			if n != tt.want {
				t.Errorf("List gave %d names, want %d", n, tt.want)
			}
		})
	}
	y := newYard(t, Open)
	d, err := y.Dir("a")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(y.at("a")); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "List", d.List(func([]byte, *Identity, []byte) error { return nil }), mft.CodeNotFound)
}

func TestReadSmall(t *testing.T) {
	eachWay(t, func(t *testing.T, open func(string) (*Root, error)) {
		y := newYard(t, open)
		write(t, y.at("a/empty"), "")
		symlink(t, "file", y.at("a/link"))
		symlink(t, y.out+"/file", y.at("a/out"))
		for _, name := range hostile() {
			write(t, y.at("a/"+name), "content")
		}
		d, err := y.Dir("a")
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name string
			room int
			want string
		}{
			{"file", 7, "content"},
			{"file", 8, "content"},
			{"file", 4096, "content"},
			{"file", 3, "con"},
			{"file", 0, ""},
			{"empty", 0, ""},
			{"empty", 9, ""},
		} {
			buf := bytes.Repeat([]byte{'#'}, tt.room+1)
			got, id, err := d.ReadSmall(tt.name, buf[:tt.room])
			if err != nil || string(got) != tt.want {
				t.Errorf("ReadSmall(%q) into %d bytes = %q, %v, want %q", tt.name, tt.room, got, err, tt.want)
			}
			if want, err := d.Identity(tt.name); err != nil || id != want {
				t.Errorf("ReadSmall(%q) says that it is %+v, want %+v (%v)", tt.name, id, want, err)
			}
			if len(got) > 0 && &got[0] != &buf[0] || buf[tt.room] != '#' {
				t.Errorf("ReadSmall(%q) did not keep to its buffer", tt.name)
			}
		}
		for _, name := range hostile() {
			if got, _, err := d.ReadSmall(name, make([]byte, 7)); err != nil || string(got) != "content" {
				t.Errorf("ReadSmall(%q) = %q, %v", name, got, err)
			}
		}
		for _, tt := range []struct {
			name string
			want mft.Code
		}{
			{"none", mft.CodeNotFound},
			{"link", mft.CodeSymlink},
			{"out", mft.CodeSymlink},
			{"", mft.CodeBadPath},
			{".", mft.CodeBadPath},
			{"..", mft.CodeBadPath},
			{"../a/file", mft.CodeBadPath},
			{"file\x00", mft.CodeBadPath},
			{strings.Repeat("n", 256), mft.CodeNameTooLong},
			{strings.Repeat("n", 5000), mft.CodeNameTooLong},
		} {
			got, _, err := d.ReadSmall(tt.name, make([]byte, 9))
			wantCode(t, "ReadSmall "+tt.name, err, tt.want)
			if got != nil {
				t.Errorf("ReadSmall(%q) read %q with its error", tt.name, got)
			}
		}
		_, _, err = y.top(t).ReadSmall("a", make([]byte, 9))
		wantCode(t, "ReadSmall of a directory", err, mft.CodeNotRegular)
		_, _, err = y.top(t).ReadSmall("a", nil)
		wantCode(t, "ReadSmall of a directory into nothing", err, mft.CodeNotRegular)
	})
}

func TestWriteSmall(t *testing.T) {
	plain := Attributes{Mode: 0o644, MTime: 1e18, UID: -1, GID: -1}
	eachWay(t, func(t *testing.T, open func(string) (*Root, error)) {
		y := newYard(t, open)
		d, err := y.Dir("a")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range hostile() {
			for _, content := range []string{"", "content", strings.Repeat("content", 100_000)} {
				if err := d.WriteSmall(name, []byte(content), plain); err != nil {
					t.Errorf("WriteSmall(%q): %v", name, err)
				}
				if got, err := os.ReadFile(y.at("a/" + name)); err != nil || string(got) != content {
					t.Errorf("WriteSmall(%q) of %d bytes wrote %d (%v)", name, len(content), len(got), err)
				}
				if err := d.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
		}
		symlink(t, "new", y.at("a/dangling"))
		symlink(t, y.out+"/file", y.at("a/link"))
		for _, tt := range []struct {
			name string
			want mft.Code
		}{
			{"file", mft.CodeExists},
			{"link", mft.CodeExists},
			{"dangling", mft.CodeExists},
			{"", mft.CodeBadPath},
			{"..", mft.CodeBadPath},
			{"../new", mft.CodeBadPath},
			{"new\x00", mft.CodeBadPath},
			{strings.Repeat("n", 256), mft.CodeNameTooLong},
		} {
			for _, dir := range []*Dir{d, d.Private()} {
				wantCode(t, "WriteSmall "+tt.name, dir.WriteSmall(tt.name, []byte("other"), plain), tt.want)
			}
		}
		if got, err := os.ReadFile(y.at("a/file")); err != nil || string(got) != "content" {
			t.Errorf("the file that was there is %q (%v)", got, err)
		}
		if _, err := os.Lstat(y.at("a/new")); err == nil {
			t.Error("WriteSmall wrote through a link")
		}
		y.untouched(t)
	})
}

func TestPrivateIsInherited(t *testing.T) {
	y := newYard(t, Open)
	if d, err := y.top(t).Private().Dir("a"); err != nil || d.private == nil || d.Rel() != "a" {
		t.Errorf("Dir of a private directory is %+v (%v)", d, err)
	}
	top := y.top(t)
	top.Private()
	if d, err := top.Dir("a"); err != nil || d.private != nil {
		t.Errorf("Dir of a directory that is not private is %+v (%v)", d, err)
	}
}

// What is done for every file takes no memory.
func TestSmallTakesNoMemory(t *testing.T) {
	if portableRoot {
		t.Skip("package os is not as frugal")
	}
	top := t.TempDir()
	_, d := openTop(t, top)
	for i := range 500 {
		write(t, filepath.Join(top, fmt.Sprint(i)), "content")
	}
	buf := make([]byte, 100)
	for _, tt := range []struct {
		name string
		most float64
		call func() error
	}{
		{"Identity", 0, func() error {
			_, err := d.Identity("7")
			return err
		}},
		{"ReadSmall", 0, func() error {
			_, _, err := d.ReadSmall("7", buf)
			return err
		}},
		{"WriteSmall and Remove", 1, func() error {
			if err := d.WriteSmall("new", buf, Attributes{Mode: 0o644, UID: os.Geteuid(), GID: os.Getegid()}); err != nil {
				return err
			}
			return d.Remove("new") // one for its name
		}},
		{"List of 500", 10, func() error { return d.List(func([]byte, *Identity, []byte) error { return nil }) }},
	} {
		if err := tt.call(); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if got := testing.AllocsPerRun(20, func() { _ = tt.call() }); got > tt.most {
			t.Errorf("%s allocates %v times, want at most %v", tt.name, got, tt.most)
		}
	}
}
