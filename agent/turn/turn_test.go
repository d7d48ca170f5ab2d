package turn

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"mft.dev/mft"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errAsked = errors.New("somebody asked")

func TestTake(t *testing.T) {
	turns, id := New(), mft.TransferID{1}
	first, err := turns.Take(t.Context(), id, t, nil)
	if err != nil || first == nil {
		t.Fatalf("Take of a free turn = %v, %v, want it", first, err)
	}
	if got := turns.Holder(id); got != t {
		t.Errorf("Holder = %v, want the one who took it", got)
	}
	if second, err := turns.Take(t.Context(), id, t, nil); second != nil || err != nil {
		t.Errorf("Take without a cause = %v, %v, want nothing", second, err)
	}
	if first.Context.Err() != nil {
		t.Error("the holder was asked to end, want that it is left alone")
	}
	other, err := turns.Take(t.Context(), mft.TransferID{2}, t, nil)
	if err != nil || other == nil {
		t.Fatalf("Take of another turn = %v, %v, want it", other, err)
	}
	other.End()
	taken := make(chan *Turn)
	go func() {
		next, err := turns.Take(context.Background(), id, t, errAsked)
		if err != nil {
			t.Errorf("Take with a cause: %v", err)
		}
		taken <- next
	}()
	<-first.Context.Done()
	if got := context.Cause(first.Context); got != errAsked {
		t.Errorf("the holder's cause = %v, want %v", got, errAsked)
	}
	select {
	case <-taken:
		t.Error("the turn was taken before the holder ended it")
	default:
	}
	first.End()
	(<-taken).End()
	if got := turns.Holder(id); got != nil {
		t.Errorf("Holder = %v after the end, want nobody", got)
	}
}

func TestTakeGivesUp(t *testing.T) {
	turns, id := New(), mft.TransferID{1}
	first, err := turns.Take(t.Context(), id, t, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer first.End()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := turns.Take(ctx, id, t, errAsked); !errors.Is(err, context.Canceled) {
		t.Errorf("Take by somebody who left = %v, want %v", err, context.Canceled)
	}
}

func TestOneAtATime(t *testing.T) {
	turns, id := New(), mft.TransferID{1}
	var inside atomic.Int32
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 50 {
				turn, err := turns.Take(context.Background(), id, t, errAsked)
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d have the turn at once", n)
				}
				inside.Add(-1)
				turn.End()
			}
		})
	}
	all.Wait()
}

// TestQuiet: it is quiet when the last of several turns has ended.
func TestQuiet(t *testing.T) {
	turns := New()
	quiet := func() bool {
		select {
		case <-turns.Quiet():
			return true
		default:
			return false
		}
	}
	for round := range 2 {
		one, err := turns.Take(t.Context(), mft.TransferID{1}, t, nil)
		if err != nil {
			t.Fatal(err)
		}
		two, err := turns.Take(t.Context(), mft.TransferID{2}, t, nil)
		if err != nil {
			t.Fatal(err)
		}
		if one.End(); quiet() {
			t.Errorf("round %d: it is quiet while somebody has a turn", round)
		}
		if two.End(); !quiet() || quiet() {
			t.Errorf("round %d: it is not quiet once after the last turn", round)
		}
	}
}
