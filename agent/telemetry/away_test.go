package telemetry

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/proto"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/collector"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/journal"
)

// sequences returns the events that a collector has, in the order of its
// receiving them.
func sequences(records []*logs.LogRecord) []string {
	var out []string
	for _, r := range records {
		out = append(out, texts(r.Attributes)["mft.event.sequence"])
	}
	return out
}

// of returns the status of a destination.
func (h *host) of(name string) Status {
	for _, s := range h.exporter.Status() {
		if s.Name == name {
			return s
		}
	}
	return Status{}
}

// TestAway has the collector away while much happens, and the agent restart
// meanwhile.
func TestAway(t *testing.T) {
	s := newSink(t)
	away := true
	s.answer = func(string, int) (int, map[string]string, proto.Message) {
		if away {
			return http.StatusServiceUnavailable, nil, &collogs.ExportLogsServiceResponse{}
		}
		return http.StatusOK, nil, nil
	}
	h := newHost(t, "alpha")
	h.tell(otlpAt(s.url, collector.Logs))
	const transfers = 200 // of 7 events: several batches
	for range transfers / 2 {
		h.happen(aRow(newID(), mft.RoleSend, "beta"), whole()...)
	}
	eventually(t, "the status says that it is away", func() bool { return h.of("otlp logs").Code == mft.CodeCollectorAway })
	if got := h.of("otlp logs"); got.Waiting != transfers/2*7 || got.Since.IsZero() || !strings.Contains(got.Detail, "503") || got.Endpoint != s.url {
		t.Errorf("status of a collector that is away: %+v", got)
	}
	h.halt()
	for range transfers / 2 {
		h.happen(aRow(newID(), mft.RoleSend, "beta"), whole()...)
	}
	h.tell(otlpAt(s.url, collector.Logs))
	eventually(t, "it is asked again", func() bool { return h.of("otlp logs").Code == mft.CodeCollectorAway })
	s.mu.Lock()
	away = false
	s.mu.Unlock()
	eventually(t, "everything arrives", s.has(func() bool { return len(s.records) == transfers*7 }))
	got := sequences(s.records)
	if slices.Sort(got); len(slices.Compact(got)) != transfers*7 {
		t.Errorf("%d different events arrived, want %d", len(slices.Compact(got)), transfers*7)
	}
	eventually(t, "the status is well again", func() bool {
		got := h.of("otlp logs")
		return got.Code == "" && got.Waiting == 0 && got.Sent == transfers*7 && got.Dropped == 0
	})
}

// TestRestart has an agent end at any moment, without a chance to write what it
// knows: everything arrives, with ids that tell what arrived twice.
func TestRestart(t *testing.T) {
	s := newSink(t)
	h := newHost(t, "alpha")
	var want []string
	h.tell(otlpAt(s.url, collector.Logs, collector.Traces))
	path := filepath.Join(h.dir, "telemetry.json")
	eventually(t, "the file is there", func() bool { _, err := os.Stat(path); return err == nil })
	for range 20 {
		old, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		row := aRow(newID(), mft.RoleSend, "beta")
		h.happen(row, whole()[:4]...)
		h.happen(row, whole()[4:]...)
		want = append(want, row.ID.String())
		h.halt()
		if err := os.WriteFile(path, old, 0o600); err != nil { // as a crash would leave it
			t.Fatal(err)
		}
		h.tell(otlpAt(s.url, collector.Logs, collector.Traces))
	}
	ended := func() []string {
		var out []string
		for _, one := range s.spans {
			if one.Name == "mft send" {
				out = append(out, texts(one.Attributes)["mft.transfer.id"])
			}
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	slices.Sort(want)
	eventually(t, "every transfer has its span", s.has(func() bool { return slices.Equal(ended(), want) }))
	eventually(t, "every event is there", s.has(func() bool {
		uids := map[string]bool{}
		for _, r := range s.records {
			uids[texts(r.Attributes)["log.record.uid"]] = true
		}
		return len(uids) == 20*7
	}))
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := map[string]string{}
	for _, one := range s.spans {
		if name, twice := ids[string(one.SpanId)]; twice && name != one.Name {
			t.Errorf("spans %s and %s have one id", name, one.Name)
		}
		ids[string(one.SpanId)] = one.Name
	}
	if len(ids) != 20*7 {
		t.Errorf("%d ids of spans, want %d: what is sent twice keeps its id", len(ids), 20*7)
	}
}

func TestAnswers(t *testing.T) {
	refuse := func(status int, header map[string]string) func(string, int) (int, map[string]string, proto.Message) {
		return func(_ string, n int) (int, map[string]string, proto.Message) {
			if n <= 2 { // of 7 events, 3 are the next to be tried, then 1
				return status, header, &collogs.ExportLogsServiceResponse{}
			}
			return http.StatusOK, nil, nil
		}
	}
	for _, tt := range []struct {
		name   string
		answer func(signal string, n int) (int, map[string]string, proto.Message)
		code   mft.Code // seen on the way, "" for none
	}{
		{"throttled", refuse(429, nil), mft.CodeCollectorAway},
		{"with a wish of no time", refuse(429, map[string]string{"Retry-After": "0"}), mft.CodeCollectorAway},
		{"broken gateway", refuse(502, nil), mft.CodeCollectorAway},
		{"wrong key", refuse(401, nil), mft.CodeCollectorRefuses},
		{"no such path", refuse(404, nil), mft.CodeCollectorRefuses},
		{"moved", refuse(302, map[string]string{"Location": "http://127.0.0.1:1/"}), mft.CodeCollectorRefuses},
		{"too large", refuse(413, nil), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSink(t)
			h := newHost(t, "alpha")
			h.happen(aRow(newID(), mft.RoleSend, "beta")) // the journal is not empty
			seen := make(chan mft.Code, 100)
			s.answer = func(signal string, n int) (int, map[string]string, proto.Message) {
				if h.exporter != nil {
					select {
					case seen <- h.of("otlp logs").Code:
					default:
					}
				}
				return tt.answer(signal, n)
			}
			section := otlpAt(s.url, collector.Logs)
			h.tell(section)
			for range 4 {
				h.happen(aRow(newID(), mft.RoleSend, "beta"), whole()...)
			}
			eventually(t, "everything arrives", s.has(func() bool { return len(s.records) >= 28 }))
			close(seen)
			found := false
			for code := range seen {
				found = found || code == tt.code
			}
			if got := sequences(s.records); !found || len(got) != 28 {
				t.Errorf("%d events arrived, code %q seen: %t; want 28 and to see it", len(got), tt.code, found)
			}
		})
	}
}

// TestPoison has a collector that cannot take one event: the others arrive, and
// that one is counted and said.
func TestPoison(t *testing.T) {
	s := newSink(t)
	h := newHost(t, "alpha")
	srv := poisoned{sink: s}
	h.tell(otlpAt(srv.start(t), collector.Logs))
	for i := range 5 {
		steps := whole()
		if i == 2 {
			steps[3].detail = "poison"
		}
		h.happen(aRow(newID(), mft.RoleSend, "beta"), steps...)
	}
	eventually(t, "the others arrive", s.has(func() bool { return len(s.records) == 34 }))
	eventually(t, "it is counted", func() bool { return h.of("otlp logs").Dropped == 1 && h.of("otlp logs").Waiting == 0 })
	if got := h.of("otlp logs"); !strings.Contains(got.Dropping, "400") || got.Sent != 34 {
		t.Errorf("status %+v, want to know why one was dropped", got)
	}
}

// TestPartialSuccess has a collector that refuses some of what it is sent.
func TestPartialSuccess(t *testing.T) {
	s := newSink(t)
	s.answer = func(_ string, n int) (int, map[string]string, proto.Message) {
		if n > 1 {
			return http.StatusOK, nil, nil
		}
		return http.StatusOK, nil, &collogs.ExportLogsServiceResponse{
			PartialSuccess: &collogs.ExportLogsPartialSuccess{RejectedLogRecords: 2, ErrorMessage: "too old\nby far"},
		}
	}
	h := newHost(t, "alpha")
	h.tell(otlpAt(s.url, collector.Logs))
	h.happen(aRow(newID(), mft.RoleSend, "beta"), whole()...)
	eventually(t, "what was refused is counted", func() bool { return h.of("otlp logs").Dropped == 2 })
	if got := h.of("otlp logs"); got.Dropping != "too old by far" || got.Waiting != 0 {
		t.Errorf("status %+v, want why, and nothing that waits", got)
	}
}

// TestSecrets has a header whose secret is not there at first.
func TestSecrets(t *testing.T) {
	s := newSink(t)
	h := newHost(t, "alpha")
	section := otlpAt(s.url, collector.Logs)
	file := filepath.Join(t.TempDir(), "key")
	section.OTLP.Headers = map[collector.Header]storage.Secret{"api-key": {File: storage.Path(file)}}
	h.tell(section)
	h.happen(aRow(newID(), mft.RoleSend, "beta"), whole()...)
	eventually(t, "it is refused", func() bool { return h.of("otlp logs").Code == mft.CodeCollectorRefuses })
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it arrives", s.has(func() bool { return len(s.records) == 7 }))
	if got := s.headers.Get("Api-Key"); got != "s3cret" {
		t.Errorf("header is %q", got)
	}
	if err := os.WriteFile(file, []byte("two\nlines"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.happen(aRow(newID(), mft.RoleSend, "beta"), whole()...)
	eventually(t, "what is no header is refused", func() bool { return h.of("otlp logs").Code == mft.CodeCollectorRefuses })
	if got := h.of("otlp logs").Detail; strings.Contains(got, "two") || !strings.Contains(got, file) {
		t.Errorf("the status says %q", got)
	}
}

// TestForgotten has a journal that forgets events before they are sent.
func TestForgotten(t *testing.T) {
	s := newSink(t)
	h := newHost(t, "alpha")
	h.tell(otlpAt(s.url, collector.Logs))
	h.halt()
	row := aRow(newID(), mft.RoleSend, "beta")
	h.happen(row, whole()...)
	err := h.j.Update(t.Context(), func(tx *journal.Tx) error {
		if err := tx.SetState(row.ID, mft.StateCancelled, mft.Reason{}, start); err != nil {
			return err
		}
		_, err := tx.Forget(start.Add(time.Hour), 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	h.tell(otlpAt(s.url, collector.Logs))
	eventually(t, "they are counted", func() bool { return h.of("otlp logs").Dropped == 6 })
	if got := h.of("otlp logs").Dropping; got != "the journal had forgotten them" {
		t.Errorf("dropped because %q", got)
	}
}

// TestHistory has an agent that is told to tell after much has happened: what
// was before is not told, but by the spans of what goes on.
func TestHistory(t *testing.T) {
	s := newSink(t)
	h := newHost(t, "alpha")
	row := aRow(newID(), mft.RoleSend, "beta")
	h.happen(aRow(newID(), mft.RoleSend, "beta"), whole()...)
	h.happen(row, whole()[:4]...)
	h.tell(otlpAt(s.url, collector.Logs, collector.Traces))
	h.happen(row, whole()[4:]...)
	eventually(t, "the rest arrives", s.has(func() bool { return len(s.records) == 3 && len(s.spans) == 4 }))
	if got := names(s.spans); !slices.Contains(got, "mft send") || !slices.Contains(got, "mft send move") {
		t.Errorf("spans %q", got)
	}
}

// TestKilledAtOnce has an agent end before it wrote anything, with events that
// nobody has: they are no history.
func TestKilledAtOnce(t *testing.T) {
	h := newHost(t, "alpha")
	section := otlpAt("http://127.0.0.1:1", collector.Logs)
	New(Config{Section: section, Dir: h.dir}).Follow(h.j)
	h.happen(aRow(newID(), mft.RoleSend, "beta"), whole()...)
	s := newSink(t)
	h.tell(otlpAt(s.url, collector.Logs))
	eventually(t, "they arrive", s.has(func() bool { return len(s.records) == 7 }))
}

// TestRefused has an offer refused by a command: there is no row of it, and it
// has its spans all the same.
func TestRefused(t *testing.T) {
	s := newSink(t)
	h := newHost(t, "beta")
	h.tell(otlpAt(s.url))
	err := h.j.Update(t.Context(), func(tx *journal.Tx) error {
		id := newID()
		for _, kind := range []mft.EventKind{mft.EventExitEnded, mft.EventRejected} {
			if err := tx.Append(mft.Event{Time: start, Kind: kind, Transfer: id, Peer: "alpha", Code: mft.CodeExitRefused}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "both spans", s.has(func() bool { return slices.Equal(names(s.spans), []string{"mft receive exit", "mft receive"}) }))
	eventually(t, "the sum", s.has(func() bool { return len(s.metrics["mft.transfers"].GetSum().GetDataPoints()) == 1 }))
}

// TestNil has an exporter of a configuration without telemetry.
func TestNil(t *testing.T) {
	e := New(Config{})
	if e != nil {
		t.Fatalf("New without a section returned %v", e)
	}
	e.Follow(nil)
	e.Run(t.Context())
	if got := e.Status(); got != nil {
		t.Errorf("Status() = %v", got)
	}
}

// TestDamaged has a file that is not what was written.
func TestDamaged(t *testing.T) {
	for _, content := range []string{"", "{", "null", `{"version":2}`, `{"version":1,"instance":"x","tally":{"start":"2026-01-01T00:00:00Z","rows":[null]}}`} {
		s := newSink(t)
		h := newHost(t, "alpha")
		if err := os.WriteFile(filepath.Join(h.dir, "telemetry.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		h.tell(otlpAt(s.url))
		h.happen(aRow(newID(), mft.RoleSend, "beta"), whole()...)
		eventually(t, "it is told", s.has(func() bool { return len(s.records) == 7 && len(s.spans) == 7 && s.metrics["mft.transfers"] != nil }))
	}
}

// TestLongStory has a transfer break off more often than is read of it: it
// still has one whole span, from its beginning to its end.
func TestLongStory(t *testing.T) {
	s := newSink(t)
	h := newHost(t, "alpha")
	h.tell(otlpAt(s.url, collector.Traces))
	row := aRow(newID(), mft.RoleSend, "beta")
	steps := []step{{kind: mft.EventPlanned}}
	for range 800 {
		steps = append(steps, step{kind: mft.EventOffered}, step{kind: mft.EventItem, code: mft.CodeIO}, step{kind: mft.EventAccepted}, step{kind: mft.EventWaiting, code: mft.CodeDisconnected})
	}
	h.happen(row, append(steps, step{kind: mft.EventFailed, code: mft.CodeDisconnected})...)
	eventually(t, "it ends", s.has(func() bool { return slices.Contains(names(s.spans), "mft send") }))
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.spans[len(s.spans)-1]
	if took := time.Duration(last.EndTimeUnixNano - last.StartTimeUnixNano); last.Name != "mft send" || took != 3201*time.Second {
		t.Errorf("%s took %s, want 3201 s", last.Name, took)
	}
}
