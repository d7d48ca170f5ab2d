package telemetry

import (
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/collector"
	"mft.dev/mft/agent/config/storage"
)

// A sink is a collector of OpenTelemetry in this process. It keeps what it took.
type sink struct {
	t   *testing.T
	url string

	mu      sync.Mutex
	answer  func(signal string, n int) (status int, header map[string]string, body proto.Message) // nil takes everything
	asked   map[string]int
	headers http.Header
	spans   []*trace.Span
	records []*logs.LogRecord
	metrics map[string]*metrics.Metric
	from    map[string]string // resource
}

func newSink(t *testing.T) *sink {
	s := &sink{t: t, asked: map[string]int{}, metrics: map[string]*metrics.Metric{}, from: map[string]string{}}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			s.t.Errorf("%s: %v", r.URL, err)
			return
		}
		body = z
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return // the client went away
	}
	signal := strings.TrimPrefix(r.URL.Path, "/v1/")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[signal]++
	s.headers = r.Header
	if s.answer != nil {
		status, header, message := s.answer(signal, s.asked[signal])
		for k, v := range header {
			w.Header().Set(k, v)
		}
		if status != http.StatusOK || message != nil {
			w.WriteHeader(status)
			if message != nil {
				b, err := proto.Marshal(message)
				if err != nil {
					s.t.Error(err)
				}
				w.Write(b)
			}
			return
		}
	}
	s.take(signal, content)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// take reads a request with the types of OpenTelemetry; mu is held.
func (s *sink) take(signal string, content []byte) {
	var err error
	switch signal {
	case "traces":
		var m coltrace.ExportTraceServiceRequest
		if err = proto.Unmarshal(content, &m); err == nil {
			s.takeTraces(&m)
		}
	case "logs":
		var m collogs.ExportLogsServiceRequest
		if err = proto.Unmarshal(content, &m); err == nil {
			s.takeLogs(&m)
		}
	case "metrics":
		var m colmetrics.ExportMetricsServiceRequest
		if err = proto.Unmarshal(content, &m); err == nil {
			s.takeMetrics(&m)
		}
	default:
		s.t.Errorf("a request for %q", signal)
	}
	if err != nil {
		s.t.Errorf("%s: %v", signal, err)
	}
}

func (s *sink) takeTraces(m *coltrace.ExportTraceServiceRequest) {
	for _, r := range m.ResourceSpans {
		maps.Copy(s.from, texts(r.Resource.Attributes))
		for _, scope := range r.ScopeSpans {
			s.spans = append(s.spans, scope.Spans...)
		}
	}
}

func (s *sink) takeLogs(m *collogs.ExportLogsServiceRequest) {
	for _, r := range m.ResourceLogs {
		for _, scope := range r.ScopeLogs {
			s.records = append(s.records, scope.LogRecords...)
		}
	}
}

func (s *sink) takeMetrics(m *colmetrics.ExportMetricsServiceRequest) {
	for _, r := range m.ResourceMetrics {
		for _, scope := range r.ScopeMetrics {
			for _, one := range scope.Metrics {
				s.metrics[one.Name] = one
			}
		}
	}
}

func texts(list []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range list {
		switch v := kv.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			out[kv.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			out[kv.Key] = strconv.FormatInt(v.IntValue, 10)
		}
	}
	return out
}

func (s *sink) has(f func() bool) func() bool {
	return func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return f()
	}
}

func otlpAt(url string, signals ...collector.Signal) *collector.Telemetry {
	return &collector.Telemetry{OTLP: &collector.OTLP{Endpoint: storage.URL(url), Signals: signals}}
}

func names(spans []*trace.Span) []string {
	var out []string
	for _, one := range spans {
		out = append(out, one.Name)
	}
	return out
}

// TestOneTrace has both ends of a transfer tell one collector: their spans are
// one trace, although they exchange nothing.
func TestOneTrace(t *testing.T) {
	s := newSink(t)
	alpha, beta := newHost(t, "alpha"), newHost(t, "beta")
	section := otlpAt(s.url)
	section.Attributes = map[collector.Attribute]collector.Value{"deployment.environment.name": "test"}
	alpha.tell(section)
	beta.tell(section)
	id := newID()
	alpha.happen(aRow(id, mft.RoleSend, "beta"), whole()...)
	beta.happen(aRow(id, mft.RoleReceive, "alpha"), whole()[1:]...)

	eventually(t, "13 spans", s.has(func() bool { return len(s.spans) == 13 }))
	want := []string{
		"mft receive", "mft receive commit", "mft receive compare", "mft receive finish", "mft receive move", "mft receive offer",
		"mft send", "mft send commit", "mft send compare", "mft send finish", "mft send move", "mft send offer", "mft send queue",
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := slices.Sorted(slices.Values(names(s.spans))); !slices.Equal(got, want) {
		t.Errorf("spans %q, want %q", got, want)
	}
	byID, byName := map[string]*trace.Span{}, map[string]*trace.Span{}
	for _, one := range s.spans {
		byID[string(one.SpanId)], byName[one.Name] = one, one
		if string(one.TraceId) != string(id[:]) {
			t.Errorf("span %s is of trace %x, want %x", one.Name, one.TraceId, id)
		}
	}
	if len(byID) != 13 {
		t.Errorf("%d ids for 13 spans", len(byID))
	}
	for _, one := range s.spans {
		parent := byID[string(one.ParentSpanId)]
		end, _, phase := strings.Cut(strings.TrimPrefix(one.Name, "mft "), " ")
		switch {
		case one.Name == "mft send":
			if parent != nil || one.Kind != trace.Span_SPAN_KIND_CLIENT || one.Status.GetCode() != trace.Status_STATUS_CODE_OK {
				t.Errorf("the first span is %v", one)
			}
		case one.Name == "mft receive":
			if parent != byName["mft send"] || one.Kind != trace.Span_SPAN_KIND_SERVER || one.Flags&0x200 == 0 {
				t.Errorf("the receiver's span is %v, want a child of the sender's", one)
			}
		case !phase || parent != byName["mft "+end] || one.Kind != trace.Span_SPAN_KIND_INTERNAL:
			t.Errorf("a phase is %v", one)
		}
	}
	got := texts(byName["mft send"].Attributes)
	for key, value := range map[string]string{
		"mft.transfer.id": id.String(), "mft.transfer.role": "send", "mft.transfer.outcome": "done", "mft.peer.name": "beta",
		"mft.channel.name": "nightly", "mft.transfer.size": "4096", "mft.transfer.items": "3", "mft.transfer.attempt": "1",
	} {
		if got[key] != value {
			t.Errorf("attribute %s of the first span is %q, want %q", key, got[key], value)
		}
	}
	if one := byName["mft send move"]; one.EndTimeUnixNano-one.StartTimeUnixNano != uint64(time.Second) {
		t.Errorf("moving took from %d to %d, want a second", one.StartTimeUnixNano, one.EndTimeUnixNano)
	}
	if s.from["service.name"] != "mft" || s.from["service.version"] != "1.2.3" || s.from["mft.agent.name"] == "" ||
		s.from["service.instance.id"] == "" || s.from["deployment.environment.name"] != "test" {
		t.Errorf("the resource is %v", s.from)
	}
}

func TestLogs(t *testing.T) {
	s := newSink(t)
	h := newHost(t, "alpha")
	h.tell(otlpAt(s.url, collector.Logs))
	id := newID()
	h.happen(aRow(id, mft.RoleSend, "beta"),
		step{kind: mft.EventPlanned}, step{kind: mft.EventWaiting, code: mft.CodeUnreachable, detail: "beta:7420 \xff"},
		step{kind: mft.EventRejected, code: "NEWER_CODE", detail: "no"})
	eventually(t, "3 records", s.has(func() bool { return len(s.records) == 3 }))
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, want := range []struct {
		name, body, code string
		severity         logs.SeverityNumber
	}{
		{"mft.transfer.planned", "planned", "", logs.SeverityNumber_SEVERITY_NUMBER_INFO},
		{"mft.transfer.waiting", "waiting: UNREACHABLE: beta:7420 \uFFFD", "UNREACHABLE", logs.SeverityNumber_SEVERITY_NUMBER_WARN},
		{"mft.transfer.rejected", "rejected: NEWER_CODE: no", "_OTHER", logs.SeverityNumber_SEVERITY_NUMBER_ERROR},
	} {
		got := s.records[i]
		said := texts(got.Attributes)
		if got.EventName != want.name || got.Body.GetStringValue() != want.body || got.SeverityNumber != want.severity ||
			string(got.TraceId) != string(id[:]) || len(got.SpanId) != 8 || said["error.type"] != want.code || said["log.record.uid"] == "" {
			t.Errorf("record %d is %v, want %+v", i, got, want)
		}
	}
}

func TestMetrics(t *testing.T) {
	s := newSink(t)
	h := newHost(t, "alpha")
	h.tell(otlpAt(s.url, collector.Metrics))
	h.happen(aRow(newID(), mft.RoleSend, "beta"), whole()...)
	failed := aRow(newID(), mft.RoleSend, "beta")
	failed.Moved = mft.Count{}
	h.happen(failed, step{kind: mft.EventPlanned}, step{kind: mft.EventWaiting, code: mft.CodeBusy},
		step{kind: mft.EventFailed, code: mft.CodeNotFound}, step{kind: mft.EventFailed, code: mft.CodeNotFound, detail: "the other end was told"})
	sum := func(name string, labels map[string]string) int64 {
		var n int64
		for _, p := range s.metrics[name].GetSum().GetDataPoints() {
			got := texts(p.Attributes)
			match := true
			for k, v := range labels {
				match = match && got[k] == v
			}
			if match {
				n += p.GetAsInt()
			}
		}
		return n
	}
	eventually(t, "two transfers", s.has(func() bool { return sum("mft.transfers", nil) == 2 }))
	h.halt()
	h.tell(otlpAt(s.url, collector.Metrics)) // sums survive
	s.mu.Lock()
	clear(s.metrics)
	s.mu.Unlock()
	eventually(t, "sums after a restart", s.has(func() bool { return len(s.metrics) > 0 }))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, want := range []struct {
		name   string
		labels map[string]string
		n      int64
	}{
		{"mft.transfers", map[string]string{"mft.transfer.outcome": "done", "mft.channel.name": "nightly", "mft.transfer.role": "send"}, 1},
		{"mft.transfers", map[string]string{"mft.transfer.outcome": "failed", "error.type": "NOT_FOUND"}, 1},
		{"mft.transfers", nil, 2},
		{"mft.transfer.io", nil, 4096},
		{"mft.transfer.items", nil, 3},
		{"mft.transfer.waits", map[string]string{"error.type": "BUSY"}, 1},
	} {
		if got := sum(want.name, want.labels); got != want.n {
			t.Errorf("sum of %s %v is %d, want %d", want.name, want.labels, got, want.n)
		}
	}
	m := s.metrics["mft.transfer.duration"].GetHistogram()
	if len(m.GetDataPoints()) != 2 || m.DataPoints[0].Count != 1 || m.DataPoints[0].GetSum() != 6 ||
		len(m.DataPoints[0].BucketCounts) != len(m.DataPoints[0].ExplicitBounds)+1 || m.AggregationTemporality != metrics.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE {
		t.Errorf("durations are %v", m)
	}
	if sum := s.metrics["mft.transfers"].GetSum(); !sum.IsMonotonic || s.metrics["mft.transfers"].Unit != "{transfer}" {
		t.Errorf("transfers are %v", s.metrics["mft.transfers"])
	}
	if len(s.metrics["mft.transfers.open"].GetGauge().GetDataPoints()) != 7 {
		t.Errorf("open transfers are %v", s.metrics["mft.transfers.open"])
	}
}

// TestFileNames looks for the name of a file in everything that has labels.
func TestFileNames(t *testing.T) {
	s := newSink(t)
	h := newHost(t, "alpha")
	section := otlpAt(s.url)
	section.Details = collector.DetailsNone
	h.tell(section)
	h.happen(aRow(newID(), mft.RoleSend, "beta"), step{kind: mft.EventDetected, detail: "secret-name"}, step{kind: mft.EventItem, code: mft.CodeIO, detail: "secret-name"},
		step{kind: mft.EventFailed, code: mft.CodeIO, detail: "secret-name"})
	eventually(t, "everything", s.has(func() bool {
		return len(s.spans) == 2 && len(s.records) == 3 && s.metrics["mft.transfers"] != nil
	}))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.spans {
		if strings.Contains(one.String(), "secret-name") {
			t.Errorf("a span says %v", one)
		}
	}
	for _, one := range s.records {
		if strings.Contains(one.String(), "secret-name") {
			t.Errorf("a record says %v", one)
		}
	}
	for _, one := range s.metrics {
		if strings.Contains(one.String(), "secret-name") {
			t.Errorf("a metric says %v", one)
		}
	}
}
