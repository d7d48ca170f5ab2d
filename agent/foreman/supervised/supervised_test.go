package supervised

import (
	"context"
	"testing"

	"mft.dev/mft"
	"mft.dev/mft/agent/seat"
	"mft.dev/mft/internal/post"
)

// TestSupervisorEnds: who asks a supervisor that has ended is not told before the agent ends, which
// it does because of that: nothing has failed.
func TestSupervisorEnds(t *testing.T) {
	for _, before := range []bool{true, false} {
		ours, file, err := post.Pair()
		if err != nil {
			t.Skip(err)
		}
		theirs, err := post.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		s := New(ours)
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		if before {
			theirs.Close()
		}
		asked := make(chan error, 1)
		go func() {
			_, err := s.Worker(ctx, seat.Request{})
			if ctx.Err() == nil {
				t.Error("there was an answer before the agent ended")
			}
			asked <- err
		}()
		go func() { ran <- s.Run(ctx) }()
		if !before {
			if _, err := theirs.Receive(); err != nil {
				t.Fatal(err)
			}
			theirs.Close()
		}
		if err := <-ran; mft.CodeOf(err) != mft.CodeWorker {
			t.Errorf("Run = %v", err)
		}
		cancel()
		if err := <-asked; mft.CodeOf(err) != mft.CodeWorker {
			t.Errorf("Worker = %v", err)
		}
	}
}
