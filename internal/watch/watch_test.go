package watch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mft.dev/mft"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start watches dir until the test ends and returns what is reported.
func start(t *testing.T, dir string) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	seen := make(chan string, 4096)
	ended := make(chan error, 1)
	go func() { ended <- New(dir).Run(ctx, func(p string) { seen <- p }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v, want nil", err)
		}
	})
	if got := await(t, seen); got != "" {
		t.Fatalf("first report is %q, want the whole tree", got)
	}
	return seen
}

func await(t *testing.T, seen <-chan string) string {
	t.Helper()
	select {
	case p := <-seen:
		return p
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was reported")
		return ""
	}
}

// awaitPath reads reports until want is among them.
func awaitPath(t *testing.T, seen <-chan string, want string) {
	t.Helper()
	for range 10000 {
		if await(t, seen) == want {
			return
		}
	}
	t.Fatalf("%q was not reported", want)
}

func write(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRunReports(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, dir string)
		want string
	}{
		{"a file written", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "a")) }, "a"},
		{"a file in a directory that was there", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "sub", "b")) }, "sub/b"},
		{"a file moved in", func(t *testing.T, dir string) {
			from := filepath.Join(t.TempDir(), "c")
			write(t, from)
			if err := os.Rename(from, filepath.Join(dir, "c")); err != nil {
				t.Fatal(err)
			}
		}, "c"},
		{"a new directory", func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, "new"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "new"},
		{"a name with a newline", func(t *testing.T, dir string) { write(t, filepath.Join(dir, "a\nb")) }, "a\nb"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
				t.Fatal(err)
			}
			seen := start(t, dir)
			tt.do(t, dir)
			awaitPath(t, seen, tt.want)
		})
	}
}

func TestRunFollowsDirectories(t *testing.T) {
	dir := t.TempDir()
	seen := start(t, dir)
	if err := os.MkdirAll(filepath.Join(dir, "x", "y"), 0o700); err != nil {
		t.Fatal(err)
	}
	awaitPath(t, seen, "x")
	write(t, filepath.Join(dir, "x", "one"))
	awaitPath(t, seen, "x/one")
	if err := os.Rename(filepath.Join(dir, "x"), filepath.Join(dir, "z")); err != nil {
		t.Fatal(err)
	}
	awaitPath(t, seen, "z")
	write(t, filepath.Join(dir, "z", "y", "two"))
	awaitPath(t, seen, "z/y/two")
}

func TestRunOverflows(t *testing.T) {
	b, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	var limit int
	if _, serr := fmt.Sscan(string(b), &limit); err != nil || serr != nil || limit > 1<<16 {
		t.Skip("needs to know a limit of the inotify queue that can be reached")
	}
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	armed, flooded, again := make(chan struct{}), make(chan struct{}), make(chan struct{}, limit+8)
	whole := 0
	ended := make(chan error, 1)
	go func() {
		ended <- New(dir).Run(ctx, func(p string) {
			if p != "" {
				return
			}
			if whole++; whole == 1 {
				close(armed)
				<-flooded // while this waits the kernel's queue overflows
				return
			}
			again <- struct{}{}
		})
	}()
	<-armed
	a, b2 := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a)
	for range limit/2 + 16 {
		if err := os.Rename(a, b2); err != nil {
			t.Fatal(err)
		}
		a, b2 = b2, a
	}
	close(flooded)
	select {
	case <-again:
	case <-time.After(20 * time.Second):
		t.Error("an overflow of the queue was not reported")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run ended with %v, want nil", err)
	}
}

func TestRunWithoutDirectory(t *testing.T) {
	err := New(filepath.Join(t.TempDir(), "none")).Run(context.Background(), func(string) {})
	if got := mft.CodeOf(err); got != mft.CodeNotFound {
		t.Errorf("Run of a directory that is not there = %v, want code %s", err, mft.CodeNotFound)
	}
}
