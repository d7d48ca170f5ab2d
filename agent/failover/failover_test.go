package failover

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/group"
	"mft.dev/mft/agent/trail"
	"mft.dev/mft/journal"
)

// TestFollow has a crash between any two steps of a run that follows a fail-over: a
// transfer that was left has exactly one that took its place, in the same run.
func TestFollow(t *testing.T) {
	for _, tt := range []struct {
		name   string
		left   bool // the transfer was left before the crash
		active mft.AgentName
		then   mft.AgentName // who is active when that is asked again
	}{
		{"at once", false, "y", "y"},
		{"after it was left", true, "y", "y"},
		{"after it was left, when none is active", true, "", "y"},
		{"after it was left, when it goes back", true, "x", "x"},
		{"after it was left, when there is a third", true, "z", "z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal.db"))
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			old := mft.Transfer{
				ID: mft.TransferID{1, 8: 0x80}, Role: mft.RoleSend, Peer: "x", State: mft.StatePlanned, Channel: "c", Run: "run",
				Sources: []string{"/out/a"}, Destination: "/in/", Created: time.Now(), Updated: time.Now(),
			}
			if err := j.Update(t.Context(), func(tx *journal.Tx) error { return tx.Create(old) }); err != nil {
				t.Fatal(err)
			}
			var placed []mft.Transfer
			x := New(Config{
				Channel: mft.Channel{Name: "c", To: []mft.Endpoint{{Group: "b", Path: "/in"}}}, Journal: j, Now: time.Now,
				Groups: group.New(group.Config{Groups: []mft.ServerGroup{{Name: "b", Members: []mft.AgentName{"x", "y", "z"}}}}),
				Trail:  trail.New(j, slog.New(slog.DiscardHandler), time.Now),
				Plan: func(to mft.AgentName, _ mft.Overwrite) (mft.Transfer, error) {
					return mft.Transfer{Role: mft.RoleSend, Peer: to, State: mft.StatePlanned, Created: time.Now(), Updated: time.Now()}, nil
				},
				Placed: func(row mft.Transfer) { placed = append(placed, row) },
				Leave: func(ctx context.Context, id mft.TransferID, why mft.Reason) (mft.Transfer, error) {
					return mft.Transfer{}, j.Update(ctx, func(tx *journal.Tx) error { return tx.SetState(id, mft.StateCancelled, why, time.Now()) })
				},
				Destination: func(to mft.Endpoint) string { return to.Path + "/" },
			})
			if tt.left {
				if _, err := x.Leave(t.Context(), old.ID, mft.Reason{Code: mft.CodeFailedOver}); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 5 {
				if x.active = map[mft.AgentName]mft.AgentName{"b": tt.then}; i == 0 {
					x.active["b"] = tt.active
				}
				missing, err := x.Follow(t.Context(), "run")
				if err != nil {
					t.Fatal(err)
				}
				if want := i == 0 && (!tt.left || tt.active == ""); missing != want {
					t.Errorf("look %d: something is missing: %v, want %v", i, missing, want)
				}
			}
			rows, err := j.Transfers(t.Context(), journal.Filter{Run: "run"})
			if err != nil || len(rows) != 2 || len(placed) != 1 {
				t.Fatalf("%d transfers in the run, %d placed, %v; want two, and one", len(rows), len(placed), err)
			}
			if next := placed[0]; next.Peer != tt.then || next.Channel != "c" || next.Destination != "/in/" || len(next.Sources) != 1 || next.ID != successor(old.ID) {
				t.Errorf("%+v took its place", next)
			}
		})
	}
}

func TestNothingToFollow(t *testing.T) {
	x := New(Config{Channel: mft.Channel{To: []mft.Endpoint{{Agent: "b"}}}})
	missing, err := x.Follow(t.Context(), "run")
	if x != nil || missing || err != nil || x.Look(t.Context()) != "" || x.Passive("b") || x.Trouble() != nil {
		t.Errorf("a channel without a group: %+v, %v, %v", x, missing, err)
	}
}

func TestSuccessor(t *testing.T) {
	id, err := mft.ParseTransferID("0192f0c1-2d5b-7c3a-8e4f-0123456789ab")
	if err != nil {
		t.Fatal(err)
	}
	next := successor(id)
	if next == id || next != successor(id) || next[6]>>4 != 7 || next[8]>>6 != 2 || [6]byte(next[:6]) != [6]byte(id[:6]) {
		t.Errorf("the successor of %s is %s", id, next)
	}
}
