package tally

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mft.dev/mft"
	"mft.dev/mft/agent/telemetry/attribute"
	"mft.dev/mft/agent/telemetry/span"
)

func ended(seconds float64, channel string, code mft.Code) span.Span {
	at := time.Unix(1000, 0)
	return span.Span{
		Role: mft.RoleSend, Start: at, End: at.Add(time.Duration(seconds * float64(time.Second))),
		Outcome: mft.Event{Kind: mft.EventDone, Channel: channel, Code: code},
	}
}

// find returns the series of a metric.
func (t *Tally) find(metric string) (out []*Series) {
	for _, s := range t.Rows {
		if s.Metric == metric {
			out = append(out, s)
		}
	}
	return out
}

func TestBuckets(t *testing.T) {
	for _, tt := range []struct {
		seconds float64
		bucket  int
	}{{0, 0}, {0.1, 0}, {0.11, 1}, {1, 2}, {59, 6}, {86400, 11}, {90000, 12}} {
		var sums Tally
		sums.Span(ended(tt.seconds, "", ""), nil)
		got := sums.find(Duration)
		if len(got) != 1 || got[0].Buckets[tt.bucket] != 1 || got[0].N != 1 || got[0].Sum != tt.seconds {
			t.Errorf("%g seconds are counted as %+v, want them in bucket %d", tt.seconds, got, tt.bucket)
		}
	}
}

// TestBounded has peers name more channels than anybody has.
func TestBounded(t *testing.T) {
	var sums Tally
	const n = MaxSeries * 3
	for i := range n {
		sums.Span(ended(1, fmt.Sprintf("c%d", i), ""), &mft.Transfer{Moved: mft.Count{Items: 1, Bytes: 10}})
		sums.Event(mft.Event{Kind: mft.EventWaiting, Code: mft.Code(fmt.Sprintf("CODE_%d", i)), Channel: "c"}, mft.RoleSend)
	}
	var total int64
	for _, metric := range []string{Transfers, Size, Items, Duration} {
		list := sums.find(metric)
		if len(list) != MaxSeries+1 || list[MaxSeries].Labels[attribute.Overflow] != "true" {
			t.Errorf("%s has %d series, want %d and one for the rest", metric, len(list), MaxSeries)
		}
	}
	for _, s := range sums.find(Transfers) {
		total += s.N
	}
	if total != n {
		t.Errorf("%d transfers are counted, want %d", total, n)
	}
	if got := sums.find(Waits); len(got) != 1 || got[0].N != n {
		t.Errorf("codes that nobody knows have %d series, want one", len(got))
	}
}

// TestKept has sums go through a file.
func TestKept(t *testing.T) {
	sums := Tally{Start: time.Unix(1, 0).UTC()}
	sums.Span(ended(1, "nightly", mft.CodeBusy), &mft.Transfer{Moved: mft.Count{Items: 1, Bytes: 10}})
	sums.Drop("otlp logs", 3)
	b, err := json.Marshal(&sums)
	if err != nil {
		t.Fatal(err)
	}
	var got Tally
	if err := json.Unmarshal(b, &got); err != nil || !got.Sound() {
		t.Fatalf("%s: %v", b, err)
	}
	got.Span(ended(1, "nightly", mft.CodeBusy), &mft.Transfer{Moved: mft.Count{Items: 1, Bytes: 10}})
	sums.Span(ended(1, "nightly", mft.CodeBusy), &mft.Transfer{Moved: mft.Count{Items: 1, Bytes: 10}})
	if diff := cmp.Diff(&sums, &got, cmpopts.IgnoreUnexported(Tally{})); diff != "" {
		t.Errorf("sums that went through a file differ (-want +got):\n%s", diff)
	}
}
