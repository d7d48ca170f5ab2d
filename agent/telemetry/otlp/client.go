// Package otlp speaks the protocol of OpenTelemetry to a collector: protobuf
// over HTTP, or unary calls of gRPC.
//
// [Source] makes requests of spans, events and sums, [Client.Send] sends one
// once: an error of type *post.Refusal says what the collector thinks of it.
// The package refuses to try again by itself and to leave anything out.
package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"mft.dev/mft/agent/telemetry/post"
)

// A Signal is a kind of request, as it stands in the path of HTTP.
type Signal string

// The signals.
const (
	Traces  Signal = "traces"
	Logs    Signal = "logs"
	Metrics Signal = "metrics"
)

// rpc has the method of gRPC of each signal.
var rpc = map[Signal]string{
	Traces:  "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
	Logs:    "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
	Metrics: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}

// Options are what a client needs.
type Options struct {
	// Endpoint is the URL of the collector.
	Endpoint string
	GRPC     bool
	Gzip     bool
	// Header returns what goes with each request, secrets among it.
	Header func() (http.Header, error)
	// Agent says which program it is.
	Agent string
	// CA, Certificate and Key are files, "" for none.
	CA, Certificate, Key string
}

// A Client speaks to one collector. Methods may be called concurrently.
type Client struct {
	o    Options
	post *post.Client
}

// timeout is how long one request may take.
const timeout = 30 * time.Second

// New returns a client, which connects when it sends.
func New(o Options) *Client {
	o.Endpoint = strings.TrimRight(o.Endpoint, "/")
	return &Client{o: o, post: post.New(post.Options{
		CA: o.CA, Certificate: o.Certificate, Key: o.Key, HTTP2: o.GRPC, Timeout: timeout,
	})}
}

// Close closes connections; a later Send opens new ones.
func (c *Client) Close() { c.post.Forget() }

// A Partial is how many items of a request the collector refused for good, and
// why in its words.
type Partial struct {
	Rejected int64
	Says     string
}

// Send sends one request. With a nil error the collector has it, all but what
// Partial says. Other errors than a *post.Refusal mean that it cannot be
// reached.
func (c *Client) Send(ctx context.Context, signal Signal, message []byte) (Partial, error) {
	header, err := c.o.Header()
	if err != nil {
		return Partial{}, err
	}
	header.Set("User-Agent", c.o.Agent)
	if c.o.GRPC {
		return c.call(ctx, signal, header, message)
	}
	header.Set("Content-Type", "application/x-protobuf")
	if c.o.Gzip {
		header.Set("Content-Encoding", "gzip")
		message = post.Zip(message)
	}
	answer, err := c.post.Do(ctx, c.o.Endpoint+"/v1/"+string(signal), header, message)
	if err != nil {
		return Partial{}, err
	}
	return partially(answer.Body), nil
}

// partially reads what a collector says that it did not take. One that answers
// with something else took it all: the status has said so.
func partially(body []byte) Partial {
	p, err := readPartial(body)
	if err != nil {
		return Partial{}
	}
	return Partial{Rejected: p.rejected, Says: post.Plain([]byte(p.says))}
}

// call makes a unary call of gRPC over HTTP/2, as
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md describes it.
func (c *Client) call(ctx context.Context, signal Signal, header http.Header, message []byte) (Partial, error) {
	header.Set("Content-Type", "application/grpc+proto")
	header.Set("Te", "trailers")
	header.Set("Grpc-Timeout", strconv.Itoa(int(timeout/time.Second))+"S")
	var compressed byte
	if c.o.Gzip {
		header.Set("Grpc-Encoding", "gzip")
		compressed, message = 1, post.Zip(message)
	}
	body := append(binary.BigEndian.AppendUint32([]byte{compressed}, uint32(len(message))), message...)
	answer, err := c.post.Do(ctx, c.o.Endpoint+rpc[signal], header, body)
	if err != nil {
		return Partial{}, err
	}
	status := answer.Trailer
	if status.Get("Grpc-Status") == "" {
		status = answer.Header // there was no message
	}
	if err := grpcError(status); err != nil {
		return Partial{}, err
	}
	return partially(unframe(answer.Body)), nil
}

// unframe returns the one message of an answer; servers compress it as the
// request was. What cannot be read says nothing: the status has said it.
func unframe(b []byte) []byte {
	if len(b) < 5 || uint64(binary.BigEndian.Uint32(b[1:])) != uint64(len(b)-5) {
		return nil
	}
	if b[0] == 0 {
		return b[5:]
	}
	z, err := gzip.NewReader(bytes.NewReader(b[5:]))
	if err != nil {
		return nil
	}
	const most = 64 << 10
	message, err := io.ReadAll(io.LimitReader(z, most))
	if err != nil || len(message) == most {
		return nil
	}
	return message
}

var errNotGRPC = errors.New("the answer is not of gRPC; is the endpoint one for HTTP?")

// grpcError makes of a status of gRPC what HTTP would have said.
func grpcError(status http.Header) error {
	text := status.Get("Grpc-Status")
	code, err := strconv.Atoi(text)
	if err != nil {
		return errNotGRPC
	}
	if code == 0 {
		return nil
	}
	says := status.Get("Grpc-Message")
	if plain, err := url.PathUnescape(says); err == nil {
		says = plain
	}
	r := &post.Refusal{Status: http.StatusBadRequest, Body: fmt.Appendf(nil, "gRPC status %d: %s", code, says)}
	if like, known := httpOf[code]; known {
		r.Status = like
	}
	r.Large = code == 8 // which also stands for having no time
	return r
}

// httpOf says which status of HTTP a status of gRPC is like, for who decides
// whether to send again. What OTLP calls retryable is 429, 503 or 504. Those that
// are missing are like 400: the request is to blame.
var httpOf = map[int]int{
	1:  http.StatusServiceUnavailable, // CANCELLED
	4:  http.StatusGatewayTimeout,     // DEADLINE_EXCEEDED
	5:  http.StatusNotFound,           // NOT_FOUND
	7:  http.StatusForbidden,          // PERMISSION_DENIED
	8:  http.StatusTooManyRequests,    // RESOURCE_EXHAUSTED
	10: http.StatusServiceUnavailable, // ABORTED
	11: http.StatusServiceUnavailable, // OUT_OF_RANGE
	12: http.StatusNotFound,           // UNIMPLEMENTED
	14: http.StatusServiceUnavailable, // UNAVAILABLE
	15: http.StatusServiceUnavailable, // DATA_LOSS
	16: http.StatusUnauthorized,       // UNAUTHENTICATED
}
