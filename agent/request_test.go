package agent_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/order"
)

func TestRequest(t *testing.T) {
	alpha, beta := pairOf(t)
	write(t, alpha.out, "a", "1")
	write(t, alpha.out, "b.csv", "2")
	write(t, alpha.out, "c.csv", "3")
	write(t, alpha.out, "d/e", "4")
	for _, tt := range []struct {
		name, path, into string
		want             map[string]string
	}{
		{"a file into a directory", alpha.out + "/a", "/", map[string]string{"a": "1"}},
		{"a file under another name", alpha.out + "/a", "/z", map[string]string{"z": "1"}},
		{"a pattern", alpha.out + "/*.csv", "/", map[string]string{"b.csv": "2", "c.csv": "3"}},
		{"a directory", alpha.out + "/d", "/", map[string]string{"d/": "", "d/e": "4"}},
		{"the contents of a directory", alpha.out + "/d/", "/", map[string]string{"e": "4"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			into := t.TempDir()
			id, err := beta.agent.Request(t.Context(), order.Request{Agent: "alpha", Path: tt.path, Into: into + tt.into})
			if err != nil {
				t.Fatalf("Request: %v", err)
			}
			got := beta.awaitIf(id, func(t mft.Transfer) bool { return t.State.Terminal() })
			if got.State != mft.StateDone {
				t.Fatalf("state = %s (%+v), want done", got.State, got.Reason)
			}
			if got := tree(t, into); !maps.Equal(got, tt.want) {
				t.Errorf("delivered %v, want %v", got, tt.want)
			}
			sent := alpha.await(id, mft.StateDone)
			if !sent.Requested || sent.Role != mft.RoleSend || got.Role != mft.RoleReceive {
				t.Errorf("rows are %+v and %+v, want a requested send and a receive", sent, got)
			}
		})
	}
}

func TestRequestTellsItsStory(t *testing.T) {
	alpha, beta := pairOf(t)
	id, err := beta.agent.Request(t.Context(), order.Request{Agent: "alpha", Path: write(t, alpha.out, "a", "1"), Into: t.TempDir() + "/"})
	if err != nil {
		t.Fatal(err)
	}
	beta.await(id, mft.StateDone)
	alpha.await(id, mft.StateDone)
	if got, want := beta.kinds(id), "planned requested offered accepted moving verified delivered done"; got != want {
		t.Errorf("requester's events: %s, want %s", got, want)
	}
	if got, want := alpha.kinds(id), "requested planned offered accepted moving verified delivered done"; got != want {
		t.Errorf("source's events: %s, want %s", got, want)
	}
}

func TestRequestRefused(t *testing.T) {
	alpha, beta := pairOf(t)
	secret := write(t, alpha.dir, "secret", "x")
	if err := os.Symlink(secret, filepath.Join(alpha.out, "link")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path string
		want       mft.Code
	}{
		{"outside", secret, mft.CodeNotAllowed},
		{"dot dot", alpha.out + "/../secret", mft.CodeBadPath},
		{"nothing there", alpha.out + "/none", mft.CodeNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, err := beta.agent.Request(t.Context(), order.Request{Agent: "alpha", Path: tt.path, Into: t.TempDir() + "/"})
			if err != nil {
				t.Fatalf("Request: %v", err)
			}
			got := beta.awaitIf(id, func(t mft.Transfer) bool { return t.State.Terminal() })
			if got.State != mft.StateRejected || got.Reason.Code != tt.want {
				t.Errorf("state = %s (%+v), want rejected (%s)", got.State, got.Reason, tt.want)
			}
		})
	}
	t.Run("through a link", func(t *testing.T) {
		into := t.TempDir()
		id, err := beta.agent.Request(t.Context(), order.Request{Agent: "alpha", Path: alpha.out + "/link/", Into: into + "/"})
		if err != nil {
			t.Fatalf("Request: %v", err)
		}
		got := beta.awaitIf(id, func(t mft.Transfer) bool { return t.State.Terminal() })
		if got.State == mft.StateDone || len(tree(t, into)) != 0 {
			t.Errorf("state = %s, delivered %v, want that no link is followed", got.State, tree(t, into))
		}
	})
	if _, err := beta.agent.Request(t.Context(), order.Request{Agent: "nobody", Path: "/x", Into: "/tmp/"}); mft.CodeOf(err) != mft.CodeUnknownPeer {
		t.Errorf("Request of a stranger = %v, want code %s", err, mft.CodeUnknownPeer)
	}
	if _, err := beta.agent.Request(t.Context(), order.Request{Agent: "alpha", Path: alpha.out + "/a", Into: "relative"}); mft.CodeOf(err) != mft.CodeBadPath {
		t.Errorf("Request into a relative path = %v, want code %s", err, mft.CodeBadPath)
	}
}

func TestRequestWhileAway(t *testing.T) {
	alpha, beta := pairOf(t)
	src := write(t, alpha.out, "a", "1")
	alpha.stop()
	into := t.TempDir()
	id, err := beta.agent.Request(t.Context(), order.Request{Agent: "alpha", Path: src, Into: into + "/"})
	if err != nil {
		t.Fatal(err)
	}
	beta.await(id, mft.StateWaiting)
	beta.stop()
	alpha.start()
	beta.start()
	beta.await(id, mft.StateDone)
	if got := tree(t, into); got["a"] != "1" {
		t.Errorf("delivered %v, want the file", got)
	}
}

func TestRequestCancelled(t *testing.T) {
	for _, tt := range []struct {
		name string
		by   func(alpha, beta *host) *host
	}{
		{"by the requester", func(_, beta *host) *host { return beta }},
		{"by the source", func(alpha, _ *host) *host { return alpha }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			alpha, beta, g := gatedPair(t)
			g.set(true)
			into := t.TempDir()
			id, err := beta.agent.Request(t.Context(), order.Request{Agent: "alpha", Path: big(t, alpha.out, "big", bigSize), Into: into + "/"})
			if err != nil {
				t.Fatal(err)
			}
			beta.await(id, mft.StateRunning)
			alpha.until("content at the gate", g.holding, func() any { return "passing" })
			if _, err := tt.by(alpha, beta).agent.Cancel(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			g.set(false)
			alpha.await(id, mft.StateCancelled)
			beta.await(id, mft.StateCancelled)
			if got := tree(t, into); len(got) != 0 {
				t.Errorf("there is %v, want nothing", got)
			}
		})
	}
}
