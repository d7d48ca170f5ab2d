package agent_test

import (
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/journal"
)

// TestBandwidth: what a channel sends goes as fast as its bandwidth says, which is far slower than
// the two agents are, and another bandwidth counts for what is sent after it was applied.
func TestBandwidth(t *testing.T) {
	alpha, beta := watched(t, func(ch *mft.Channel) {
		ch.Bandwidth, ch.Compress = mft.Bandwidth{Limit: 512 << 10}, mft.CompressNever
	})
	big(t, alpha.out, "big", bigSize)
	var id mft.TransferID
	alpha.until("a transfer", func() bool {
		list := alpha.list(journal.Filter{})
		if len(list) == 1 {
			id = list[0].ID
		}
		return len(list) == 1
	}, func() any { return alpha.list(journal.Filter{}) })
	beta.awaitIf(id, func(t mft.Transfer) bool { return t.State == mft.StateRunning && t.Moved.Bytes >= 256<<10 })
	if v, err := alpha.agent.Channels().View(t.Context(), "box"); err != nil || v.Limit != 512<<10 || !v.LimitUntil.IsZero() {
		t.Errorf("the channel shows %d until %v, %v", v.Limit, v.LimitUntil, err)
	}
	if _, err := alpha.agent.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if row := beta.await(id, mft.StateCancelled, mft.StateDone); row.State != mft.StateCancelled || row.Moved.Bytes > bigSize/2 {
		t.Errorf("%s after %d bytes, want it to be cancelled long before its end", row.State, row.Moved.Bytes)
	}
	free := alpha.conf.Channels[0]
	free.Bandwidth = mft.Bandwidth{}
	if err := alpha.agent.Channels().Apply([]mft.Channel{free}); err != nil {
		t.Fatal(err)
	}
	write(t, alpha.out, "next", "1")
	beta.awaitTree(beta.in, map[string]string{"next": "1"})
}
