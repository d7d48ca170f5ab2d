package agent_test

import (
	"testing"

	"mft.dev/mft"
)

// TestHold: an agent that is about to be updated accepts nothing and begins
// nothing, and what waited for it arrives at the one that follows.
func TestHold(t *testing.T) {
	alpha, beta := pairOf(t)
	beta.agent.Hold()
	id := alpha.copyTo(beta, beta.in+"/", "", big(t, alpha.out, "big", 1<<10))
	alpha.awaitIf(id, func(t mft.Transfer) bool {
		return t.State == mft.StateWaiting && t.Reason.Code == mft.CodePendingUpdate
	})
	untouched(t, beta)
	back := beta.copyTo(alpha, alpha.in+"/", "", big(t, beta.out, "back", 1<<10))
	beta.stop()
	beta.start()
	beta.await(back, mft.StateDone) // it had not begun
	alpha.await(id, mft.StateDone)
	delivered(t, alpha, beta)
}
