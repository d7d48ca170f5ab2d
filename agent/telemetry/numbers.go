package telemetry

import (
	"context"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/telemetry/otlp"
	"mft.dev/mft/agent/telemetry/tally"
)

// numbers sends metrics: sums of all events so far, at intervals. What a
// collector misses while it is away is in the next sum.
type numbers struct {
	*stream
	client   *otlp.Client
	source   otlp.Source
	interval time.Duration
}

// countsFor reports whether an event may end a span that is counted.
func countsFor(kind mft.EventKind) bool {
	return mft.State(kind).Terminal() || kind == mft.EventExitEnded
}

// run sends until ctx ends.
func (n *numbers) run(ctx context.Context, e *Exporter) {
	for tries := 0; ; {
		wait := n.interval
		if tries > 0 {
			wait = max(n.delays.after(tries, nil), min(n.interval, n.delays.Most))
		}
		if !pause(ctx, wait) {
			return
		}
		if err := n.count(ctx, e); err != nil {
			if ctx.Err() == nil {
				e.log.Warn("cannot count events", "err", err)
			}
			continue
		}
		message, err := n.message(ctx, e)
		if err != nil {
			continue // the journal, which others complain about
		}
		partial, err := n.client.Send(ctx, otlp.Metrics, message)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			tries++
			what := judge(err)
			if what == smaller {
				what = mend // there is no smaller one
			}
			n.ill(e, what, err)
		default:
			tries = 0
			n.well(e)
			if partial.Rejected > 0 {
				n.drop(e, partial.Rejected, partial.Says)
			}
		}
	}
}

// count adds up what has happened since it was called last.
func (n *numbers) count(ctx context.Context, e *Exporter) error {
	for {
		b, err := readBatch(ctx, e.journal, e.memory.counted(), most, countsFor)
		if err != nil || len(b.events) == 0 {
			return err
		}
		e.memory.count(b.last, func(t *tally.Tally) {
			for _, one := range b.events {
				t.Event(one, b.role(one))
			}
			for _, one := range b.spans {
				t.Span(one, b.row(one.Transfer))
			}
		})
	}
}

// message returns the sums, and what there is at this moment.
func (n *numbers) message(ctx context.Context, e *Exporter) ([]byte, error) {
	stats, err := e.journal.Stats(ctx)
	if err != nil {
		return nil, err
	}
	var gauges []*tally.Series
	for _, state := range mft.States() {
		if !state.Terminal() {
			gauges = append(gauges, tally.OpenIn(state, stats.Transfers[state]))
		}
	}
	for _, s := range e.Status() {
		if s.Name != n.name {
			gauges = append(gauges, tally.WaitingFor(s.Name, s.Waiting))
		}
	}
	var out []byte
	e.memory.sums(func(t *tally.Tally) { out = n.source.Metrics(t, gauges, e.now()) })
	return out, nil
}
