package throttle

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mft.dev/mft/trigger/pace"
)

// slow is a plan with one limit.
func slow(limit int64) pace.Plan { return pace.Plan{{Limit: limit}} }

// near reports whether a time is what n bytes take at a limit, give or take what may be
// written at once and made up for.
func near(took time.Duration, n, limit int64) bool {
	want := time.Duration(n) * time.Second / time.Duration(limit)
	return took <= want && took >= want-credit-max(time.Second/share, smallest*time.Second/time.Duration(limit))-time.Millisecond
}

func TestRate(t *testing.T) {
	for _, limit := range []int64{1 << 10, 100_000, 20 << 20} {
		synctest.Test(t, func(t *testing.T) {
			w := New(slow(limit), time.Now).Writer(t.Context(), io.Discard)
			begun := time.Now()
			for range 10 {
				if _, err := w.Write(make([]byte, limit)); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(begun); !near(took, 10*limit, limit) {
				t.Errorf("%d bytes at %d a second took %v", 10*limit, limit, took)
			}
		})
	}
}

// TestShared: several writers are no faster than one.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := New(slow(1<<20), time.Now)
		begun := time.Now()
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if _, err := th.Writer(t.Context(), io.Discard).Write(make([]byte, 1<<20)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if took := time.Since(begun); !near(took, 4<<20, 1<<20) {
			t.Errorf("it took %v", took)
		}
	})
}

// TestChanges: another limit counts while something is written, by the clock and by order.
func TestChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		th := New(pace.Plan{{Limit: 1000}, {From: begun.Add(10 * time.Second).UnixNano(), Limit: 100_000}, {From: begun.Add(20 * time.Second).UnixNano()}}, time.Now)
		w := th.Writer(t.Context(), io.Discard)
		if _, err := w.Write(make([]byte, 10_000+500_000)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took < 14*time.Second || took > 16*time.Second {
			t.Errorf("10 s at 1,000 and 5 s at 100,000 took %v", took)
		}
		time.Sleep(10 * time.Second)
		begun = time.Now()
		if _, err := w.Write(make([]byte, 50<<20)); err != nil || time.Since(begun) > 0 {
			t.Errorf("without a limit: %v, %v", time.Since(begun), err)
		}
		th.Follow(slow(1 << 20))
		if _, err := w.Write(make([]byte, 10<<20)); err != nil || !near(time.Since(begun), 10<<20, 1<<20) {
			t.Errorf("with one again: %v, %v", time.Since(begun), err)
		}
	})
}

// TestTrickles: who reads at the other end hears something all the time, however little may
// be written.
func TestTrickles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last time.Time
		w := New(slow(1<<10), time.Now).Writer(t.Context(), writerFunc(func(p []byte) (int, error) {
			if now := time.Now(); !last.IsZero() && now.Sub(last) > time.Second {
				t.Errorf("nothing was written for %v", now.Sub(last))
			}
			last = time.Now()
			return len(p), nil
		}))
		if _, err := w.Write(make([]byte, 100<<10)); err != nil {
			t.Fatal(err)
		}
	})
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("the transfer is cancelled")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(3*time.Second, func() { cancel(why) })
		n, err := New(slow(1<<10), time.Now).Writer(ctx, io.Discard).Write(make([]byte, 1<<20))
		if !errors.Is(err, why) || n < 3<<10 || n > 4<<10 {
			t.Errorf("%d bytes, %v", n, err)
		}
	})
	broken := errors.New("broken")
	w := New(slow(1<<30), time.Now).Writer(t.Context(), writerFunc(func(p []byte) (int, error) { return 1, broken }))
	if n, err := w.Write(make([]byte, 10)); n != 1 || !errors.Is(err, broken) {
		t.Errorf("%d bytes, %v, want 1 and what is broken", n, err)
	}
}

func TestNone(t *testing.T) {
	var none *Throttle
	if w := none.Writer(t.Context(), io.Discard); w != io.Discard {
		t.Errorf("without a throttle there is %T", w)
	}
}
