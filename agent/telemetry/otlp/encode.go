package otlp

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/telemetry/attribute"
	"mft.dev/mft/agent/telemetry/span"
	"mft.dev/mft/agent/telemetry/tally"
)

// The numbers of fields are those of opentelemetry-proto 1.11.

// scopeName names who wrote it.
const scopeName = "mft.dev/mft"

// A Source is who sends: the resource of all that is sent.
type Source struct {
	Resource []attribute.Pair
	Version  string // of the program
}

// envelope puts items, which are fields 2 of a scope, into the one resource and
// scope that there are.
func (s Source) envelope(items []byte) []byte {
	resource := appendPairs(nil, 1, s.Resource)
	scope := appendBytes(appendBytes(nil, 1, scopeName), 2, s.Version)
	scoped := append(appendMessage(nil, 1, scope), items...)
	return appendMessage(nil, 1, appendMessage(appendMessage(nil, 1, resource), 2, scoped))
}

// The flags of a span: it is recorded, its id is random, and whether its parent
// is at another host is known.
const (
	flagSampled   = 0x001
	flagRandom    = 0x002
	flagKnown     = 0x100
	flagRemote    = 0x200
	kindInternal  = 1
	kindServer    = 2
	kindClient    = 3
	statusOK      = 1
	statusError   = 2
	temporalTotal = 2 // cumulative
)

// Traces returns an ExportTraceServiceRequest; row returns what is known of a
// transfer, nil for nothing. With details a failed span says why in words.
func (s Source) Traces(spans []span.Span, row func(mft.TransferID) *mft.Transfer, details bool) []byte {
	var items []byte
	for _, one := range spans {
		b := appendBytes(nil, 1, one.Transfer[:])
		b = appendBytes(b, 2, one.ID[:])
		flags := uint32(flagSampled | flagRandom | flagKnown)
		if one.Remote {
			flags |= flagRemote
		}
		if one.Parent != (span.ID{}) {
			b = appendBytes(b, 4, one.Parent[:])
		}
		b = appendBytes(b, 5, one.Name())
		b = appendVarint(b, 6, kindOf(one))
		b = appendFixed64(b, 7, nanos(one.Start))
		b = appendFixed64(b, 8, nanos(one.End))
		b = appendPairs(b, 9, attribute.OfSpan(one, row(one.Transfer)))
		switch {
		case one.Failed():
			says := ""
			if details {
				says = attribute.Clean(one.Outcome.Detail, 1<<10)
			}
			b = appendMessage(b, 15, appendVarint(appendBytes(nil, 2, says), 3, statusError))
		case one.Phase == span.Whole && one.Outcome.Kind == mft.EventDone:
			b = appendMessage(b, 15, appendVarint(nil, 3, statusOK))
		}
		items = appendMessage(items, 2, appendFixed32(b, 16, flags))
	}
	return s.envelope(items)
}

func kindOf(s span.Span) uint64 {
	switch {
	case s.Phase != span.Whole:
		return kindInternal
	case s.Role == mft.RoleReceive:
		return kindServer
	}
	return kindClient
}

// A Record is an event and which end of its transfer this host is, "" when that
// is not known.
type Record struct {
	mft.Event
	Role mft.Role
	// UID is the same whenever the event is sent.
	UID string
}

// Logs returns an ExportLogsServiceRequest; now is when the events are read.
func (s Source) Logs(records []Record, details bool, now time.Time) []byte {
	var items []byte
	for _, r := range records {
		severity := attribute.SeverityOf(r.Event)
		b := appendFixed64(nil, 1, nanos(r.Time))
		b = appendVarint(b, 2, uint64(severity))
		b = appendBytes(b, 3, severity.String())
		b = appendMessage(b, 5, appendBytes(nil, 1, attribute.Body(r.Event, details)))
		b = appendPairs(b, 6, append(attribute.OfEvent(r.Event, r.Role), attribute.Text(attribute.RecordUID, r.UID)))
		if !r.Transfer.IsZero() {
			b = appendFixed32(b, 8, flagSampled|flagRandom)
			b = appendBytes(b, 9, r.Transfer[:])
			if r.Role != "" {
				id := span.WholeID(r.Transfer, r.Role)
				b = appendBytes(b, 10, id[:])
			}
		}
		b = appendFixed64(b, 11, nanos(now))
		items = appendMessage(items, 2, appendBytes(b, 12, attribute.EventName(r.Event)))
	}
	return s.envelope(items)
}

// Metrics returns an ExportMetricsServiceRequest of sums, and of gauges as they
// are at now.
func (s Source) Metrics(sums *tally.Tally, gauges []*tally.Series, now time.Time) []byte {
	var items []byte
	for _, m := range tally.Meanings() {
		var points []byte
		gauge := false
		for _, row := range sums.Rows {
			if row.Metric == m.Name {
				points = appendMessage(points, 1, point(row, sums.Start, now))
			}
		}
		for _, row := range gauges {
			if row.Metric == m.Name {
				points, gauge = appendMessage(points, 1, point(row, time.Time{}, now)), true
			}
		}
		if points == nil {
			continue
		}
		b := appendBytes(appendBytes(appendBytes(nil, 1, m.Name), 2, m.Says), 3, m.Unit)
		switch {
		case gauge:
			b = appendMessage(b, 5, points)
		case m.Name == tally.Duration:
			b = appendMessage(b, 9, appendVarint(points, 2, temporalTotal))
		default:
			b = appendMessage(b, 7, appendVarint(appendVarint(points, 2, temporalTotal), 3, 1)) // it only grows
		}
		items = appendMessage(items, 2, b)
	}
	return s.envelope(items)
}

// point returns a NumberDataPoint, or a HistogramDataPoint of a distribution.
func point(row *tally.Series, start, now time.Time) []byte {
	b := appendFixed64(appendFixed64(nil, 2, nanos(start)), 3, nanos(now))
	labels := attributesOf(row.Labels)
	if row.Buckets == nil {
		return appendPairs(appendInteger(b, 6, row.N), 7, labels)
	}
	b = appendDouble(appendFixed64(b, 4, uint64(row.N)), 5, row.Sum)
	var counts, limits []byte
	for _, n := range row.Buckets {
		counts = binary.LittleEndian.AppendUint64(counts, uint64(n))
	}
	for _, limit := range tally.Bounds() {
		limits = binary.LittleEndian.AppendUint64(limits, math.Float64bits(limit))
	}
	return appendPairs(appendBytes(appendBytes(b, 6, counts), 7, limits), 9, labels)
}

// attributesOf returns labels in the order of their names.
func attributesOf(labels map[string]string) []attribute.Pair {
	var out []attribute.Pair
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		out = append(out, attribute.Text(key, labels[key]))
	}
	return out
}

// nanos returns a time as OTLP has it, 0 for none.
func nanos(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(max(t.UnixNano(), 0))
}
