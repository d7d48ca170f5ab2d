// Package tally counts what became of transfers: the metrics of an agent.
//
// A [Tally] only grows, and is kept on disk together with the place in the
// journal up to which it counts. So a sum is right whatever is sent twice, and
// one that the collector misses is in the next. Its series are bounded: beyond
// [MaxSeries] of one metric, everything new is counted in one with the
// attribute otel.metric.overflow.
package tally

import (
	"slices"
	"sort"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/telemetry/attribute"
	"mft.dev/mft/agent/telemetry/span"
)

// MaxSeries bounds the series of one metric.
const MaxSeries = 200

// The metrics. Sums are cumulative.
const (
	Transfers = "mft.transfers"
	Size      = "mft.transfer.io"
	Items     = "mft.transfer.items"
	Duration  = "mft.transfer.duration"
	Waits     = "mft.transfer.waits"
	Faults    = "mft.transfer.item_errors"
	Exits     = "mft.exits"
	Dropped   = "mft.telemetry.dropped"
	Open      = "mft.transfers.open"    // a gauge, which a Tally does not keep
	Backlog   = "mft.telemetry.waiting" // likewise
)

// A Meaning is what a metric measures.
type Meaning struct {
	Name, Unit, Says string
}

// Meanings returns all metrics.
func Meanings() []Meaning {
	return []Meaning{
		{Transfers, "{transfer}", "Transfers that ended, by how they ended."},
		{Size, "By", "Content of files that was delivered."},
		{Items, "{item}", "Files, directories and links that were delivered."},
		{Duration, "s", "How long transfers took, from order to end."},
		{Waits, "{wait}", "How often transfers had to wait, by reason."},
		{Faults, "{item}", "Items that could not be delivered, by reason."},
		{Exits, "{exit}", "Commands that ran because of transfers."},
		{Dropped, "{event}", "Events that no collector was told of."},
		{Open, "{transfer}", "Transfers that have not ended, by state."},
		{Backlog, "{event}", "Events that wait for a collector."},
	}
}

// bounds are the upper bounds of the buckets of Duration, in seconds.
var bounds = [...]float64{0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400}

// Bounds returns the upper bounds of the buckets of Duration, in seconds.
func Bounds() []float64 { return bounds[:] }

// A Series is one row of numbers of a metric.
type Series struct {
	Metric string            `json:"metric"`
	Labels map[string]string `json:"labels,omitempty"`
	N      int64             `json:"n"`
	// Sum and Buckets are those of a distribution: Buckets has one more entry
	// than Bounds, N is their sum.
	Sum     float64 `json:"sum,omitempty"`
	Buckets []int64 `json:"buckets,omitempty"`
}

// A Tally is the sums since Start. The zero value with a Start is ready. Its
// methods may not be called concurrently.
type Tally struct {
	Start time.Time `json:"start"`
	Rows  []*Series `json:"rows"`

	index map[string]*Series
	count map[string]int
}

// Event counts an event of its own; what ends a transfer is counted by Span.
func (t *Tally) Event(e mft.Event, role mft.Role) {
	labels := map[string]string{}
	put(labels, attribute.Role, string(role))
	put(labels, attribute.Channel, attribute.Clean(e.Channel, 256))
	if !e.Code.OK() {
		labels[attribute.ErrorType] = attribute.CodeName(e.Code)
	}
	switch e.Kind {
	case mft.EventWaiting:
		t.row(Waits, labels).N++
	case mft.EventItem:
		t.row(Faults, labels).N++
	}
}

// Span counts what a span says; row is that of the transfer, nil when it has
// none.
func (t *Tally) Span(s span.Span, row *mft.Transfer) {
	labels := map[string]string{attribute.Role: string(s.Role)}
	put(labels, attribute.Channel, attribute.Clean(s.Outcome.Channel, 256))
	switch s.Phase {
	case span.Exit:
		if s.Failed() {
			labels[attribute.ErrorType] = attribute.CodeName(s.Outcome.Code)
		}
		t.row(Exits, labels).N++
	case span.Whole:
		if row != nil {
			t.row(Size, labels).N += max(row.Moved.Bytes, 0)
			t.row(Items, labels).N += max(row.Moved.Items, 0)
		}
		labels[attribute.Outcome] = string(s.Outcome.Kind)
		took := t.row(Duration, labels)
		took.observe(s.End.Sub(s.Start).Seconds())
		if s.Failed() {
			labels[attribute.ErrorType] = attribute.CodeName(s.Outcome.Code)
		}
		t.row(Transfers, labels).N++
	}
}

// Drop counts events that a destination was not told of.
func (t *Tally) Drop(destination string, n int64) {
	if n > 0 {
		t.row(Dropped, map[string]string{attribute.Destination: destination}).N += n
	}
}

// OpenIn returns the gauge of transfers in one state.
func OpenIn(state mft.State, n int64) *Series {
	return &Series{Metric: Open, Labels: map[string]string{attribute.State: string(state)}, N: n}
}

// WaitingFor returns the gauge of events that wait for a destination.
func WaitingFor(destination string, n int64) *Series {
	return &Series{Metric: Backlog, Labels: map[string]string{attribute.Destination: destination}, N: n}
}

func put(labels map[string]string, key, value string) {
	if value != "" {
		labels[key] = value
	}
}

func (s *Series) observe(seconds float64) {
	if len(s.Buckets) != len(bounds)+1 {
		s.Buckets = make([]int64, len(bounds)+1)
	}
	i := sort.SearchFloat64s(bounds[:], seconds)
	s.Buckets[i]++
	s.N++
	s.Sum += seconds
}

// row returns the series of a metric with these labels, or the one for what is
// too much.
func (t *Tally) row(metric string, labels map[string]string) *Series {
	if t.index == nil {
		t.index, t.count = map[string]*Series{}, map[string]int{}
		for _, s := range t.Rows {
			t.index[keyOf(s.Metric, s.Labels)] = s
			t.count[s.Metric]++
		}
	}
	key := keyOf(metric, labels)
	if s := t.index[key]; s != nil {
		return s
	}
	if t.count[metric] >= MaxSeries {
		labels = map[string]string{attribute.Overflow: "true"}
		if key = keyOf(metric, labels); t.index[key] != nil {
			return t.index[key]
		}
	}
	s := &Series{Metric: metric, Labels: make(map[string]string, len(labels))}
	for k, v := range labels {
		s.Labels[k] = v
	}
	t.index[key] = s
	t.count[metric]++
	t.Rows = append(t.Rows, s)
	return s
}

// keyOf returns one text for a metric with its labels.
func keyOf(metric string, labels map[string]string) string {
	var parts []string
	for k, v := range labels {
		parts = append(parts, k+"\x00"+v)
	}
	slices.Sort(parts)
	return metric + "\x01" + strings.Join(parts, "\x01")
}

// Sound reports whether a tally that was read from a file can be used.
func (t *Tally) Sound() bool {
	for _, s := range t.Rows {
		if s == nil || s.N < 0 || s.Buckets != nil && len(s.Buckets) != len(bounds)+1 {
			return false
		}
	}
	return true
}
