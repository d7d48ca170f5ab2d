package agent_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/order"
	"mft.dev/mft/journal"
)

func newID(t *testing.T) mft.TransferID {
	t.Helper()
	id, err := order.NewID()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// copyAs orders one copy with an id of the caller's.
func (h *host) copyAs(id mft.TransferID, to *host, path, source string) error {
	h.t.Helper()
	placed, err := h.agent.Copy(h.t.Context(), []string{source}, []order.Destination{
		{Agent: to.conf.Agent.Name, Path: path, Transfer: id},
	})
	if err != nil {
		return err
	}
	if got := placed[0]; got.Err == nil && got.Transfer != id {
		h.t.Errorf("Copy as %s = %+v, want the transfer of that id", id, got)
	}
	return placed[0].Err
}

// TestRepeatedOrder gives one order again and again, at every stage of its
// life: it is delivered once.
func TestRepeatedOrder(t *testing.T) {
	alpha, beta := pairOf(t)
	id, src := newID(t), write(t, alpha.out, "a", "1")
	again := func(when string) {
		t.Helper()
		if err := alpha.copyAs(id, beta, beta.in+"/", src); err != nil {
			t.Errorf("%s: Copy = %v, want the transfer", when, err)
		}
	}
	beta.stop()
	again("the first time")
	again("while it waits")
	alpha.await(id, mft.StateWaiting)
	alpha.stop()
	alpha.start()
	again("after a restart")
	beta.start()
	alpha.await(id, mft.StateDone)
	again("when it is done")
	took := filepath.Join(beta.in, "a")
	if err := os.Remove(took); err != nil { // a consumer takes it
		t.Fatal(err)
	}
	again("when it was taken")
	if err := os.Remove(src); err != nil {
		t.Fatal(err)
	}
	again("when the source has gone")
	alpha.stop()
	alpha.start()
	again("after a restart at the end")
	// Another transfer behind it: had there been a second delivery, it would
	// be there too.
	alpha.await(alpha.copyTo(beta, beta.in+"/", "", write(t, alpha.out, "b", "2")), mft.StateDone)
	if got, want := tree(t, beta.in), map[string]string{"b": "2"}; !maps.Equal(got, want) {
		t.Errorf("there is %v, want %v: the first was delivered once, and taken", got, want)
	}
	if rows := alpha.list(journal.Filter{}); len(rows) != 2 {
		t.Errorf("there are %d transfers, want 2", len(rows))
	}
	if err := alpha.copyAs(id, beta, beta.in+"/b", src); mft.CodeOf(err) != mft.CodeIDTaken {
		t.Errorf("Copy to another place = %v, want code %s", err, mft.CodeIDTaken)
	}
}

func TestRepeatedRequest(t *testing.T) {
	alpha, beta := pairOf(t)
	into := t.TempDir()
	r := order.Request{Agent: "alpha", Path: write(t, alpha.out, "a", "1"), Into: into + "/", Transfer: newID(t)}
	for _, when := range []string{"the first time", "at once", "when it is done"} {
		if id, err := beta.agent.Request(t.Context(), r); err != nil || id != r.Transfer {
			t.Errorf("%s: Request = %s, %v, want transfer %s", when, id, err, r.Transfer)
		}
		if when == "at once" {
			beta.await(r.Transfer, mft.StateDone)
			alpha.await(r.Transfer, mft.StateDone)
		}
	}
	if rows := beta.list(journal.Filter{}); len(rows) != 1 || rows[0].State != mft.StateDone {
		t.Errorf("the transfers are %+v, want one, done", rows)
	}
	// At the other end the id stands for what was asked for there.
	if err := alpha.copyAs(r.Transfer, beta, beta.in+"/", r.Path); mft.CodeOf(err) != mft.CodeIDTaken {
		t.Errorf("Copy with the id of what a peer asked for = %v, want code %s", err, mft.CodeIDTaken)
	}
}

// TestIDOfAPeer: what a peer sends here is none of this host's orders.
func TestIDOfAPeer(t *testing.T) {
	alpha, beta := pairOf(t)
	src := write(t, alpha.out, "a", "1")
	id := alpha.copyTo(beta, beta.in+"/", "", src)
	alpha.await(id, mft.StateDone)
	if err := beta.copyAs(id, alpha, alpha.in+"/", filepath.Join(beta.in, "a")); mft.CodeOf(err) != mft.CodeIDTaken {
		t.Errorf("Copy with the id of a receive = %v, want code %s", err, mft.CodeIDTaken)
	}
	_, err := beta.agent.Request(t.Context(), order.Request{Agent: "alpha", Path: src, Into: beta.in + "/", Transfer: id})
	if mft.CodeOf(err) != mft.CodeIDTaken {
		t.Errorf("Request with the id of a receive = %v, want code %s", err, mft.CodeIDTaken)
	}
	if rows := beta.list(journal.Filter{}); len(rows) != 1 || rows[0].Role != mft.RoleReceive {
		t.Errorf("the transfers are %+v, want the receive and nothing else", rows)
	}
}
