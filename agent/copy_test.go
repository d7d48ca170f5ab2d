package agent_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/order"
	"mft.dev/mft/agent/pairing"
)

func TestCopy(t *testing.T) {
	alpha, beta := pairOf(t)
	for _, tt := range []struct {
		name    string
		sources func(dir string) []string
		to      string // below a directory of the case's own
		want    map[string]string
	}{
		{"a file into a directory", func(dir string) []string { return []string{write(t, dir, "a", "1")} }, "/", map[string]string{"a": "1"}},
		{"a file under another name", func(dir string) []string { return []string{write(t, dir, "a", "1")} }, "/b", map[string]string{"b": "1"}},
		{"an empty file", func(dir string) []string { return []string{write(t, dir, "a", "")} }, "/", map[string]string{"a": ""}},
		{"a directory", func(dir string) []string {
			write(t, dir, "d/x/y", "1")
			write(t, dir, "d/z", "2")
			if err := os.Mkdir(filepath.Join(dir, "d", "empty"), 0o755); err != nil {
				t.Fatal(err)
			}
			return []string{filepath.Join(dir, "d")}
		}, "/", map[string]string{"d/": "", "d/empty/": "", "d/x/": "", "d/x/y": "1", "d/z": "2"}},
		{"the contents of a directory", func(dir string) []string {
			write(t, dir, "d/z", "2")
			return []string{filepath.Join(dir, "d") + "/"}
		}, "/", map[string]string{"z": "2"}},
		{"a pattern", func(dir string) []string {
			write(t, dir, "a.csv", "1")
			write(t, dir, "b.csv", "2")
			write(t, dir, "c.txt", "3")
			return []string{filepath.Join(dir, "*.csv")}
		}, "/", map[string]string{"a.csv": "1", "b.csv": "2"}},
		{"several sources", func(dir string) []string {
			return []string{write(t, dir, "a", "1"), write(t, dir, "b", "2")}
		}, "/", map[string]string{"a": "1", "b": "2"}},
		{"a name that is not UTF-8", func(dir string) []string { return []string{write(t, dir, "n\xff\n", "1")} }, "/", map[string]string{"n\xff\n": "1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			into := filepath.Join(beta.in, filepath.Base(t.TempDir()), filepath.Base(t.Name()))
			id := alpha.copyTo(beta, into+tt.to, "", tt.sources(t.TempDir())...)
			sent := alpha.await(id, mft.StateDone, mft.StateFailed, mft.StateRejected)
			if sent.State != mft.StateDone {
				t.Fatalf("sender's state = %s (%+v), want done", sent.State, sent.Reason)
			}
			received := beta.await(id, mft.StateDone)
			if got := tree(t, into); !maps.Equal(got, tt.want) {
				t.Errorf("delivered %v, want %v", got, tt.want)
			}
			if received.Role != mft.RoleReceive || received.Peer != "alpha" || sent.Role != mft.RoleSend || sent.Peer != "beta" {
				t.Errorf("rows are %+v and %+v, want a send to beta and a receive from alpha", sent, received)
			}
			if sent.Moved != received.Moved || sent.Moved.Items != int64(len(tt.want)) {
				t.Errorf("moved %+v and %+v, want %d items at both ends", sent.Moved, received.Moved, len(tt.want))
			}
		})
	}
}

func TestCopyTellsItsStory(t *testing.T) {
	alpha, beta := pairOf(t)
	id := alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, "a", "1"))
	alpha.await(id, mft.StateDone)
	beta.await(id, mft.StateDone)
	if got, want := alpha.kinds(id), "planned offered accepted moving verified delivered done"; got != want {
		t.Errorf("sender's events: %s, want %s", got, want)
	}
	if got, want := beta.kinds(id), "offered accepted moving verified delivered done"; got != want {
		t.Errorf("receiver's events: %s, want %s", got, want)
	}
}

func TestCopyOverwrite(t *testing.T) {
	alpha, beta := pairOf(t)
	for _, tt := range []struct {
		policy mft.Overwrite
		state  mft.State
		code   mft.Code
		want   map[string]string
	}{
		{mft.OverwriteReplace, mft.StateDone, "", map[string]string{"f": "new"}},
		{mft.OverwriteNever, mft.StateFailed, mft.CodeExists, map[string]string{"f": "old"}},
		{mft.OverwriteVersion, mft.StateDone, "", map[string]string{"f": "new", "f.~1~": "old"}},
	} {
		t.Run(string(tt.policy), func(t *testing.T) {
			into := filepath.Join(beta.in, string(tt.policy))
			write(t, into, "f", "old")
			id := alpha.copyTo(beta, into+"/", tt.policy, write(t, t.TempDir(), "f", "new"))
			for _, h := range []*host{alpha, beta} {
				got := h.awaitIf(id, func(t mft.Transfer) bool { return t.State.Terminal() })
				if got.State != tt.state || got.Reason.Code != tt.code {
					t.Errorf("%s: state = %s (%+v), want %s (%s)", h.conf.Agent.Name, got.State, got.Reason, tt.state, tt.code)
				}
			}
			if got := tree(t, into); !maps.Equal(got, tt.want) {
				t.Errorf("there is %v, want %v", got, tt.want)
			}
		})
	}
}

func TestCopyToSeveral(t *testing.T) {
	alpha, beta := pairOf(t)
	src := write(t, alpha.out, "a", "1")
	placed, err := alpha.agent.Copy(t.Context(), []string{src}, []order.Destination{
		{Agent: "beta", Path: beta.in + "/x"},
		{Agent: "nobody", Path: "/x"},
		{Agent: "beta", Path: ""},
		{Agent: "beta", Path: beta.in + "/y", Overwrite: "maybe"},
		{Agent: "beta", Path: beta.in + "/z", Compress: "gzip"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []mft.Code{mft.CodeOK, mft.CodeUnknownPeer, mft.CodeBadPath, mft.CodeUsage, mft.CodeUsage}
	for i, p := range placed {
		if got := mft.CodeOf(p.Err); got != want[i] {
			t.Errorf("destination %d: %v, want code %s", i, p.Err, want[i])
		}
		if p.Transfer.IsZero() != (p.Err != nil) {
			t.Errorf("destination %d: transfer %v together with error %v", i, p.Transfer, p.Err)
		}
	}
	alpha.await(placed[0].Transfer, mft.StateDone)
}

func TestCopyRefusedAtOnce(t *testing.T) {
	alpha, beta := pairOf(t)
	for _, tt := range []struct {
		name   string
		source string
		want   mft.Code
	}{
		{"nothing there", filepath.Join(alpha.out, "none"), mft.CodeNotFound},
		{"a pattern that matches nothing", filepath.Join(alpha.out, "*.none"), mft.CodeNotFound},
		{"not absolute", "out/a", mft.CodeBadPath},
		{"empty", "", mft.CodeBadPath},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := alpha.agent.Copy(t.Context(), []string{tt.source}, []order.Destination{{Agent: "beta", Path: beta.in + "/"}})
			if got := mft.CodeOf(err); got != tt.want {
				t.Errorf("Copy(%q) = %v, want code %s", tt.source, err, tt.want)
			}
		})
	}
}

func TestCopyRefusedByAllowList(t *testing.T) {
	alpha, beta := pairOf(t)
	for _, tt := range []struct {
		name, path string
		want       mft.Code
	}{
		{"outside", filepath.Join(beta.dir, "elsewhere") + "/", mft.CodeNotAllowed},
		{"a sibling with the same beginning", beta.in + "2/", mft.CodeNotAllowed},
		{"dot dot", beta.in + "/../elsewhere/", mft.CodeBadPath},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id := alpha.copyTo(beta, tt.path, "", write(t, t.TempDir(), "a", "1"))
			got := alpha.awaitIf(id, func(t mft.Transfer) bool { return t.State.Terminal() })
			if got.State != mft.StateRejected || got.Reason.Code != tt.want {
				t.Errorf("state = %s (%+v), want rejected (%s)", got.State, got.Reason, tt.want)
			}
			if k := beta.kinds(id); k != "rejected" {
				t.Errorf("receiver's events: %s, want rejected", k)
			}
		})
	}
	if got := tree(t, beta.dir); len(got["elsewhere/"]) != 0 {
		t.Errorf("something was made outside: %v", got)
	}
}

func TestAllowedLater(t *testing.T) {
	alpha, beta := pairOf(t)
	other := filepath.Join(beta.dir, "other")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	src := write(t, alpha.out, "a", "1")
	id := alpha.copyTo(beta, other+"/", "", src)
	alpha.await(id, mft.StateRejected)
	if err := beta.agent.AllowPeer("alpha", pairing.Grant{FilesInto: other}); err != nil {
		t.Fatal(err)
	}
	again, err := alpha.agent.Retry(t.Context(), id)
	if err != nil {
		t.Fatalf("Retry: %v", err)
	}
	if again.ID == id {
		t.Error("a retry has the id of the old transfer, want a new one")
	}
	alpha.await(again.ID, mft.StateDone)
	events, err := alpha.agent.TransferEvents(t.Context(), again.ID)
	if err != nil || events[0].Detail != "retry of "+id.String() {
		t.Errorf("the new transfer begins with %+v (%v), want that it names the old one", events, err)
	}
}
