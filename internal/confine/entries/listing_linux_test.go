package entries

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
	"mft.dev/mft/internal/confine/filesys"
)

// dirent lays an entry out as the kernel does.
func dirent(name string, size int) []byte {
	b := make([]byte, 16)
	b = binary.NativeEndian.AppendUint16(b, uint16(size))
	b = append(b, 0)
	b = append(b, name...)
	return append(b, make([]byte, max(size-len(b), 0))...)
}

// names goes through entries and returns the names before the first error.
func names(entries []byte) ([]string, error) {
	l := &Listing{fd: -1, entries: entries}
	var out []string
	for {
		name, err := l.Next()
		if err != nil || name == nil {
			return out, err
		}
		out = append(out, string(name))
	}
}

func TestNext(t *testing.T) {
	for _, tt := range []struct {
		name    string
		entries []byte
		want    []string
		code    mft.Code // of what comes after
	}{
		{"two", slices.Concat(dirent("a", 24), dirent("long-name", 32)), []string{"a", "long-name"}, mft.CodeOther},
		{"dots", slices.Concat(dirent(".", 24), dirent("..", 24), dirent("...", 24), dirent(".a", 24)), []string{"...", ".a"}, mft.CodeOther},
		{"no room to spare", dirent("a", 21), []string{"a"}, mft.CodeOther},
		{"a slash", slices.Concat(dirent("a", 24), dirent("../x", 24)), []string{"a"}, mft.CodeIO},
		{"an empty name", dirent("", 24), nil, mft.CodeIO},
		{"a name without end", dirent("aaaaa", 24), nil, mft.CodeIO},
		{"shorter than its head", dirent("a", 24)[:18], nil, mft.CodeIO},
		{"no length", dirent("", 0), nil, mft.CodeIO},
		{"longer than what came", dirent("a", 32)[:24], nil, mft.CodeIO},
	} {
		got, err := names(tt.entries)
		if code := filesys.CodeFor(err); !slices.Equal(got, tt.want) || code != tt.code {
			t.Errorf("%s: the names are %q and then %v, want %q and %q", tt.name, got, err, tt.want, tt.code)
		}
	}
}

// Whatever a file system returns, there is no name that leads elsewhere.
func FuzzNext(f *testing.F) {
	f.Add(slices.Concat(dirent("a", 24), dirent("..", 24)))
	f.Add(dirent("../x", 24))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, entries []byte) {
		got, err := names(entries)
		if err == nil {
			t.Error("the end came without a descriptor to read from")
		}
		for _, name := range got {
			if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
				t.Errorf("there is the name %q", name)
			}
		}
	})
}

func TestTerminate(t *testing.T) {
	var space [maxName + 1]byte
	for _, size := range []int{1, 2, maxName, maxName + 1, 5000} {
		name := strings.Repeat("n", size)
		if got := unix.BytePtrToString(terminate(&space, name)); got != name {
			t.Errorf("of a name of %d bytes %d are left", size, len(got))
		}
	}
}

// Every length of a name is looked at, opened and read.
func TestLengths(t *testing.T) {
	top := t.TempDir()
	dirfd, err := unix.Open(top, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(dirfd)
	for size := 1; size <= maxName; size++ {
		name := strings.Repeat("n", size)
		target := strings.Repeat("t", size)
		if err := WriteSmall(dirfd, name, []byte(target), filesys.Attributes{Mode: 0o644, UID: -1, GID: -1}, new(filesys.Made)); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, unix.PathMax)
		var st unix.Stat_t
		if err := Stat(dirfd, name, &st); err != nil || st.Size != int64(size) {
			t.Errorf("Stat of a name of %d bytes: size %d, %v", size, st.Size, err)
		}
		if n, _, err := ReadSmall(dirfd, name, buf); err != nil || !bytes.Equal(buf[:n], []byte(target)) {
			t.Errorf("ReadSmall of a name of %d bytes: %q, %v", size, buf[:n], err)
		}
		if err := os.Remove(filepath.Join(top, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(top, name)); err != nil {
			t.Fatal(err)
		}
		if n, err := Readlink(dirfd, name, buf); err != nil || string(buf[:n]) != target {
			t.Errorf("Readlink of a name of %d bytes: %q, %v", size, buf[:n], err)
		}
	}
	for _, size := range []int{maxName + 1, maxName + 2, 4095, 5000} {
		var st unix.Stat_t
		if err := Stat(dirfd, strings.Repeat("n", size), &st); !errors.Is(err, unix.ENAMETOOLONG) {
			t.Errorf("Stat of a name of %d bytes: %v, want %v", size, err, unix.ENAMETOOLONG)
		}
	}
}

// A pipe takes what is written in parts.
func TestWriteAll(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content := bytes.Repeat([]byte("content"), 100_000)
	done := make(chan error)
	go func() {
		err := writeAll(int(w.Fd()), content)
		w.Close()
		done <- err
	}()
	var got bytes.Buffer
	if _, err := got.ReadFrom(r); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil || !bytes.Equal(got.Bytes(), content) {
		t.Errorf("of %d bytes %d were written: %v", len(content), got.Len(), err)
	}
	if err := writeAll(-1, content); err != unix.EBADF {
		t.Errorf("writeAll to nothing: %v, want %v", err, unix.EBADF)
	}
	if err := writeAll(-1, nil); err != nil {
		t.Errorf("writeAll of nothing: %v", err)
	}
}
