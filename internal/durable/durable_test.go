package durable

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"mft.dev/mft"
)

// only fails the test unless dir holds the named files and nothing else.
func only(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if len(got) != len(want) {
		t.Errorf("the directory holds %q, want %q", got, want)
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("the directory holds %q, want %q", got, want)
		}
	}
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	steps := []struct {
		content []byte
		perm    fs.FileMode
	}{
		{[]byte("first"), 0o600},
		{bytes.Repeat([]byte("longer"), 1<<16), 0o666}, // wider than any umask lets through
		{nil, 0o600},
	}
	for _, step := range steps {
		if err := WriteFile(path, step.content, step.perm); err != nil {
			t.Fatalf("WriteFile: %v", err)
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, step.content) {
			t.Errorf("read %d bytes, %v; want the %d written", len(got), err, len(step.content))
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode() != step.perm {
			t.Errorf("mode %v, want %v", info.Mode(), step.perm)
		}
		only(t, dir, "key")
	}
}

// TestWriteFileNeverWritesInPlace holds the old file open: whoever reads it
// meanwhile sees all of the old content.
func TestWriteFileNeverWritesInPlace(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("an open file cannot be replaced there")
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := WriteFile(path, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(f); err != nil || string(got) != "old" {
		t.Errorf("the old file reads %q, %v", got, err)
	}
}

func TestCode(t *testing.T) {
	_, absent := os.Open(filepath.Join(t.TempDir(), "none"))
	for _, tt := range []struct {
		name string
		err  error
		want mft.Code
	}{
		{"nothing", nil, mft.CodeOK},
		{"absent", absent, mft.CodeNotFound},
		{"there already", fs.ErrExist, mft.CodeExists},
		{"refused", &fs.PathError{Op: "open", Err: fs.ErrPermission}, mft.CodePermission},
		{"unknown", io.ErrUnexpectedEOF, mft.CodeIO},
		{"of its own", mft.Fail(mft.CodeCorrupt, "read", "", fs.ErrNotExist), mft.CodeCorrupt},
	} {
		if got := Code(tt.err); got != tt.want {
			t.Errorf("Code of an error that is %s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestWriteFileReplacesALink(t *testing.T) {
	dir := t.TempDir()
	path, target := filepath.Join(dir, "key"), filepath.Join(dir, "target")
	if err := os.WriteFile(target, []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	if err := WriteFile(path, []byte("new"), 0o600); err != nil {
		t.Fatalf("WriteFile: %v", err)
	}
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		t.Errorf("path is %v, %v; want a regular file", info, err)
	}
	if got, err := os.ReadFile(target); err != nil || string(got) != "untouched" {
		t.Errorf("the target of the link reads %q, %v", got, err)
	}
}

func TestWriteFileFails(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	if err := os.Mkdir(taken, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(taken, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(taken, []byte("new"), 0o600); err == nil {
		t.Error("WriteFile replaced a directory")
	}
	only(t, dir, "taken")
	err := WriteFile(filepath.Join(dir, "none", "key"), nil, 0o600)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("WriteFile into no directory: %v, want %v", err, fs.ErrNotExist)
	}
}

func TestSyncDir(t *testing.T) {
	dir := t.TempDir()
	if err := SyncDir(dir); err != nil {
		t.Errorf("SyncDir: %v", err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	if err := SyncDir(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("SyncDir of nothing: %v, want %v", err, fs.ErrNotExist)
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", ".mft-1.part", ".mft-2.part", ".mft-", "x.part"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	Sweep(dir)
	only(t, dir, ".mft-", "a", "x.part")
}
