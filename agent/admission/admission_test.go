package admission

import (
	"context"
	"fmt"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

func TestDecide(t *testing.T) {
	in := []mft.Grant{{Agent: "a", Root: "/srv/in"}, {Agent: "a", Root: "/srv/in/deep", AllowSetID: true}}
	asked := &mft.Transfer{Requested: true, Destination: "/home/me/x", Overwrite: mft.OverwriteNever}
	for _, tt := range []struct {
		name   string
		offer  mft.Offer
		row    *mft.Transfer
		first  *journal.Landing
		grants []mft.Grant
		want   journal.Landing
		code   mft.Code
	}{
		{"within a grant", mft.Offer{Destination: "/srv/in/x/"}, nil, nil, in, journal.Landing{Root: "/srv/in", Dir: "x"}, mft.CodeOK},
		{"within the deeper grant", mft.Offer{Destination: "/srv/in/deep/"}, nil, nil, in, journal.Landing{Root: "/srv/in/deep", AllowSetID: true}, mft.CodeOK},
		{"no grant", mft.Offer{Destination: "/srv/in/"}, nil, nil, nil, journal.Landing{}, mft.CodeNotAllowed},
		{"outside", mft.Offer{Destination: "/srv/other/"}, nil, nil, in, journal.Landing{}, mft.CodeNotAllowed},
		{"dot dot", mft.Offer{Destination: "/srv/in/../other/"}, nil, nil, in, journal.Landing{}, mft.CodeBadPath},
		{"asked for", mft.Offer{Requested: true}, asked, nil, nil, journal.Landing{Root: "/home/me", Name: "x"}, mft.CodeOK},
		{"not asked for", mft.Offer{Requested: true}, nil, nil, in, journal.Landing{}, mft.CodeNotAllowed},
		{"not asked for, but known", mft.Offer{Requested: true}, &mft.Transfer{}, nil, in, journal.Landing{}, mft.CodeNotAllowed},
		{"asked for, offered as if not", mft.Offer{Destination: "/srv/in/"}, asked, nil, in, journal.Landing{}, mft.CodeNotAllowed},
		{"again", mft.Offer{Destination: "/srv/in/x/"}, &mft.Transfer{}, &journal.Landing{Root: "/srv/in", Dir: "x"}, in, journal.Landing{Root: "/srv/in", Dir: "x"}, mft.CodeOK},
		{"again, below a root that has changed", mft.Offer{Destination: "/srv/in/x/"}, &mft.Transfer{}, &journal.Landing{Root: "/srv", Dir: "in/x", AllowSetID: true}, in, journal.Landing{Root: "/srv", Dir: "in/x"}, mft.CodeOK},
		{"again, elsewhere", mft.Offer{Destination: "/srv/in/y/"}, &mft.Transfer{}, &journal.Landing{Root: "/srv/in", Dir: "x"}, in, journal.Landing{}, mft.CodeNotAllowed},
		{"again, no longer allowed", mft.Offer{Destination: "/srv/in/x/"}, &mft.Transfer{}, &journal.Landing{Root: "/srv/in", Dir: "x"}, nil, journal.Landing{}, mft.CodeNotAllowed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := tt.offer
			got, err := Decide(Case{Offer: &o, Row: tt.row, First: tt.first, Grants: tt.grants})
			if mft.CodeOf(err) != tt.code {
				t.Fatalf("Decide = %v, want code %s", err, tt.code)
			}
			if err == nil && got != tt.want {
				t.Errorf("landing = %+v, want %+v", got, tt.want)
			}
			if tt.code == mft.CodeOK && tt.offer.Requested && o.Overwrite != mft.OverwriteNever {
				t.Errorf("overwrite = %q, want that of the requester", o.Overwrite)
			}
		})
	}
}

func TestEnded(t *testing.T) {
	for _, tt := range []struct {
		state  mft.State
		reason mft.Code
		want   mft.Code
	}{
		{mft.StateCancelled, mft.CodeCancelled, mft.CodeCancelled},
		{mft.StateCancelled, mft.CodeDisconnected, mft.CodeCancelled},
		{mft.StateFailed, mft.CodePermission, mft.CodePermission},
		{mft.StateFailed, mft.CodeNoSpace, mft.CodeBadState},
		{mft.StateDone, "", mft.CodeBadState},
		{mft.StateRejected, mft.CodeNotAllowed, mft.CodeNotAllowed},
		{mft.StatePaused, mft.CodePaused, mft.CodePaused},
	} {
		t.Run(fmt.Sprint(tt.state, tt.reason), func(t *testing.T) {
			got := Ended(mft.Transfer{State: tt.state, Reason: mft.Reason{Code: tt.reason}})
			if got.Code != tt.want {
				t.Errorf("Ended = %+v, want %s", got, tt.want)
			}
			if got.Code.Retryable() {
				t.Errorf("Ended = %+v, which a sender would try again", got)
			}
			if (got.RetryIn > 0) != (tt.state == mft.StatePaused) {
				t.Errorf("Ended = %+v, want a time to come again only while paused", got)
			}
		})
	}
}

func TestRefusal(t *testing.T) {
	if got := Refusal(mft.Fail(mft.CodeNotAllowed, "offer", "x", nil)); got.Code != mft.CodeNotAllowed || got.Detail == "" {
		t.Errorf("Refusal = %+v, want the code and a sentence", got)
	}
	got := Refusal(fmt.Errorf("reading: %w", context.Canceled))
	if got.Code != mft.CodeMaintenance || got.RetryIn != BusyDelay || got.RetryIn > time.Minute {
		t.Errorf("Refusal while stopping = %+v, want %s and to come again soon", got, mft.CodeMaintenance)
	}
}

func TestDoor(t *testing.T) {
	d := NewDoor(1)
	enter := func(peer mft.AgentName) int {
		n := 0
		for n < 100 && d.Enter(peer, false) {
			n++
		}
		return n
	}
	if got := enter("a"); got != 4 {
		t.Errorf("%d of one peer were let in, want 4", got)
	}
	if got := enter("b") + enter("c"); got != 4 {
		t.Errorf("%d of other peers were let in beside them, want 4", got)
	}
	if !d.Enter("a", true) {
		t.Error("one that takes the place of another was not let in")
	}
	d.Leave("a")
	d.Leave("a")
	if got := enter("d") + enter("a"); got != 1 {
		t.Errorf("%d were let in after one left, want 1", got)
	}
	if got := NewDoor(100).limit; got != 200 {
		t.Errorf("limit for an agent of 100 transfers = %d, want 200", got)
	}
}

func TestBelongs(t *testing.T) {
	for _, tt := range []struct {
		name  string
		row   mft.Transfer
		known bool
		want  mft.Code
	}{
		{"unknown", mft.Transfer{}, false, mft.CodeOK},
		{"a receive from the same peer", mft.Transfer{Role: mft.RoleReceive, Peer: "a"}, true, mft.CodeOK},
		{"a receive from another peer", mft.Transfer{Role: mft.RoleReceive, Peer: "b"}, true, mft.CodeNotAllowed},
		{"a send to the same peer", mft.Transfer{Role: mft.RoleSend, Peer: "a"}, true, mft.CodeNotAllowed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := mft.CodeOf(Belongs(&mft.Offer{Sender: "a"}, tt.row, tt.known)); got != tt.want {
				t.Errorf("Belongs = %s, want %s", got, tt.want)
			}
		})
	}
}

// TestHeld: whoever asks an agent that is about to be updated comes again soon.
func TestHeld(t *testing.T) {
	if got := Held(); got.Code != mft.CodePendingUpdate || !got.Code.Retryable() || got.RetryIn <= 0 || got.RetryIn > time.Minute {
		t.Errorf("Held() = %+v, want %s and to come again soon", got, mft.CodePendingUpdate)
	}
}
