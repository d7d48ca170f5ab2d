package watch

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mft.dev/mft"
)

// TestQuiet: what RunUntilQuiet leaves behind tells of what happens then, and of nothing
// before.
func TestQuiet(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	looks := 0
	f, err := New(dir).RunUntilQuiet(t.Context(), 50*time.Millisecond, func(string) {
		if looks++; looks == 1 {
			write(t, filepath.Join(dir, "sub", "early"))
		}
	})
	if err != nil || f == nil || looks < 2 {
		t.Fatalf("RunUntilQuiet = %v, %v after %d reports", f, err, looks)
	}
	defer f.Close()
	if err := Check(f); err != nil || Happened(f) {
		t.Errorf("Check: %v, and something has happened: %t", err, Happened(f))
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- Await(ctx, f) }()
	cancel()
	if err := <-ended; err != nil || Happened(f) {
		t.Errorf("Await: %v, and something has happened: %t", err, Happened(f))
	}
	if err := Check(f); err != nil { // it may have been waited for before
		t.Error(err)
	}
	go func() { ended <- Await(t.Context(), f) }()
	write(t, filepath.Join(dir, "sub", "late"))
	if err := <-ended; err != nil || !Happened(f) || !Happened(f) {
		t.Errorf("Await: %v, and something has happened: %t", err, Happened(f))
	}
	if err := Await(t.Context(), f); err != nil {
		t.Errorf("Await, when it has happened already: %v", err)
	}
}

func TestQuietEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f, err := New(t.TempDir()).RunUntilQuiet(ctx, time.Hour, func(string) { cancel() })
	if f != nil || err != nil {
		t.Errorf("RunUntilQuiet = %v, %v, want nothing when it is told to end", f, err)
	}
}

func TestDirectories(t *testing.T) {
	for name, do := range map[string]func(dir string) error{
		"made":        func(dir string) error { return os.WriteFile(filepath.Join(dir, "new"), nil, 0o600) },
		"removed":     func(dir string) error { return os.Remove(filepath.Join(dir, "old")) },
		"moved away":  func(dir string) error { return os.Rename(filepath.Join(dir, "old"), filepath.Join(t.TempDir(), "old")) },
		"closed":      func(dir string) error { return os.Chmod(dir, 0o500) },
		"moved":       func(dir string) error { return os.Rename(dir, dir+"2") },
		"gone itself": os.RemoveAll,
	} {
		t.Run(name, func(t *testing.T) {
			other, dir := t.TempDir(), filepath.Join(t.TempDir(), "d")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "old"))
			f, err := Directories([]string{other, dir})
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if Happened(f) {
				t.Error("something has happened before")
			}
			if err := do(dir); err != nil {
				t.Fatal(err)
			}
			if !Happened(f) {
				t.Error("nobody notices")
			}
		})
	}
	if _, err := Directories([]string{filepath.Join(t.TempDir(), "none")}); mft.CodeOf(err) != mft.CodeOther {
		t.Errorf("a directory that is not there: %v", err)
	}
}

func TestCheck(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	plain, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	for name, f := range map[string]*os.File{"a pipe": r, "a file": plain, "nothing": nil} {
		if err := Check(f); mft.CodeOf(err) != mft.CodeInternal {
			t.Errorf("%s: %v, want INTERNAL_ERROR", name, err)
		}
	}
}
