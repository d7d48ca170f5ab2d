package collector

import (
	"strings"
	"testing"

	"mft.dev/mft/agent/config/storage"
)

const key = "00000000-0000-0000-0000-00000000000a"

func TestParseConnection(t *testing.T) {
	for _, tt := range []struct {
		name, text, ingestion string
		fails                 string // part of the error
	}{
		{name: "key alone", text: " " + strings.ToUpper(key) + "\n", ingestion: "https://dc.services.visualstudio.com"},
		{name: "key in words", text: "InstrumentationKey=" + key, ingestion: "https://dc.services.visualstudio.com"},
		{
			name: "as the portal shows it", ingestion: "https://westeurope-5.in.applicationinsights.azure.com",
			text: "InstrumentationKey=" + key + ";IngestionEndpoint=https://westeurope-5.in.applicationinsights.azure.com/;LiveEndpoint=https://westeurope.livediagnostics.monitor.azure.com/;ApplicationId=x",
		},
		{name: "China", text: "instrumentationkey=" + key + ";EndpointSuffix=applicationinsights.azure.cn", ingestion: "https://dc.applicationinsights.azure.cn"},
		{name: "US government, with a place", text: "EndpointSuffix=applicationinsights.us;Location=usgov;InstrumentationKey=" + key + ";", ingestion: "https://usgov.dc.applicationinsights.us"},
		{name: "endpoint before suffix", text: "InstrumentationKey=" + key + ";EndpointSuffix=b.example;IngestionEndpoint=https://a.example", ingestion: "https://a.example"},
		{name: "this host", text: "InstrumentationKey=" + key + ";IngestionEndpoint=http://127.0.0.1:9000", ingestion: "http://127.0.0.1:9000"},
		{name: "empty", text: "", fails: "no instrumentation key"},
		{name: "no UUID", text: "s3cret", fails: "no instrumentation key"},
		{name: "in the clear", text: "InstrumentationKey=" + key + ";IngestionEndpoint=http://a.example", fails: "by https"},
		{name: "with a user", text: "InstrumentationKey=" + key + ";IngestionEndpoint=https://s3cret@a.example", fails: "by https"},
		{name: "no host", text: "InstrumentationKey=" + key + ";IngestionEndpoint=https://", fails: "by https"},
		{name: "another way", text: "InstrumentationKey=" + key + ";Authorization=AAD", fails: "Authorization"},
		{name: "too long", text: "InstrumentationKey=" + key + ";x=" + strings.Repeat("s3cret", 1000), fails: "4096"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseConnection(tt.text)
			switch {
			case tt.fails == "" && (err != nil || got != Connection{key, tt.ingestion}):
				t.Errorf("ParseConnection = %+v, %v; want %s", got, err, tt.ingestion)
			case tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails) || strings.Contains(err.Error(), "s3cret")):
				t.Errorf("ParseConnection: %v, want one with %q", err, tt.fails)
			}
		})
	}
}

func FuzzParseConnection(f *testing.F) {
	f.Add("InstrumentationKey=" + key + ";IngestionEndpoint=https://a.example/;Location=eu")
	f.Add(key)
	f.Add("instrumentationkey=;;=;EndpointSuffix=..")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseConnection(text)
		if err == nil && (!isUUID(c.Key) || !leads(c.Ingestion) || strings.HasSuffix(c.Ingestion, "/")) {
			t.Errorf("ParseConnection(%q) = %+v", text, c)
		}
	})
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name  string
		otlp  OTLP
		fails string
	}{
		{"plain", OTLP{Endpoint: "http://collector:4318"}, ""},
		{"with a path", OTLP{Endpoint: "https://collector/otlp"}, ""},
		{"gRPC with a path", OTLP{Endpoint: "https://collector/otlp", Protocol: GRPC}, "no path"},
		{"gRPC with a slash", OTLP{Endpoint: "https://collector:4317/", Protocol: GRPC}, ""},
		{"TLS without https", OTLP{Endpoint: "http://collector:4318", TLS: &TLS{CA: "/ca"}}, "https"},
		{"a signal twice", OTLP{Endpoint: "http://collector:4318", Signals: Signals{Logs, Logs}}, "twice"},
	} {
		err := tt.otlp.Check()
		if (err == nil) != (tt.fails == "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.fails)
		}
	}
	if err := (&Telemetry{}).Check(); err == nil {
		t.Error("a section that tells nobody is right")
	}
	if err := (&TLS{Certificate: "/c"}).Check(); err == nil {
		t.Error("a certificate without its key is right")
	}
}

func TestLeaves(t *testing.T) {
	for _, tt := range []struct {
		name string
		v    interface{ ReadText(string) error }
		text string
		ok   bool
	}{
		{"header", new(Header), "Api-Key", true},
		{"header of the protocol", new(Header), "Content-Type", false},
		{"header with a colon", new(Header), "a:b", false},
		{"attribute", new(Attribute), "deployment.environment.name", true},
		{"attribute in capitals", new(Attribute), "Env", false},
		{"value", new(Value), "production, Zürich", true},
		{"value of two lines", new(Value), "a\nb", false},
		{"interval", new(Interval), "30s", true},
		{"interval that is too short", new(Interval), "1s", false},
		{"protocol", new(Protocol), "grpc", true},
		{"no protocol", new(Protocol), "thrift", false},
		{"signal", new(Signal), "traces", true},
		{"no signal", new(Signal), "profiles", false},
		{"compression", new(Compression), "none", true},
		{"details", new(Details), "some", false},
	} {
		if err := tt.v.ReadText(tt.text); (err == nil) != tt.ok {
			t.Errorf("%s: ReadText(%q) = %v", tt.name, tt.text, err)
		}
	}
}

func TestFilesAndNotes(t *testing.T) {
	s := Telemetry{
		OTLP: &OTLP{
			Endpoint: "http://collector:4318", Headers: map[Header]storage.Secret{"a": {File: "/a"}},
			TLS: &TLS{Key: "/k"},
		},
		Insights: &Insights{Connection: storage.Secret{File: "/i"}},
	}
	if got := s.Files(); len(got) != 3 {
		t.Errorf("Files() = %q, want three", got)
	}
	if got := s.Notes(); len(got) != 1 {
		t.Errorf("Notes() = %q, want one about headers in the clear", got)
	}
	s.OTLP.Endpoint = "http://localhost:4318"
	if got := s.Notes(); got != nil {
		t.Errorf("Notes() = %q for this host", got)
	}
}
