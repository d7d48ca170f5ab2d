// Package throttle has what is written take as long as it may not be faster.
//
//	t := throttle.New(plan, time.Now)
//	w := t.Writer(ctx, conn) // for each of several connections
//
// All writers of a [Throttle] share its limit. They write little at a time, so that nobody who
// waits at the other end takes them for dead, and a new limit counts at once. It bounds a rate
// and keeps nothing back.
package throttle

import (
	"context"
	"io"
	"sync"
	"time"

	"mft.dev/mft/trigger/pace"
)

const (
	// share is how much of a second is written at once, as one part in so many.
	share = 20
	// smallest and largest bound that, in bytes.
	smallest = 256
	largest  = 64 << 10
	// credit is how much of the time in which nothing was written may be made up for.
	credit = 100 * time.Millisecond
)

// A Throttle holds to a plan. One that is nil limits nothing. It is safe for concurrent use.
type Throttle struct {
	now func() time.Time

	mu   sync.Mutex // guards what follows
	plan pace.Plan
	free time.Time // when the next byte may go
}

// New returns a throttle.
func New(plan pace.Plan, now func() time.Time) *Throttle { return &Throttle{plan: plan, now: now} }

// Follow has the throttle hold to another plan from now on.
func (t *Throttle) Follow(plan pace.Plan) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.plan = plan
}

// Plan returns the plan that the throttle holds to, nil of none.
func (t *Throttle) Plan() pace.Plan {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.plan
}

// Writer returns a writer to w that waits before it writes, but no longer than ctx.
func (t *Throttle) Writer(ctx context.Context, w io.Writer) io.Writer {
	if t == nil {
		return w
	}
	return &writer{t, ctx, w}
}

// take returns how many of n bytes may be written now, after a wait.
func (t *Throttle) take(n int) (some int, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	limit, _ := t.plan.At(now)
	if limit <= 0 {
		t.free = now
		return n, 0
	}
	if least := now.Add(-credit); t.free.Before(least) {
		t.free = least
	}
	some = min(n, int(min(max(limit/share, smallest), largest)))
	wait = t.free.Sub(now)
	t.free = t.free.Add(time.Duration(float64(some) / float64(limit) * float64(time.Second)))
	return some, wait
}

type writer struct {
	t   *Throttle
	ctx context.Context //nolint:containedctx // of the connection
	w   io.Writer
}

// Write writes p in parts. An error is that of the writer behind it, or why ctx ended.
func (w *writer) Write(p []byte) (written int, err error) {
	for written < len(p) {
		n, wait := w.t.take(len(p) - written)
		if wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-w.ctx.Done():
				timer.Stop()
				return written, context.Cause(w.ctx)
			}
		}
		n, err = w.w.Write(p[written : written+n])
		if written += n; err != nil {
			return written, err
		}
	}
	return written, nil
}
