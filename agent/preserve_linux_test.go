package agent_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"mft.dev/mft"
	"mft.dev/mft/agent/order"
	"mft.dev/mft/journal"
)

// give gives a file an attribute, and an access list by which user 4000 may read it.
func give(t *testing.T, path, value string) {
	t.Helper()
	acl := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range [][3]uint32{{1, 6, ^uint32(0)}, {2, 4, 4000}, {4, 4, ^uint32(0)}, {16, 4, ^uint32(0)}, {32, 0, ^uint32(0)}} {
		acl = binary.LittleEndian.AppendUint16(acl, uint16(e[0]))
		acl = binary.LittleEndian.AppendUint16(acl, uint16(e[1]))
		acl = binary.LittleEndian.AppendUint32(acl, e[2])
	}
	err := errors.Join(unix.Setxattr(path, "user.origin", []byte(value), 0), unix.Setxattr(path, "system.posix_acl_access", acl, 0))
	if errors.Is(err, unix.EOPNOTSUPP) {
		t.Skipf("%s: %v", path, err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// given returns the attribute of a file, and its access list.
func given(t *testing.T, path string) (value, acl string) {
	t.Helper()
	get := func(name string) string {
		buf := make([]byte, 1000)
		n, err := unix.Getxattr(path, name, buf)
		if errors.Is(err, unix.ENODATA) {
			return ""
		}
		if err != nil {
			t.Fatalf("%s of %s: %v", name, path, err)
		}
		return string(buf[:n])
	}
	return get("user.origin"), get("system.posix_acl_access")
}

// TestPreserveTravels: by each way to a peer, and by request; and only what was ordered.
func TestPreserveTravels(t *testing.T) {
	for _, tt := range []struct {
		name    string
		hosts   func(*testing.T) (alpha, beta *host)
		request bool
		keeps   mft.Preserve
	}{
		{"direct", pairOf, false, mft.PreserveAll},
		{"only attributes", pairOf, false, mft.PreserveXAttrs},
		{"nothing", pairOf, false, 0},
		{"request", pairOf, true, mft.PreserveAll},
		{"exchange", func(t *testing.T) (alpha, beta *host) {
			alpha, beta, _ = apart(t)
			return alpha.start(), beta.start()
		}, false, mft.PreserveAll},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alpha, beta := tt.hosts(t)
			for _, name := range []string{"d/small", "d/large"} {
				give(t, write(t, alpha.out, name, strings.Repeat("x", 400_000*(len(name)&1)+5)), "erp")
			}
			if err := os.Link(filepath.Join(alpha.out, "d/small"), filepath.Join(alpha.out, "d/other")); err != nil {
				t.Fatal(err)
			}
			var id mft.TransferID
			if tt.request {
				var err error
				id, err = beta.agent.Request(t.Context(), order.Request{Agent: "alpha", Path: alpha.out + "/d", Into: beta.in + "/", Preserve: tt.keeps})
				if err != nil {
					t.Fatal(err)
				}
			} else {
				placed, err := alpha.agent.Copy(t.Context(), []string{filepath.Join(alpha.out, "d")}, []order.Destination{{Agent: "beta", Path: beta.in + "/", Preserve: tt.keeps}})
				if err != nil || placed[0].Err != nil {
					t.Fatal(err, placed)
				}
				id = placed[0].Transfer
			}
			if got := beta.await(id, mft.StateDone, mft.StateFailed); got.State != mft.StateDone {
				t.Fatalf("it is %s: %+v", got.State, got.Reason)
			}
			for _, name := range []string{"d/small", "d/large"} {
				wantValue, wantACL := given(t, filepath.Join(alpha.out, name))
				if !tt.keeps.Has(mft.PreserveXAttrs) {
					wantValue = ""
				}
				if !tt.keeps.Has(mft.PreserveACLs) {
					wantACL = ""
				}
				if value, acl := given(t, filepath.Join(beta.in, name)); value != wantValue || acl != wantACL {
					t.Errorf("%s arrived with %q and %x, want %q and %x", name, value, acl, wantValue, wantACL)
				}
			}
			var st [2]unix.Stat_t
			if err := errors.Join(unix.Stat(beta.in+"/d/small", &st[0]), unix.Stat(beta.in+"/d/other", &st[1])); err != nil || tt.keeps.Has(mft.PreserveLinks) != (st[0].Ino == st[1].Ino) {
				t.Errorf("two names of one file are %d and %d, %v", st[0].Ino, st[1].Ino, err)
			}
			if got := alpha.await(id, mft.StateDone); got.Preserve != tt.keeps {
				t.Errorf("the journal says %q, want %q", got.Preserve, tt.keeps)
			}
		})
	}
}

// TestPreserveMirror: a run of a mirror puts attributes right of which nothing else has changed.
func TestPreserveMirror(t *testing.T) {
	alpha, beta := reflecting(t, func(ch *mft.Channel) { ch.Preserve, ch.Compare = mft.PreserveAll, mft.CompareQuick })
	give(t, write(t, alpha.out, "a", "content"), "one")
	for n, value := range []string{"one", "two"} {
		give(t, filepath.Join(alpha.out, "a"), value)
		write(t, alpha.out, ".trigger", "")
		alpha.runs(n + 1)
		if got, acl := given(t, filepath.Join(beta.in, "a")); got != value || acl == "" {
			t.Errorf("after run %d it has %q and %x", n+1, got, acl)
		}
	}
	if rows := alpha.list(journal.Filter{Newest: true}); len(rows) != 2 || rows[0].Moved.Bytes != 0 {
		t.Errorf("content was sent again: %+v", rows)
	}
}
