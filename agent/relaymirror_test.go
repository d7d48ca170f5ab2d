package agent_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/order"
)

// mirroring makes two hosts that reach each other through a folder only, of whom
// alpha may remove files from beta's directory.
func mirroring(t *testing.T) (alpha, beta *host, folder string) {
	t.Helper()
	alpha, beta, folder = apart(t)
	beta.conf.Allow.FilesFrom[0].AllowDelete = true
	return alpha, beta, folder
}

// everything lets a mirror remove whatever is to go.
var everything = mft.Mirror{On: true, MaxFiles: -1, MaxPercent: -1}

func (h *host) mirrorBy(to *host, limits mft.Mirror) mft.TransferID {
	h.t.Helper()
	placed, err := h.agent.Copy(h.t.Context(), []string{h.out + "/"}, []order.Destination{
		{Agent: to.conf.Agent.Name, Path: to.in + "/", Mirror: limits},
	})
	if err != nil || placed[0].Err != nil {
		h.t.Fatalf("Copy = %+v, %v", placed, err)
	}
	return placed[0].Transfer
}

// TestRelayMirror: a destination that only the exchange leads to becomes what the
// source is, again and again.
func TestRelayMirror(t *testing.T) {
	alpha, beta, _ := mirroring(t)
	alpha.start()
	beta.start()
	write(t, beta.in, "before", "was there")
	write(t, beta.in, "d/before", "was there")
	write(t, alpha.out, "a", "1")
	write(t, alpha.out, "d/x", "2")
	write(t, alpha.out, "d/e/y", "3")
	big(t, alpha.out, "big", 3<<20)
	for i := range 300 {
		write(t, alpha.out, filepath.Join("many", strings.Repeat("n", 1+i%100)+string(rune('a'+i/100))), "x")
	}
	changes := []func(){
		func() {},
		func() {},
		func() {
			for _, name := range []string{"a", "d/e"} {
				if err := os.RemoveAll(filepath.Join(alpha.out, name)); err != nil {
					t.Fatal(err)
				}
			}
			write(t, alpha.out, "d/x", "changed")
			if err := os.Rename(filepath.Join(alpha.out, "big"), filepath.Join(alpha.out, "d", "moved")); err != nil {
				t.Fatal(err)
			}
		},
	}
	for i, change := range changes {
		change()
		id := alpha.mirrorBy(beta, everything)
		if got := alpha.await(id, mft.StateDone, mft.StateFailed, mft.StateRejected); got.State != mft.StateDone {
			t.Fatalf("mirror %d: the sender's state is %s (%+v), want done", i, got.State, got.Reason)
		}
		if want, got := tree(t, alpha.out), tree(t, beta.in); !maps.Equal(want, got) {
			t.Errorf("mirror %d: there is %q, want %q", i, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
	}
}

// TestRelayMirrorRefused: what must not be removed stays.
func TestRelayMirrorRefused(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(alpha, beta *host)
		limits  mft.Mirror
		want    mft.Code
	}{
		{"not allowed", func(_, beta *host) { beta.conf.Allow.FilesFrom[0].AllowDelete = false }, everything, mft.CodeNotAllowed},
		{"too many", func(*host, *host) {}, mft.Mirror{On: true, MaxFiles: 1, MaxPercent: -1}, mft.CodeDeleteLimit},
		{"empty source", func(alpha, _ *host) {
			if err := os.Remove(filepath.Join(alpha.out, "a")); err != nil {
				alpha.t.Fatal(err)
			}
		}, everything, mft.CodeEmptySource},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			alpha, beta, _ := mirroring(t)
			write(t, alpha.out, "a", "1")
			for _, name := range []string{"one", "two", "three"} {
				write(t, beta.in, name, "stays")
			}
			c.prepare(alpha, beta)
			alpha.start()
			beta.start()
			got := alpha.awaitIf(alpha.mirrorBy(beta, c.limits), func(t mft.Transfer) bool { return t.State.Terminal() })
			if got.Reason.Code != c.want {
				t.Errorf("the sender's state is %s (%+v), want code %s", got.State, got.Reason, c.want)
			}
			left := tree(t, beta.in)
			for _, name := range []string{"one", "two", "three"} {
				if left[name] != "stays" {
					t.Errorf("%s is gone", name)
				}
			}
		})
	}
}

// TestRelayMirrorsInTurn: a mirror waits while an earlier one of the same directory
// is on its way, since that could arrive last.
func TestRelayMirrorsInTurn(t *testing.T) {
	alpha, beta, folder := mirroring(t)
	beta.start()
	published(alpha, folder, 1)
	beta.stop()
	alpha.start()
	write(t, alpha.out, "a", "1")
	first := alpha.mirrorBy(beta, everything)
	alpha.awaitIf(first, func(t mft.Transfer) bool { return t.State == mft.StateWaiting && t.Reason.Code == mft.CodeRelayed })
	write(t, alpha.out, "b", "2")
	time.Sleep(2 * time.Millisecond) // ids are in the order of the clock's milliseconds
	second := alpha.mirrorBy(beta, everything)
	alpha.awaitIf(second, func(t mft.Transfer) bool {
		return t.State == mft.StateWaiting && strings.Contains(t.Reason.Detail, first.String())
	})
	beta.start()
	alpha.await(first, mft.StateDone)
	alpha.await(second, mft.StateDone)
	if want, got := tree(t, alpha.out), tree(t, beta.in); !maps.Equal(want, got) {
		t.Errorf("there is %v, want %v", got, want)
	}
}
