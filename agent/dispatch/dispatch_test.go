package dispatch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/queue"
)

// TestDispatcher: what is put runs, as many at once as may; what waits runs in
// time; behind a shut gate it is told why; and Run outlives no attempt.
func TestDispatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, room := make(chan mft.TransferID, 9), make(chan struct{})
		blocked := map[mft.TransferID]mft.Reason{}
		held := false
		d := New(Config{
			Limit: 2, Now: time.Now, Held: func() bool { return held },
			Work: func(_ context.Context, _ mft.AgentName, e queue.Entry) {
				began <- e.ID
				<-room
			},
			Blocked: func(_ context.Context, why map[mft.TransferID]mft.Reason) {
				for id, r := range why {
					blocked[id] = r
				}
			},
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			d.Run(ctx)
			close(ended)
		}()
		ids := [...]mft.TransferID{{1}, {2}, {3}, {4}}
		d.Put("beta", queue.Entry{ID: ids[0]})
		d.Put("beta", queue.Entry{ID: ids[1]})
		d.Put("gamma", queue.Entry{ID: ids[2]})
		synctest.Wait()
		// The peers have no order.
		if both := map[mft.TransferID]bool{<-began: true, <-began: true}; !both[ids[0]] || !both[ids[2]] || len(began) > 0 {
			t.Errorf("began %v and %d more, want one of each peer", both, len(began))
		}
		d.PutAfter("gamma", queue.Entry{ID: ids[3]}, time.Minute)
		room <- struct{}{}
		room <- struct{}{}
		synctest.Wait()
		if got := <-began; got != ids[1] || len(began) > 0 {
			t.Errorf("began %v and %d more, want what waited for room", got, len(began))
		}
		room <- struct{}{}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := <-began; got != ids[3] {
			t.Errorf("began %v, want what waited for its time", got)
		}
		d.Shut("beta", mft.Reason{Code: mft.CodeUnreachable})
		d.Put("beta", queue.Entry{ID: ids[0]})
		synctest.Wait()
		if blocked[ids[0]].Code != mft.CodeUnreachable || len(began) > 0 {
			t.Errorf("behind a gate: told %v, began %d", blocked, len(began))
		}
		held = true
		d.Rouse("beta")
		synctest.Wait()
		if len(began) > 0 {
			t.Errorf("%d began while the dispatcher was held", len(began))
		}
		held = false
		d.Rouse("beta")
		synctest.Wait()
		if got := <-began; got != ids[0] {
			t.Errorf("began %v when the gate opened", got)
		}
		stop()
		synctest.Wait()
		select {
		case <-ended:
			t.Error("Run ended before its attempts")
		default:
		}
		close(room)
		<-ended
	})
}
