//go:build !portable

package dir

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

// stranger calls do as a user who owns nothing: the thread that does it reaches
// files with those rights, and is not used again.
func stranger(t *testing.T, do func()) {
	t.Helper()
	const nobody = 65534
	var group sync.WaitGroup
	group.Go(func() {
		runtime.LockOSThread() // for good
		if err := syscall.Setfsgid(nobody); err != nil {
			t.Errorf("setfsgid: %v", err)
			return
		}
		if err := syscall.Setfsuid(nobody); err != nil {
			t.Errorf("setfsuid: %v", err)
			return
		}
		do()
	})
	group.Wait()
}

// TestDropBox has another user put letters and read what was granted, and try
// everything else.
func TestDropBox(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be another user for a while")
	}
	path := shared(t, "alpha", "beta")
	ok(t, os.Chmod(filepath.Dir(path), 0o711)) // the way to the folder
	s := newShift()
	a := open(t, path, "alpha", s).exchange()
	ok(t, a.Queue.Put(t.Context(), "alpha", []byte("of another")))
	ok(t, a.Container.Stage(t.Context(), "object", 0, []byte("granted")))
	ok(t, a.Container.Publish(t.Context(), "object", 1))
	ok(t, a.Container.Stage(t.Context(), "staged", 0, []byte("not yet")))
	ok(t, a.Keys.Publish(t.Context(), "id", []byte("statement")))
	g, err := a.Container.Grant(t.Context(), "object", time.Minute)
	ok(t, err)
	beta := filepath.Join(path, "beta")
	ok(t, filepath.WalkDir(beta, func(name string, _ os.DirEntry, err error) error {
		if err == nil {
			err = os.Chown(name, 65534, 65534)
		}
		return err
	}))
	letter := only(t, filepath.Join(path, "alpha", queueDir))

	stranger(t, func() {
		b := open(t, path, "beta", s).exchange()
		if err := b.Queue.Put(t.Context(), "alpha", []byte("hello")); err != nil {
			t.Errorf("Put: %v", err)
		}
		p := make([]byte, 7)
		if err := b.Reader.Read(t.Context(), g.Ref, 0, p); err != nil || !bytes.Equal(p, []byte("granted")) {
			t.Errorf("Read: %q, %v", p, err)
		}
		if got, err := b.Keys.Statements(t.Context(), "alpha"); err != nil || len(got) != 1 {
			t.Errorf("Statements: %d, %v", len(got), err)
		}
		if got, err := b.Queue.Take(t.Context(), 1, time.Minute); err != nil || len(got) != 0 {
			t.Errorf("Take of its own queue: %d letters, %v", len(got), err)
		}

		as := open(t, path, "alpha", s).exchange() // pretends to be the other
		for what, err := range map[string]error{
			"Take":    second(as.Queue.Take(t.Context(), 1, time.Minute)),
			"Remove":  as.Queue.Remove(t.Context(), &exchange.Letter{Claim: letter}),
			"Stage":   as.Container.Stage(t.Context(), "mine", 0, []byte("x")),
			"Grant":   second(as.Container.Grant(t.Context(), "object", time.Minute)),
			"remove":  as.Container.Remove(t.Context(), "object"),
			"List":    as.Container.List(t.Context(), func(exchange.Object) bool { return true }),
			"publish": as.Keys.Publish(t.Context(), "id", []byte("forged")),
		} {
			code(t, err, mft.CodeNotAllowed, what+" of another user")
		}
		for _, name := range []string{queueDir, objectsDir, temporaryDir, filepath.Join(objectsDir, objectPrefix+"object")} {
			if entries, err := os.ReadDir(filepath.Join(path, "alpha", name)); err == nil {
				t.Errorf("another user lists %s: %v", name, entries)
			}
		}
		if err := os.Rename(filepath.Join(path, "alpha", queueDir, letter), filepath.Join(path, "alpha", queueDir, "x")); err == nil {
			t.Error("another user renames a letter of which it knows the name")
		}
	})

	got, err := a.Queue.Take(t.Context(), 5, time.Minute)
	if err != nil || len(got) != 2 {
		t.Fatalf("Take: %v, %v; want both letters", got, err)
	}
	for _, l := range got {
		ok(t, a.Queue.Remove(t.Context(), &l))
	}
}

// only returns the name of the only thing in a directory.
func only(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || !strings.HasPrefix(entries[0].Name(), "l-") {
		t.Fatalf("%s holds %v, %v", dir, entries, err)
	}
	return entries[0].Name()
}

func second[T any](_ T, err error) error { return err }
