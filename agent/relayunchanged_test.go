package agent_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

// counted counts what is staged in a container.
type counted struct {
	exchange.Container
	bytes   atomic.Int64
	parcels sync.Map
}

func (c *counted) Stage(ctx context.Context, name string, block int, content []byte) error {
	c.bytes.Add(int64(len(content)))
	c.parcels.Store(name, true)
	return c.Container.Stage(ctx, name, block, content)
}

// TestRelayUnchanged: what a file has in common with the version that was sent
// last does not go into the exchange again. When that version is not there any
// more all of it comes, once.
func TestRelayUnchanged(t *testing.T) {
	size := 20 << 20
	if *long {
		size = 64 << 20
	}
	alpha, beta, folder := apart(t)
	stage := &counted{Container: alpha.exchange.Container}
	alpha.exchange.Container = stage
	alpha.start()
	beta.start()
	source := big(t, alpha.out, "d/big", size)
	for i := range 7 {
		big(t, alpha.out, fmt.Sprintf("d/several/%d", i), 2<<20+i)
	}
	landed := filepath.Join(beta.in, "d", "big")
	edit := func(path string, at int, how func(b []byte, at int) []byte) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, how(b, at), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	replace := func(b []byte, at int) []byte { copy(b[at:], "another content"); return b }
	insert := func(b []byte, at int) []byte {
		return bytes.Join([][]byte{b[:at], []byte("something more"), b[at:]}, nil)
	}
	const little = 512 << 10
	all := int64(size) + 7*2<<20
	for _, step := range []struct {
		name    string
		before  func()
		at      int64 // bytes that are staged: from this
		most    int64 // to this
		parcels int
	}{
		{"the first time", func() {}, all, 2 * all, 1},
		{"a block is another", func() { edit(source, 10<<20, replace) }, 1, little, 1},
		{"after a restart", func() {
			alpha.stop()
			beta.stop()
			alpha.start()
			beta.start()
			edit(source, 11<<20+77, insert)
		}, 1, little, 1},
		{"the receiver took the file away", func() {
			edit(source, 1<<20, replace)
			if err := os.Remove(landed); err != nil {
				t.Fatal(err)
			}
		}, all, 2 * all, 2},
		{"and then left it", func() { edit(source, 2<<20, replace) }, 1, little, 1},
		{"the receiver changed the file", func() {
			edit(source, 1<<20, replace)
			edit(landed, 17<<20, replace)
		}, all, 2 * all, 2},
		{"several files have changed", func() {
			for i := range 7 {
				edit(filepath.Join(alpha.out, "d/several", fmt.Sprint(i)), 1<<20, replace)
			}
		}, 1, little, 1},
	} {
		step.before()
		stage.bytes.Store(0)
		stage.parcels.Clear()
		id := alpha.copyTo(beta, beta.in+"/", mft.OverwriteReplace, filepath.Join(alpha.out, "d"))
		if got := alpha.await(id, mft.StateDone, mft.StateFailed, mft.StateRejected); got.State != mft.StateDone {
			t.Fatalf("%s: the state is %s (%+v), want done", step.name, got.State, got.Reason)
		}
		beta.await(id, mft.StateDone)
		if got := stage.bytes.Load(); got < step.at || got > step.most {
			t.Errorf("%s: %d bytes went into the exchange, want %d to %d", step.name, got, step.at, step.most)
		} else {
			t.Logf("%s: %d bytes", step.name, got)
		}
		if want, got := tree(t, alpha.out), tree(t, beta.in); !maps.Equal(want, got) {
			t.Errorf("%s: what arrived is not what was sent", step.name)
		}
		made := 0
		stage.parcels.Range(func(any, any) bool { made++; return true })
		if made != step.parcels {
			t.Errorf("%s: %d parcels were made, want %d", step.name, made, step.parcels)
		}
	}
	alpha.until("the folder", func() bool { return len(leftIn(t, folder)) == 0 }, func() any { return leftIn(t, folder) })
}
