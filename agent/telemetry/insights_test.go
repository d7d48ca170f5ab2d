package telemetry

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/config/collector"
	"mft.dev/mft/agent/config/storage"
	"mft.dev/mft/agent/telemetry/span"
)

const insightsKey = "11111111-2222-3333-4444-555555555555"

// An item is an envelope as Application Insights takes it.
type item struct {
	Name string            `json:"name"`
	Time time.Time         `json:"time"`
	Key  string            `json:"iKey"`
	Rate float64           `json:"sampleRate"`
	Tags map[string]string `json:"tags"`
	Data struct {
		Type string `json:"baseType"`
		Form struct {
			Ver          int                `json:"ver"`
			ID           string             `json:"id"`
			Name         string             `json:"name"`
			Message      string             `json:"message"`
			Severity     string             `json:"severityLevel"`
			Duration     string             `json:"duration"`
			Success      *bool              `json:"success"`
			ResponseCode string             `json:"responseCode"`
			Properties   map[string]string  `json:"properties"`
			Measurements map[string]float64 `json:"measurements"`
		} `json:"baseData"`
	} `json:"data"`
}

// A breeze is the endpoint of Application Insights in this process.
type breeze struct {
	t   *testing.T
	url string

	mu    sync.Mutex
	asked int
	// answer tells of the items of a request by their index; nil takes all.
	answer func(n int, items []item) (status int, header map[string]string, refused map[int]int)
	items  []item
}

func newBreeze(t *testing.T) *breeze {
	b := &breeze{t: t}
	srv := httptest.NewServer(b)
	t.Cleanup(srv.Close)
	b.url = srv.URL
	return b
}

func (b *breeze) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	z, err := gzip.NewReader(r.Body)
	if err != nil || r.URL.Path != "/v2.1/track" || r.Method != http.MethodPost {
		b.t.Errorf("%s %s: %v", r.Method, r.URL, err)
		return
	}
	var items []item
	if err := json.NewDecoder(z).Decode(&items); err != nil {
		b.t.Errorf("the body is no list of items: %v", err)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	status, refused := http.StatusOK, map[int]int{}
	if b.answer != nil {
		var header map[string]string
		status, header, refused = b.answer(b.asked, items)
		for k, v := range header {
			w.Header().Set(k, v)
		}
	}
	var list []string
	for i, one := range items {
		switch code := refused[i]; {
		case code != 0:
			list = append(list, fmt.Sprintf(`{"index":%d,"statusCode":%d,"message":"because of %d"}`, i, code, code))
		case status == http.StatusOK || status == http.StatusPartialContent:
			b.items = append(b.items, one)
		}
	}
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"itemsReceived":%d,"itemsAccepted":%d,"errors":[%s]}`, len(items), len(items)-len(list), strings.Join(list, ","))
}

func (b *breeze) has(f func() bool) func() bool {
	return func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return f()
	}
}

// tellInsights starts an exporter to b.
func (h *host) tellInsights(b *breeze) {
	h.env["CONNECTION"] = "InstrumentationKey=" + insightsKey + ";IngestionEndpoint=" + b.url + "/;LiveEndpoint=https://live.example/"
	h.tell(&collector.Telemetry{Insights: &collector.Insights{Connection: storage.Secret{Env: "CONNECTION"}}})
}

func TestInsights(t *testing.T) {
	b := newBreeze(t)
	alpha, beta := newHost(t, "alpha"), newHost(t, "beta")
	alpha.tellInsights(b)
	beta.tellInsights(b)
	id := newID()
	alpha.happen(aRow(id, mft.RoleSend, "beta"), whole()...)
	beta.happen(aRow(id, mft.RoleReceive, "alpha"), step{kind: mft.EventOffered}, step{kind: mft.EventRejected, code: mft.CodeNotAllowed, detail: "not into /etc"})
	eventually(t, "7+7 and 2+2+1 items", b.has(func() bool { return len(b.items) == 19 }))
	b.mu.Lock()
	defer b.mu.Unlock()
	kinds := map[string]int{}
	for _, one := range b.items {
		kinds[one.Data.Type]++
		if one.Tags["ai.operation.id"] != id.String() || one.Key != insightsKey || one.Rate != 100 || one.Data.Form.Ver != 2 ||
			one.Data.Form.Properties["id"] != id.String() || one.Data.Form.Properties["agent"] == "" || one.Time.IsZero() ||
			one.Tags["ai.cloud.role"] == "" || one.Name != "Microsoft.ApplicationInsights.11111111222233334444555555555555."+strings.TrimSuffix(one.Data.Type, "Data") {
			t.Errorf("an item is %+v", one)
		}
		f := one.Data.Form
		switch {
		case one.Data.Type == "RequestData":
			sender := span.WholeID(id, mft.RoleSend)
			if f.Name != "mft receive" || *f.Success || f.ResponseCode != "NOT_ALLOWED" || one.Tags["ai.operation.parentId"] != fmt.Sprintf("%x", sender[:]) ||
				one.Tags["ai.cloud.role"] != "beta" || f.Duration != "0.00:00:01.000000" {
				t.Errorf("the request is %+v", one)
			}
		case f.Name == "mft send":
			if !*f.Success || f.Duration != "0.00:00:06.000000" || f.Measurements["mft.transfer.size"] != 4096 || one.Tags["ai.operation.parentId"] != "" {
				t.Errorf("the dependency is %+v", one)
			}
		case one.Data.Type == "MessageData":
			if f.Severity != "Error" || f.Message != "rejected: NOT_ALLOWED: not into /etc" {
				t.Errorf("the trace is %+v", one)
			}
		}
	}
	if kinds["EventData"] != 9 || kinds["RemoteDependencyData"] != 8 || kinds["RequestData"] != 1 || kinds["MessageData"] != 1 {
		t.Errorf("kinds of items: %v", kinds)
	}
}

func TestInsightsAnswers(t *testing.T) {
	all := func(status int, header map[string]string) func(int, []item) (int, map[string]string, map[int]int) {
		return func(n int, _ []item) (int, map[string]string, map[int]int) {
			if n <= 3 {
				return status, header, nil
			}
			return http.StatusOK, nil, nil
		}
	}
	for _, tt := range []struct {
		name    string
		answer  func(n int, items []item) (int, map[string]string, map[int]int)
		items   int // that arrive, of 14
		dropped int64
	}{
		{"throttled", all(429, nil), 14, 0},
		{"over the quota of the day", all(439, map[string]string{"Retry-After": "0"}), 14, 0},
		{"away", all(503, nil), 14, 0},
		{"timed out", all(408, nil), 14, 0},
		{"wrong key", all(403, nil), 14, 0},
		{"a part later", func(n int, items []item) (int, map[string]string, map[int]int) {
			if n <= 3 {
				return http.StatusPartialContent, nil, map[int]int{0: 429, len(items) - 1: 503}
			}
			return http.StatusOK, nil, nil
		}, 14, 0},
		{"a part never", func(n int, items []item) (int, map[string]string, map[int]int) {
			if n == 1 {
				return http.StatusPartialContent, nil, map[int]int{0: 400, 1: 500}
			}
			return http.StatusOK, nil, nil
		}, 13, 1},
		{"a part of nothing", func(n int, items []item) (int, map[string]string, map[int]int) {
			if n == 1 {
				return http.StatusPartialContent, nil, map[int]int{99: 400, -1: 503}
			}
			return http.StatusOK, nil, nil
		}, 14, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBreeze(t)
			b.answer = tt.answer
			h := newHost(t, "alpha")
			h.tellInsights(b)
			h.happen(aRow(newID(), mft.RoleSend, "beta"), whole()...)
			eventually(t, "the items arrive", b.has(func() bool { return len(b.items) >= tt.items }))
			eventually(t, "the status is well", func() bool {
				got := h.of("application insights")
				return got.Code == "" && got.Waiting == 0 && got.Dropped == tt.dropped
			})
			b.mu.Lock()
			defer b.mu.Unlock()
			if len(b.items) != tt.items {
				t.Errorf("%d items arrived, want %d", len(b.items), tt.items)
			}
		})
	}
}

// TestInsightsRedirect has the endpoint send elsewhere, as the global one does.
func TestInsightsRedirect(t *testing.T) {
	b := newBreeze(t)
	srv := httptest.NewServer(http.RedirectHandler(b.url+"/v2.1/track", http.StatusTemporaryRedirect))
	defer srv.Close()
	h := newHost(t, "alpha")
	h.tellInsights(&breeze{url: srv.URL})
	h.happen(aRow(newID(), mft.RoleSend, "beta"), whole()...)
	eventually(t, "the items arrive", b.has(func() bool { return len(b.items) == 14 }))
}

// TestInsightsTimeout has the endpoint keep silent, and the agent end meanwhile.
func TestInsightsTimeout(t *testing.T) {
	asked, release := make(chan struct{}, 1), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-release
	}))
	defer srv.Close()
	defer close(release)
	h := newHost(t, "alpha")
	h.tellInsights(&breeze{url: srv.URL})
	h.happen(aRow(newID(), mft.RoleSend, "beta"), whole()...)
	<-asked
	h.halt() // comes back although nobody answers
	if got := h.of("application insights"); got.Waiting != 7 {
		t.Errorf("status %+v, want 7 that wait", got)
	}
}

// TestInsightsKey has a connection string that is none at first.
func TestInsightsKey(t *testing.T) {
	b := newBreeze(t)
	h := newHost(t, "alpha")
	file := t.TempDir() + "/connection"
	h.tell(&collector.Telemetry{Insights: &collector.Insights{Connection: storage.Secret{File: storage.Path(file)}}})
	h.happen(aRow(newID(), mft.RoleSend, "beta"), whole()...)
	write := func(content string) {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, content := range []string{"nonsense", "InstrumentationKey=" + insightsKey + ";IngestionEndpoint=http://example.org"} {
		write(content)
		eventually(t, content, func() bool {
			got := h.of("application insights")
			return got.Code == mft.CodeCollectorRefuses && strings.Contains(got.Detail, file+" has ")
		})
	}
	write("instrumentationkey=" + insightsKey + " ; ingestionendpoint=" + b.url + "\n")
	eventually(t, "the items arrive", b.has(func() bool { return len(b.items) == 14 }))
}
