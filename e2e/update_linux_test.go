package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
)

// TestEveryCallOfAnUpdate kills an agent at system calls that change a file
// while a directory that the receiver has is brought up to date: a file is
// the same, some have changed, one of them large, one is new, one is gone, one
// has another name, and so has a directory. At every moment each file is of
// the old or of the new version, and in the end the destination is the source.
func TestEveryCallOfAnUpdate(t *testing.T) {
	needs(t, canTrace, "the tracer does not know this machine")
	for _, tt := range []struct {
		name     string
		receiver bool // which end is killed
	}{
		{"kill the receiver", true},
		{"kill the sender", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			alpha, beta := newPair(t)
			u := &update{delivery: &delivery{
				t: t, rnd: chance(t), from: alpha, to: beta, struck: alpha,
				spec: tracing{Strike: strikeKill}, flags: []string{"--mirror", "--max-delete", "100%"},
			}}
			if tt.receiver {
				u.struck = beta
			}
			u.before, u.make = u.deliverOld, u.makeNew
			stride := sample(15, 2)
			n := 1 + u.rnd.IntN(stride)
			for struck := true; struck && u.unsettled < 3; n += stride {
				struck = u.strikeAt(n)
				u.verdict()
			}
			t.Logf("struck at every %dth call up to %d", stride, n-stride)
		})
	}
}

// An update is a delivery of the new version of a tree that the receiver has.
type update struct {
	*delivery
	old, now map[string][]byte // content by path below the tree
	name     string            // of the tree
	watch    func()            // ends the watching of the destination
}

// source is where the tree lies at the sender.
func (u *update) source() string { return filepath.Join(u.from.Out(), u.name) }

// deliverOld makes the old version of tree n and has it delivered.
func (u *update) deliverOld(n int) {
	u.t.Helper()
	u.name = fmt.Sprintf("tree%04d", n)
	u.old = map[string][]byte{
		"same": u.noise(3000), "changes": u.noise(4000), "goes": u.noise(10), "sub/changes": u.noise(50_000),
		"large": u.noise(3 << 20), "named": u.noise(2 << 20), "dir/a": u.noise(100), "dir/b/c": u.noise(200),
	}
	writeTree(u.t, u.source(), u.old)
	_ = u.struck.Stop() // it may still be about to be struck once more
	u.struck.start()
	id, err := order(u.from, u.to, u.source())
	if err != nil {
		u.t.Fatal(err)
	}
	if tr := u.to.awaitEnd(id); tr.State != mft.StateDone {
		u.t.Fatalf("the old version ended as %s: %+v", tr.State, tr.Reason)
	}
	u.from.awaitTransfer(id, func(tr localapi.Transfer) bool { return tr.State.Terminal() })
}

// makeNew changes the tree to its new version and begins to watch.
func (u *update) makeNew(int) string {
	u.t.Helper()
	u.now = map[string][]byte{
		"same": u.old["same"], "changes": u.noise(4000), "sub/changes": u.noise(60_000), "new": u.noise(70),
		"named otherwise": u.old["named"], "other/a": u.old["dir/a"], "other/b/c": u.old["dir/b/c"],
		"large": bytes.Clone(u.old["large"]),
	}
	copy(u.now["large"][1<<20:], u.noise(5000))
	root := u.source()
	for _, name := range []string{"changes", "sub/changes", "new", "large"} {
		writeTree(u.t, root, map[string][]byte{name: u.now[name]})
	}
	for from, to := range map[string]string{"named": "named otherwise", "dir": "other"} {
		if err := os.Rename(filepath.Join(root, from), filepath.Join(root, to)); err != nil {
			u.t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(root, "goes")); err != nil {
		u.t.Fatal(err)
	}
	u.watch = u.watchDestination()
	return root
}

// watchDestination reads what is at the destination again and again until the
// function it returns is called.
func (u *update) watchDestination() (end func()) {
	stop := make(chan struct{})
	var watching sync.WaitGroup
	at := filepath.Join(u.to.In(), u.name)
	watching.Go(func() {
		for {
			for name := range u.now {
				got, err := os.ReadFile(filepath.Join(at, name))
				if err == nil && !bytes.Equal(got, u.now[name]) && !bytes.Equal(got, u.old[name]) {
					u.t.Errorf("%s/%s has %d bytes that are neither of the old nor of the new version", u.name, name, len(got))
				}
			}
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	return func() {
		close(stop)
		watching.Wait()
	}
}

// verdict compares the destination with the source.
func (u *update) verdict() {
	u.t.Helper()
	u.watch()
	at := filepath.Join(u.to.In(), u.name)
	found := 0
	err := filepath.WalkDir(at, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		found++
		rel, err := filepath.Rel(at, p)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(p)
		if want, ok := u.now[rel]; !ok || !bytes.Equal(got, want) {
			u.t.Errorf("%s/%s: %d bytes (%v), want what the source has", u.name, rel, len(got), err)
		}
		return nil
	})
	if err != nil || found != len(u.now) {
		u.t.Errorf("%s has %d files (%v), want the %d of the source", u.name, found, err, len(u.now))
	}
	if u.t.Failed() {
		u.explain()
	}
}

// noise returns n bytes.
func (u *update) noise(n int) []byte { return noise(u.rnd, n) }

func noise(rnd *rand.Rand, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	for i := range key {
		key[i] = byte(rnd.Uint32())
	}
	_, _ = rand.NewChaCha8(key).Read(b) // it never fails
	return b
}

// writeTree writes files below root.
func writeTree(t *testing.T, root string, files map[string][]byte) {
	t.Helper()
	for name, content := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
