// Package collector has the section `telemetry:` of a configuration: who is told
// what happens to transfers.
//
//	telemetry:
//	  otlp: {endpoint: "https://collector.example:4318"}
//	  application_insights: {connection_string: {env: APPLICATIONINSIGHTS_CONNECTION_STRING}}
//
// Its types are read by package strict, and written as they were read. The
// package refuses secrets in the file: headers and the connection string say
// where they lie. It connects to nobody; agent/telemetry does.
package collector

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"mft.dev/mft/agent/config/storage"
)

// Telemetry is the section.
type Telemetry struct {
	OTLP       *OTLP               `yaml:"otlp,omitempty" json:"otlp,omitempty" doc:"A collector that speaks the protocol of OpenTelemetry."`
	Insights   *Insights           `yaml:"application_insights,omitempty" json:"application_insights,omitempty" doc:"A resource of Application Insights in Azure Monitor."`
	Details    Details             `yaml:"details,omitempty" json:"details,omitempty" doc:"Sentences about events, which may name files: full sends them, none leaves them out. Default: full."`
	Attributes map[Attribute]Value `yaml:"attributes,omitempty" json:"attributes,omitempty" doc:"What else is said of this agent, such as deployment.environment.name; at most 32. They go over those that mft sets."`
}

// Check implements strict.Whole.
func (t *Telemetry) Check() error {
	switch {
	case t.OTLP == nil && t.Insights == nil:
		return errors.New("want otlp, application_insights or both")
	case len(t.Attributes) > 32:
		return errors.New("has more than 32 attributes")
	}
	return nil
}

// Files returns the files of t that hold secrets.
func (t *Telemetry) Files() []storage.Path {
	var out []storage.Path
	add := func(path storage.Path) {
		if path != "" {
			out = append(out, path)
		}
	}
	if t.OTLP != nil {
		for _, secret := range t.OTLP.Headers {
			add(secret.File)
		}
		if t.OTLP.TLS != nil {
			add(t.OTLP.TLS.Key)
		}
	}
	if t.Insights != nil {
		add(t.Insights.Connection.File)
	}
	return out
}

// Notes says what an operator may not have meant.
func (t *Telemetry) Notes() []string {
	if t.OTLP == nil || len(t.OTLP.Headers) == 0 || t.OTLP.secure() || t.OTLP.Endpoint.Local() {
		return nil
	}
	return []string{"telemetry.otlp.headers travel in the clear: endpoint is not https"}
}

// OTLP is a collector.
type OTLP struct {
	Endpoint    storage.URL               `yaml:"endpoint" json:"endpoint" need:"yes" doc:"URL of the collector, such as https://collector.example:4318; for http the paths /v1/traces, /v1/logs and /v1/metrics follow it."`
	Protocol    Protocol                  `yaml:"protocol,omitempty" json:"protocol,omitempty" doc:"http (protobuf over HTTP, port 4318 as a rule) or grpc (port 4317 as a rule). Default: http."`
	Signals     Signals                   `yaml:"signals,omitempty,flow" json:"signals,omitempty" doc:"What is sent: traces, logs, metrics. Default: all three."`
	Headers     map[Header]storage.Secret `yaml:"headers,omitempty" json:"headers,omitempty" doc:"Headers of each request, by name; the values are secrets. At most 16."`
	TLS         *TLS                      `yaml:"tls,omitempty" json:"tls,omitempty" doc:"How both ends prove who they are. Default: the roots of the system, and no certificate of this agent."`
	Compression Compression               `yaml:"compression,omitempty" json:"compression,omitempty" doc:"gzip or none. Default: gzip."`
	Interval    Interval                  `yaml:"metrics_interval,omitempty" json:"metrics_interval,omitempty" doc:"How often metrics are sent, 5s to 1h. Default: 1m."`
}

// Check implements strict.Whole.
func (o *OTLP) Check() error {
	u, err := url.Parse(string(o.Endpoint))
	switch {
	case err != nil:
		return errors.New("endpoint is no URL")
	case o.TLS != nil && !o.secure():
		return errors.New("tls needs an endpoint that begins with https://")
	case o.Protocol == GRPC && strings.Trim(u.Path, "/") != "":
		return errors.New("with grpc the endpoint has no path")
	case len(o.Headers) > 16:
		return errors.New("has more than 16 headers")
	}
	seen := map[Signal]bool{}
	for _, s := range o.Signals {
		if seen[s] {
			return fmt.Errorf("signals has %s twice", s)
		}
		seen[s] = true
	}
	return nil
}

func (o *OTLP) secure() bool { return strings.HasPrefix(string(o.Endpoint), "https://") }

// Sends reports whether a signal goes to the collector.
func (o *OTLP) Sends(s Signal) bool {
	return len(o.Signals) == 0 || slices.Contains(o.Signals, s)
}

// TLS is how the ends of a connection prove who they are.
type TLS struct {
	CA          storage.Path `yaml:"ca,omitempty" json:"ca,omitempty" doc:"PEM file with the roots that the collector's certificate may have. Default: those of the system."`
	Certificate storage.Path `yaml:"certificate,omitempty" json:"certificate,omitempty" doc:"PEM file with the certificate of this agent; with key."`
	Key         storage.Path `yaml:"key,omitempty" json:"key,omitempty" doc:"PEM file with its private key, for the user of the agent alone."`
}

// Check implements strict.Whole.
func (t *TLS) Check() error {
	if (t.Certificate == "") != (t.Key == "") {
		return errors.New("certificate and key go together: both or none")
	}
	return nil
}

// Insights is a resource of Application Insights.
type Insights struct {
	Connection storage.Secret `yaml:"connection_string" json:"connection_string" need:"yes" doc:"Where the connection string of the resource lies, or its instrumentation key alone."`
}
