package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
)

// TestOperator interrupts a file in the middle by the commands that are there
// for it, on either host.
func TestOperator(t *testing.T) {
	for _, tt := range []struct {
		name     string
		receiver bool // the operator sits at the receiver
		act      []string
		state    mft.State // that both ends get to
	}{
		{name: "cancel at the sender", act: []string{"transfer", "cancel"}, state: mft.StateCancelled},
		{name: "cancel at the receiver", receiver: true, act: []string{"transfer", "cancel"}, state: mft.StateCancelled},
		{name: "pause at the sender", act: []string{"transfer", "pause"}, state: mft.StatePaused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			alpha, beta := newPair(t)
			l := newLedger()
			p := &producer{t: t, dir: alpha.Out(), ledger: l, rnd: chance(t)}
			p.make("big", 12*big)
			id, err := order(alpha, beta, filepath.Join(p.dir, "big"))
			if err != nil {
				t.Fatal(err)
			}
			at := alpha
			if tt.receiver {
				at = beta
			}
			under := func(tr localapi.Transfer) bool { return tr.Moved.Bytes > 0 || tr.State.Terminal() }
			if tr := at.awaitTransfer(id, under); tr.State.Terminal() {
				t.Fatalf("the transfer is %s before anything could be done to it", tr.State)
			}
			at.mft(append(tt.act, id.String())...)
			at.awaitTransfer(id, func(tr localapi.Transfer) bool { return tr.State == tt.state })
			if _, err := os.Lstat(filepath.Join(beta.In(), "big")); err == nil {
				t.Error("there is a file under the final name")
			}
			if tt.state == mft.StatePaused {
				alpha.mft("transfer", "resume", id.String())
				if tr := alpha.awaitEnd(id); tr.State != mft.StateDone {
					t.Errorf("resumed, it ended as %s: %+v", tr.State, tr.Reason)
				}
				same(t, beta.In(), l)
				return
			}
			for _, h := range []*host{alpha, beta} {
				if tr := h.awaitEnd(id); tr.State != tt.state {
					t.Errorf("%s: the transfer is %s, want %s", h.Name, tr.State, tt.state)
				}
			}
			var again []localapi.Transfer
			if err := json.Unmarshal([]byte(alpha.mft("transfer", "retry", "--json", id.String())), &again); err != nil || len(again) != 1 {
				t.Fatalf("mft transfer retry --json: %d transfers, %v", len(again), err)
			}
			if tr := alpha.awaitEnd(again[0].ID); tr.State != mft.StateDone {
				t.Errorf("tried again, it ended as %s: %+v", tr.State, tr.Reason)
			}
			same(t, beta.In(), l)
		})
	}
}
