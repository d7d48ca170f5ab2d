package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/telemetry/post"
)

// A request is a batch on its way to a destination.
type request interface {
	// send sends once what is left of it. Rejected counts what the destination
	// refused for good in this call, says is why. With a nil error it is done.
	send(ctx context.Context) (rejected int64, says string, err error)
}

// A stream takes events to one destination, batch by batch, in their order.
type stream struct {
	name     string // "otlp traces"
	endpoint string
	delays   Delays
	// prepare makes a request of a batch, nil when nothing in it is to be sent.
	prepare func(*batch) request
	ends    func(mft.EventKind) bool

	mu     sync.Mutex // guards status
	status Status
}

// most is how many events go into one batch. A collector takes messages of
// 4 MiB, and an event has 8 KiB at most.
const most = 256

// A verdict is what to do about an error.
type verdict int

const (
	later   verdict = iota // the destination is away or has no time
	mend                   // somebody has to mend something first
	smaller                // the batch is to blame, or something in it
)

// An unusable error is one of the configuration, before anything was sent.
type unusable struct{ error }

// Unwrap returns the cause.
func (u unusable) Unwrap() error { return u.error }

// judge says what an error of sending means. A batch is never given up for what
// may be mended at the other end: only 400 and its like say that it is at
// fault.
func judge(err error) verdict {
	var refusal *post.Refusal
	if !errors.As(err, &refusal) {
		var file *fs.PathError
		if errors.As(err, new(unusable)) || errors.As(err, &file) {
			return mend
		}
		return later
	}
	switch s := refusal.Status; {
	case s == http.StatusBadRequest, s == http.StatusRequestEntityTooLarge, s == http.StatusUnprocessableEntity:
		return smaller
	case s >= 500, s == http.StatusPaymentRequired, s == http.StatusRequestTimeout, s == http.StatusTooManyRequests, s == 439:
		return later
	}
	return mend
}

// run follows the journal until ctx ends.
func (s *stream) run(ctx context.Context, e *Exporter) {
	limit, cursor := most, e.memory.open(s.name, e.journal.Newest()).Cursor
	for ctx.Err() == nil {
		if e.journal.Wait(ctx, cursor) != nil {
			return
		}
		if e.journal.Newest()-cursor < most && !pause(ctx, s.delays.Gather) { // in company
			return
		}
		b, err := readBatch(ctx, e.journal, cursor, limit, s.ends)
		if err != nil {
			e.log.Warn("cannot read events for telemetry", "destination", s.name, "err", err)
			if !pause(ctx, s.delays.Most) {
				return
			}
			continue
		}
		if b.missing > 0 {
			s.drop(e, b.missing, "the journal had forgotten them")
		}
		done, dropped := s.deliver(ctx, e, b, len(b.events) > 1)
		switch {
		case ctx.Err() != nil && !done:
			return
		case !done:
			limit = max(len(b.events)/2, 1)
			continue
		}
		cursor, limit = b.last, min(limit*2, most)
		s.note(e.memory.advance(s.name, cursor, int64(len(b.events))-dropped, dropped+b.missing))
	}
}

// deliver sends a batch until the destination has it, and returns how many
// events of it were dropped. It is not done when ctx ended or a smaller batch
// has to be tried, which is only said of one that mayHalve.
func (s *stream) deliver(ctx context.Context, e *Exporter, b *batch, mayHalve bool) (done bool, dropped int64) {
	r := s.prepare(b)
	if r == nil {
		return true, 0
	}
	for tries := 0; ; tries++ {
		rejected, says, err := r.send(ctx)
		if rejected > 0 {
			dropped = min(dropped+rejected, int64(len(b.events)))
			s.drop(e, rejected, says)
		}
		if err == nil {
			s.well(e)
			return true, dropped
		}
		if ctx.Err() != nil {
			return false, dropped
		}
		what := judge(err)
		if what == smaller && !mayHalve {
			s.drop(e, int64(len(b.events)), err.Error())
			return true, int64(len(b.events))
		}
		if what == smaller {
			return false, dropped
		}
		s.ill(e, what, err)
		if !pause(ctx, s.delays.after(tries, err)) {
			return false, dropped
		}
		if mayHalve && tooLarge(err) {
			return false, dropped
		}
	}
}

// tooLarge reports whether an error may be about the size of a message although
// it is to be sent again.
func tooLarge(err error) bool {
	var refusal *post.Refusal
	return errors.As(err, &refusal) && refusal.Large
}

// drop says that events are not sent. What is counted is counted with the place
// in the journal.
func (s *stream) drop(e *Exporter, n int64, why string) {
	if why == "" {
		why = "the destination does not say why"
	}
	e.log.Warn("telemetry leaves out events", "destination", s.name, "events", n, "because", why)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Dropping = why
}

// ill notes that the destination does not take anything.
func (s *stream) ill(e *Exporter, what verdict, err error) {
	code := mft.CodeCollectorAway
	if what == mend {
		code = mft.CodeCollectorRefuses
	}
	s.mu.Lock()
	was := s.status.Code
	if was == "" {
		s.status.Since = e.now()
	}
	s.status.Code, s.status.Detail = code, err.Error()
	s.mu.Unlock()
	if was != code {
		e.log.Warn("telemetry does not arrive; events wait in the journal",
			"destination", s.name, "err", mft.Fail(code, "send telemetry to", s.endpoint, err))
	}
}

// well notes that it does.
func (s *stream) well(e *Exporter) {
	s.mu.Lock()
	since := s.status.Since
	was := s.status.Code
	s.status.Code, s.status.Detail, s.status.Since, s.status.Last = "", "", time.Time{}, e.now()
	s.mu.Unlock()
	if was != "" {
		e.log.Info("telemetry arrives again", "destination", s.name, "after", e.now().Sub(since).Round(time.Second))
	}
}

func (s *stream) note(p place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Sent, s.status.Dropped = p.Sent, p.Dropped
}

// Delays are how long is waited for what. The zero value is for nobody: see
// NewDelays.
type Delays struct {
	// Gather is how long the first event of a batch waits for others.
	Gather time.Duration
	// First is the pause after the first failure; each is twice the one before,
	// up to Most.
	First, Most time.Duration
	// Save is how often what is known is written to disk.
	Save time.Duration
}

// NewDelays returns what suits collectors of the real world.
func NewDelays() Delays {
	return Delays{Gather: 2 * time.Second, First: time.Second, Most: time.Minute, Save: 30 * time.Second}
}

// after returns the pause after so many failures, a little at random so that the
// agents of a site do not come all at once. A destination that wants to be left
// alone for longer is.
func (d Delays) after(tries int, err error) time.Duration {
	wait := d.First << min(tries, 16)
	if wait > d.Most || wait <= 0 {
		wait = d.Most
	}
	wait = wait*4/5 + rand.N(wait*2/5+1)
	var refusal *post.Refusal
	if errors.As(err, &refusal) {
		wait = max(wait, refusal.RetryIn)
	}
	return wait
}

// pause reports whether d went by before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func unusablef(format string, args ...any) error { return unusable{fmt.Errorf(format, args...)} }
