package agent_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"mft.dev/mft"
)

// bigSize is the content of a transfer that gets stuck at a gate.
const bigSize = 8 << 20

// stuck returns a transfer of which some content has been moved and the rest
// waits at a gate.
func stuck(t *testing.T, alpha, beta *host, g gates) mft.TransferID {
	t.Helper()
	g.set(true)
	id := alpha.copyTo(beta, beta.in+"/", "", big(t, alpha.out, "big", bigSize))
	alpha.await(id, mft.StateRunning)
	beta.awaitIf(id, func(t mft.Transfer) bool { return t.State == mft.StateRunning && t.Moved.Bytes > 0 })
	alpha.until("content at the gate", g.holding, func() any { return "passing" })
	return id
}

// delivered checks that the big file has arrived and nothing else.
func delivered(t *testing.T, alpha, beta *host) {
	t.Helper()
	got, want := tree(t, beta.in), tree(t, alpha.out)
	if len(got) != 1 || got["big"] != want["big"] {
		t.Errorf("%d entries were delivered, want the one file that was sent, unchanged", len(got))
	}
}

// untouched checks that nothing is left at the destination.
func untouched(t *testing.T, beta *host) {
	t.Helper()
	beta.until("the destination", func() bool { return len(tree(t, beta.in)) == 0 }, func() any { return tree(t, beta.in) })
}

// showsPart checks that the row of a transfer that was stopped in the middle of
// a file says how far it came.
func showsPart(t *testing.T, row mft.Transfer) {
	t.Helper()
	if row.Totals.Items != 1 || row.Moved.Items != 0 || row.Moved.Bytes <= 0 {
		t.Errorf("%s: %+v of %+v moved, want a part of one file", row.State, row.Moved, row.Totals)
	}
}

func TestActWhileItMoves(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, alpha, beta *host, g gates, id mft.TransferID)
		want mft.State // of both
	}{
		{"nothing", func(t *testing.T, alpha, beta *host, g gates, id mft.TransferID) {}, mft.StateDone},
		{"pause and resume by the sender", func(t *testing.T, alpha, beta *host, g gates, id mft.TransferID) {
			if _, err := alpha.agent.Pause(ctx, id); err != nil {
				t.Fatalf("Pause: %v", err)
			}
			showsPart(t, alpha.await(id, mft.StatePaused))
			showsPart(t, beta.await(id, mft.StateWaiting))
			if _, err := alpha.agent.Resume(ctx, id); err != nil {
				t.Fatalf("Resume: %v", err)
			}
		}, mft.StateDone},
		{"pause and resume by the receiver", func(t *testing.T, alpha, beta *host, g gates, id mft.TransferID) {
			if _, err := beta.agent.Pause(ctx, id); err != nil {
				t.Fatalf("Pause: %v", err)
			}
			showsPart(t, beta.await(id, mft.StatePaused))
			alpha.awaitIf(id, func(t mft.Transfer) bool { return t.State == mft.StateWaiting && t.Reason.Code == mft.CodePaused })
			if _, err := beta.agent.Resume(ctx, id); err != nil {
				t.Fatalf("Resume: %v", err)
			}
			if _, err := alpha.agent.Resume(ctx, id); err != nil {
				t.Fatalf("Resume of what waits: %v", err)
			}
		}, mft.StateDone},
		{"cancel by the sender", func(t *testing.T, alpha, beta *host, g gates, id mft.TransferID) {
			if _, err := alpha.agent.Cancel(ctx, id); err != nil {
				t.Fatalf("Cancel: %v", err)
			}
			showsPart(t, alpha.await(id, mft.StateCancelled))
		}, mft.StateCancelled},
		{"cancel by the receiver", func(t *testing.T, alpha, beta *host, g gates, id mft.TransferID) {
			if _, err := beta.agent.Cancel(ctx, id); err != nil {
				t.Fatalf("Cancel: %v", err)
			}
		}, mft.StateCancelled},
		{"cancel by the sender while the receiver is away", func(t *testing.T, alpha, beta *host, g gates, id mft.TransferID) {
			beta.stop()
			if _, err := alpha.agent.Cancel(ctx, id); err != nil {
				t.Fatalf("Cancel: %v", err)
			}
			beta.start()
		}, mft.StateCancelled},
		{"cancel by the sender, which then goes away too", func(t *testing.T, alpha, beta *host, g gates, id mft.TransferID) {
			beta.stop()
			if _, err := alpha.agent.Cancel(ctx, id); err != nil {
				t.Fatalf("Cancel: %v", err)
			}
			alpha.stop()
			beta.start()
			alpha.start()
		}, mft.StateCancelled},
		{"cancel by the receiver while the sender is away", func(t *testing.T, alpha, beta *host, g gates, id mft.TransferID) {
			alpha.stop()
			if _, err := beta.agent.Cancel(ctx, id); err != nil {
				t.Fatalf("Cancel: %v", err)
			}
			alpha.start()
		}, mft.StateCancelled},
		{"the sender restarts", func(t *testing.T, alpha, beta *host, g gates, id mft.TransferID) {
			alpha.stop()
			alpha.start()
		}, mft.StateDone},
		{"the receiver restarts", func(t *testing.T, alpha, beta *host, g gates, id mft.TransferID) {
			beta.stop()
			beta.start()
		}, mft.StateDone},
		{"both restart", func(t *testing.T, alpha, beta *host, g gates, id mft.TransferID) {
			alpha.stop()
			beta.stop()
			beta.start()
			alpha.start()
		}, mft.StateDone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			alpha, beta, g := gatedPair(t)
			id := stuck(t, alpha, beta, g)
			tt.do(t, alpha, beta, g, id)
			g.set(false)
			alpha.await(id, tt.want)
			beta.await(id, tt.want)
			if tt.want == mft.StateDone {
				delivered(t, alpha, beta)
			} else {
				untouched(t, beta)
			}
		})
	}
}

func TestActInWrongState(t *testing.T) {
	alpha, beta := pairOf(t)
	id := alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, "a", "1"))
	alpha.await(id, mft.StateDone)
	beta.await(id, mft.StateDone)
	for _, tt := range []struct {
		name string
		do   func() error
		want mft.Code
	}{
		{"cancel what is done", func() error { _, err := alpha.agent.Cancel(t.Context(), id); return err }, mft.CodeBadState},
		{"pause what is done", func() error { _, err := alpha.agent.Pause(t.Context(), id); return err }, mft.CodeBadState},
		{"resume what is done", func() error { _, err := alpha.agent.Resume(t.Context(), id); return err }, mft.CodeBadState},
		{"retry what another host ordered", func() error { _, err := beta.agent.Retry(t.Context(), id); return err }, mft.CodeBadState},
		{"cancel what is not there", func() error { _, err := alpha.agent.Cancel(t.Context(), mft.TransferID{1}); return err }, mft.CodeNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mft.CodeOf(tt.do()); got != tt.want {
				t.Errorf("code = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestPeerAwayThenThere(t *testing.T) {
	alpha, beta := pairOf(t)
	beta.stop()
	// A link that is made at that moment breaks what is begun on it.
	away := func(c mft.Code) bool { return c == mft.CodeUnreachable || c == mft.CodeDisconnected }
	var ids []mft.TransferID
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		ids = append(ids, alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, name, name)))
	}
	for _, id := range ids {
		if got := alpha.await(id, mft.StateWaiting); !away(got.Reason.Code) {
			t.Errorf("reason = %+v, want that it is away", got.Reason)
		}
	}
	// Some more tries tell nothing new.
	if _, err := alpha.agent.Resume(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	beta.start()
	for _, id := range ids {
		alpha.await(id, mft.StateDone)
		events, err := alpha.agent.TransferEvents(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		told := map[mft.Code]int{} // beta may also be busy for a moment when all of them come
		for _, e := range events {
			if e.Kind == mft.EventWaiting {
				told[e.Code]++
			}
		}
		for code, n := range told {
			if n != 1 {
				t.Errorf("it is told %d times that it waits because of %s: %+v", n, code, events)
			}
		}
	}
	if got := tree(t, beta.in); len(got) != len(ids) {
		t.Errorf("%d files were delivered, want %d", len(got), len(ids))
	}
}

func TestRestartKeepsOrders(t *testing.T) {
	alpha, beta := pairOf(t)
	beta.stop()
	id := alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, "a", "1"))
	paused := alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, "b", "1"))
	if _, err := alpha.agent.Pause(t.Context(), paused); err != nil {
		t.Fatal(err)
	}
	alpha.stop()
	alpha.start()
	beta.start()
	alpha.await(id, mft.StateDone)
	if got := alpha.await(paused, mft.StatePaused); got.Attempts != 0 {
		t.Errorf("a paused transfer was offered %d times, want never", got.Attempts)
	}
	if _, err := alpha.agent.Resume(t.Context(), paused); err != nil {
		t.Fatal(err)
	}
	alpha.await(paused, mft.StateDone)
}

func TestSecondAgentOnTheSameData(t *testing.T) {
	alpha := newHost(t, "alpha").start()
	other := *alpha
	if _, err := newAgent(&other); mft.CodeOf(err) != mft.CodeRunning {
		t.Errorf("New on data in use = %v, want code %s", err, mft.CodeRunning)
	}
}

func TestSweepsWhatWasLeft(t *testing.T) {
	alpha, beta, g := gatedPair(t)
	id := stuck(t, alpha, beta, g)
	// A directory that cannot be emptied while the transfer is cancelled.
	staging, err := filepath.Glob(filepath.Join(beta.in, ".mft-*.part"))
	if err != nil || len(staging) != 1 {
		t.Fatalf("staging directories: %q, %v, want one", staging, err)
	}
	if _, err := beta.agent.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	beta.stop()
	if err := os.MkdirAll(filepath.Join(staging[0], "left"), 0o700); err != nil {
		t.Fatal(err)
	}
	g.set(false)
	beta.start()
	untouched(t, beta)
}
