package telemetry

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"

	"mft.dev/mft/agent/config/collector"
	"mft.dev/mft/agent/telemetry/attribute"
	"mft.dev/mft/agent/telemetry/insights"
	"mft.dev/mft/agent/telemetry/otlp"
	"mft.dev/mft/agent/telemetry/span"
)

// open makes the streams that the configuration asks for.
func (e *Exporter) open() {
	if o := e.c.Section.OTLP; o != nil {
		e.openOTLP(o)
	}
	if i := e.c.Section.Insights; i != nil {
		e.openInsights(i)
	}
}

// details says whether sentences are sent.
func (e *Exporter) details() bool { return e.c.Section.Details != collector.DetailsNone }

// agent says which program sends.
func (e *Exporter) agent() string { return "mft/" + e.c.Version }

// uid returns the id of an event that is the same whenever it is sent.
func (e *Exporter) uid(seq int64) string { return fmt.Sprintf("%s-%d", e.memory.instance(), seq) }

func (e *Exporter) openOTLP(o *collector.OTLP) {
	opts := otlp.Options{
		Endpoint: string(o.Endpoint), GRPC: o.Protocol == collector.GRPC, Gzip: o.Compression != collector.Plain,
		Agent: e.agent(), Header: func() (http.Header, error) { return e.header(o) },
	}
	if o.TLS != nil {
		opts.CA, opts.Certificate, opts.Key = string(o.TLS.CA), string(o.TLS.Certificate), string(o.TLS.Key)
	}
	client := otlp.New(opts)
	e.closers = append(e.closers, client.Close)
	source := otlp.Source{Resource: e.resource(), Version: e.c.Version}
	stream := func(signal collector.Signal) *stream {
		return &stream{name: "otlp " + string(signal), endpoint: string(o.Endpoint), delays: e.c.Delays}
	}
	if o.Sends(collector.Traces) {
		s := stream(collector.Traces)
		s.ends = span.Ends
		s.prepare = func(b *batch) request {
			if len(b.spans) == 0 {
				return nil
			}
			return &export{client, otlp.Traces, source.Traces(b.spans, b.row, e.details())}
		}
		e.streams = append(e.streams, s)
	}
	if o.Sends(collector.Logs) {
		s := stream(collector.Logs)
		s.prepare = func(b *batch) request {
			var records []otlp.Record
			for _, one := range b.events {
				records = append(records, otlp.Record{Event: one, Role: b.role(one), UID: e.uid(one.Seq)})
			}
			return &export{client, otlp.Logs, source.Logs(records, e.details(), e.now())}
		}
		e.streams = append(e.streams, s)
	}
	if o.Sends(collector.Metrics) {
		e.numbers = &numbers{stream: stream(collector.Metrics), client: client, source: source, interval: o.Interval.Duration()}
	}
}

// resource says who this agent is, in what the operator says too.
func (e *Exporter) resource() []attribute.Pair {
	said := map[string]string{
		attribute.ServiceName: "mft", attribute.ServiceVersion: e.c.Version, attribute.ServiceInstance: e.memory.instance(),
		attribute.Agent: string(e.c.Agent), attribute.HostName: hostName(), attribute.OSType: runtime.GOOS,
	}
	for key, value := range e.c.Section.Attributes {
		said[string(key)] = string(value)
	}
	var out []attribute.Pair
	for _, key := range slices.Sorted(maps.Keys(said)) {
		out = append(out, attribute.Text(key, said[key]))
	}
	return out
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return attribute.Clean(name, 255)
}

// header reads the secrets that go with each request.
func (e *Exporter) header(o *collector.OTLP) (http.Header, error) {
	h := http.Header{}
	for name, secret := range o.Headers {
		value, err := secret.Read(e.c.Env)
		if err != nil {
			return nil, unusablef("header %s: %w", name, err)
		}
		value = strings.TrimSpace(value)
		if len(value) > 8<<10 || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return nil, unusablef("header %s: %s has more than one line, which no header has", name, secret)
		}
		h.Set(string(name), value)
	}
	return h, nil
}

// An export is a request of OTLP.
type export struct {
	client  *otlp.Client
	signal  otlp.Signal
	message []byte
}

func (r *export) send(ctx context.Context) (int64, string, error) {
	p, err := r.client.Send(ctx, r.signal, r.message)
	return p.Rejected, p.Says, err
}

func (e *Exporter) openInsights(i *collector.Insights) {
	client := insights.New(e.agent(), func() (collector.Connection, error) {
		text, err := i.Connection.Read(e.c.Env)
		if err != nil {
			return collector.Connection{}, unusablef("connection string: %w", err)
		}
		to, err := collector.ParseConnection(text)
		if err != nil {
			return collector.Connection{}, unusablef("connection string: %s has %w", i.Connection, err)
		}
		return to, nil
	})
	e.closers = append(e.closers, client.Close)
	source := insights.Source{Agent: e.c.Agent, Host: hostName(), Version: e.c.Version}
	for _, key := range slices.Sorted(maps.Keys(e.c.Section.Attributes)) {
		source.Properties = append(source.Properties, attribute.Text(string(key), string(e.c.Section.Attributes[key])))
	}
	s := &stream{name: "application insights", endpoint: endpointOf(i, e.c.Env), delays: e.c.Delays, ends: span.Ends}
	s.prepare = func(b *batch) request {
		r := &track{client: client}
		for _, one := range b.events {
			r.items = append(r.items, source.Event(one, b.role(one), e.uid(one.Seq), e.details())...)
		}
		for _, one := range b.spans {
			r.items = append(r.items, source.Span(one, b.row(one.Transfer)))
		}
		return r
	}
	e.streams = append(e.streams, s)
}

// endpointOf returns where a connection string leads, for people.
func endpointOf(i *collector.Insights, env func(string) string) string {
	if text, err := i.Connection.Read(env); err == nil {
		if to, err := collector.ParseConnection(text); err == nil {
			return to.Ingestion
		}
	}
	return i.Connection.String()
}

// A track is a request of Application Insights, of which some items may have
// been taken.
type track struct {
	client *insights.Client
	items  []insights.Item
}

func (r *track) send(ctx context.Context) (int64, string, error) {
	got, err := r.client.Send(ctx, r.items)
	if err != nil {
		r.items = got.Again
	}
	return got.Rejected, got.Says, err
}
