package mailbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/exchange"
)

// letters is a queue in memory, with leases by the clock of the test.
type letters struct {
	mu     sync.Mutex
	next   int
	there  []*held
	failed error // of Take
	late   bool  // Renew says that the lease is lost
}

type held struct {
	exchange.Letter
	until time.Time
}

func (q *letters) Put(_ context.Context, _ mft.AgentName, body []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next++
	q.there = append(q.there, &held{Letter: exchange.Letter{ID: fmt.Sprint(q.next), Body: body}})
	return nil
}

func (q *letters) Take(_ context.Context, most int, lease time.Duration) ([]exchange.Letter, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failed != nil {
		return nil, q.failed
	}
	var out []exchange.Letter
	for _, h := range q.there {
		if len(out) < most && !time.Now().Before(h.until) {
			h.until = time.Now().Add(lease)
			h.Taken++
			h.Claim = fmt.Sprint(h.ID, " ", h.until)
			out = append(out, h.Letter)
		}
	}
	return out, nil
}

func (q *letters) find(l *exchange.Letter) int {
	return slices.IndexFunc(q.there, func(h *held) bool { return h.Claim == l.Claim })
}

func (q *letters) Renew(_ context.Context, l *exchange.Letter, lease time.Duration) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := q.find(l)
	if i < 0 || q.late {
		return mft.Fail(mft.CodeNotFound, "renew", l.ID, nil)
	}
	q.there[i].until = time.Now().Add(lease)
	q.there[i].Claim = fmt.Sprint(l.ID, " ", q.there[i].until)
	l.Claim = q.there[i].Claim
	return nil
}

func (q *letters) Remove(_ context.Context, l *exchange.Letter) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := q.find(l)
	if i < 0 {
		return mft.Fail(mft.CodeNotFound, "remove", l.ID, nil)
	}
	q.there = slices.Delete(q.there, i, i+1)
	return nil
}

// office runs a mailbox over q until the test ends it.
type office struct {
	shared bool
	q      letters
	handle func(ctx context.Context, l exchange.Letter) error
	aside  []string
	dealt  []string
	mu     sync.Mutex
}

func (o *office) run(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	Config{
		Queue: &o.q, Shared: o.shared, AtOnce: 2, Log: slog.New(slog.DiscardHandler), Reached: func(error) {},
		Handle: func(ctx context.Context, l exchange.Letter) error {
			err := o.handle(ctx, l)
			if err == nil {
				o.mu.Lock()
				o.dealt = append(o.dealt, string(l.Body))
				o.mu.Unlock()
			}
			return err
		},
		Aside: func(_ context.Context, l exchange.Letter, reason error) error {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.aside = append(o.aside, string(l.Body)+": "+reason.Error())
			return nil
		},
	}.Run(ctx)
}

func (o *office) put(t *testing.T, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		if err := o.q.Put(t.Context(), "beta", []byte(b)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDealt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := office{handle: func(context.Context, exchange.Letter) error { return nil }}
		o.put(t, "a", "b", "c", "d", "e")
		o.run(t, time.Minute)
		slices.Sort(o.dealt)
		if want := []string{"a", "b", "c", "d", "e"}; !slices.Equal(o.dealt, want) || len(o.q.there) != 0 {
			t.Errorf("dealt with %v, %d are left; want %v and none", o.dealt, len(o.q.there), want)
		}
	})
}

// TestPoison: a letter that never can be dealt with is put aside after MaxTries,
// and the others do not wait for it.
func TestPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		o := office{handle: func(_ context.Context, l exchange.Letter) error {
			if string(l.Body) == "poison" {
				tries++
				return errors.New("cannot be read")
			}
			return nil
		}}
		o.put(t, "poison", "a", "b", "c")
		o.run(t, 4*time.Second)
		if len(o.dealt) != 3 || tries != 1 {
			t.Errorf("after 4 s: dealt with %v, the bad one was tried %d times; want the others dealt with and one try", o.dealt, tries)
		}
		o.run(t, time.Hour)
		if want := []string{"poison: cannot be read"}; !slices.Equal(o.aside, want) || tries != MaxTries || len(o.q.there) != 0 {
			t.Errorf("put aside %q after %d tries, %d are left; want %q after %d, none", o.aside, tries, len(o.q.there), want, MaxTries)
		}
	})
}

// TestLater: what comes too early does not count as failed.
func TestLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		o := office{handle: func(context.Context, exchange.Letter) error {
			if time.Since(begin) < 6*time.Minute {
				return mft.Fail(mft.CodeBusy, "wait", "", nil)
			}
			return nil
		}}
		o.put(t, "a")
		o.run(t, time.Hour)
		if len(o.dealt) != 1 || len(o.aside) != 0 {
			t.Errorf("dealt with %v, put aside %v; want it dealt with", o.dealt, o.aside)
		}
	})
}

// TestLongWork: a lease is renewed for as long as the work takes, so that nobody
// else takes the letter meanwhile.
func TestLongWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		begun := 0
		o := office{handle: func(ctx context.Context, _ exchange.Letter) error {
			mu.Lock()
			begun++
			mu.Unlock()
			sleep(ctx, 10*Lease)
			return ctx.Err()
		}}
		o.put(t, "a")
		o.run(t, time.Hour)
		if begun != 1 || len(o.dealt) != 1 || len(o.q.there) != 0 {
			t.Errorf("begun %d times, dealt with %v, %d left; want once and none", begun, o.dealt, len(o.q.there))
		}
	})
}

// TestLostLease: work on a letter that another has now is broken off, and the
// letter is not removed.
func TestLostLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := office{handle: func(ctx context.Context, _ exchange.Letter) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		o.q.late = true
		o.put(t, "a")
		o.run(t, Lease)
		if len(o.dealt) != 0 || len(o.q.there) != 1 {
			t.Errorf("dealt with %v, %d left; want it left", o.dealt, len(o.q.there))
		}
	})
}

// TestStorageAway: a storage that fails is asked again, less and less often, and
// what is under way ends with the mailbox.
func TestStorageAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := office{handle: func(context.Context, exchange.Letter) error { return nil }}
		o.q.failed = mft.Fail(mft.CodeUnreachable, "take", "", nil)
		o.put(t, "a")
		o.run(t, time.Hour)
		o.q.failed = nil
		o.run(t, time.Minute)
		if len(o.dealt) != 1 {
			t.Errorf("dealt with %v, want it dealt with when the storage is back", o.dealt)
		}
	})
}

// TestElsewhere: a letter for another agent that shares the queue is given back,
// at once to begin with, and never put aside while it is good for anything; and
// that others have taken a letter does not count when it fails here.
func TestElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries []time.Duration
		begun := time.Now()
		o := office{handle: func(_ context.Context, l exchange.Letter) error {
			if string(l.Body) == "not mine" {
				tries = append(tries, time.Since(begun))
				return mft.Fail(mft.CodeElsewhere, "take", "letter", nil)
			}
			return nil
		}}
		o.put(t, "not mine", "a")
		o.run(t, 24*time.Hour)
		if len(o.aside) != 0 || len(o.q.there) != 1 || len(o.dealt) != 1 {
			t.Fatalf("put aside %q, %d are left, dealt with %q; want the other's left alone", o.aside, len(o.q.there), o.dealt)
		}
		if tries[1]-tries[0] > 2*time.Second {
			t.Errorf("given back after %v", tries[1]-tries[0])
		}
		if n := len(tries); tries[n-1]-tries[n-2] < 15*time.Second || n > 24*60*2*5/4 {
			t.Errorf("taken %d times in a day, the last two at %v", n, tries[n-2:])
		}
		o.run(t, 14*24*time.Hour)
		if len(o.aside) != 1 || len(o.q.there) != 0 {
			t.Errorf("after two weeks: put aside %q, %d are left; want it put aside", o.aside, len(o.q.there))
		}
	})
}

// TestTakenByOthers: how often others have taken a letter counts only where there
// are no others.
func TestTakenByOthers(t *testing.T) {
	for _, shared := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			tries := 0
			o := office{shared: shared, handle: func(context.Context, exchange.Letter) error {
				tries++
				return errors.New("bad")
			}}
			o.put(t, "x")
			o.q.there[0].Taken = 3
			o.run(t, time.Hour)
			want := MaxTries - 3
			if shared {
				want = MaxTries
			}
			if tries != want || len(o.aside) != 1 {
				t.Errorf("shared %t: put aside %q after %d tries, want %d", shared, o.aside, tries, want)
			}
		})
	}
}

// TestLeaseLost: a letter of which the lease is lost while it is dealt with is not
// put aside for that, however often it happens.
func TestLeaseLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		o := office{handle: func(ctx context.Context, _ exchange.Letter) error {
			if tries++; tries > 3*MaxTries {
				return nil
			}
			<-ctx.Done()
			return mft.Fail(mft.CodeCancelled, "post", "", ctx.Err())
		}}
		o.q.late = true
		o.put(t, "slow")
		o.run(t, 3*time.Hour)
		if len(o.aside) > 0 || len(o.dealt) != 1 {
			t.Errorf("after %d tries: dealt with %q, put aside %q; want it dealt with", tries, o.dealt, o.aside)
		}
	})
}
