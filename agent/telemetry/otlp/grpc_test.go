package otlp_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // requests are compressed
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"mft.dev/mft"
	"mft.dev/mft/agent/telemetry/otlp"
	"mft.dev/mft/agent/telemetry/post"
)

// A server is a collector made of the gRPC of Google, which is the oracle for
// what is spoken here over net/http.
type server struct {
	mu       sync.Mutex
	err      error
	partial  *collogs.ExportLogsPartialSuccess
	names    []string
	metadata metadata.MD
}

func (s *server) record(name string, ctx context.Context) {
	s.names = append(s.names, name)
	s.metadata, _ = metadata.FromIncomingContext(ctx)
}

type logs struct {
	collogs.UnimplementedLogsServiceServer
	*server
}

func (s logs) Export(ctx context.Context, m *collogs.ExportLogsServiceRequest) (*collogs.ExportLogsServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	for _, r := range m.ResourceLogs {
		for _, scope := range r.ScopeLogs {
			for _, one := range scope.LogRecords {
				s.record(one.EventName, ctx)
			}
		}
	}
	return &collogs.ExportLogsServiceResponse{PartialSuccess: s.partial}, nil
}

func serve(t *testing.T, o ...grpc.ServerOption) (*server, string) {
	t.Helper()
	s := &server{}
	g := grpc.NewServer(o...)
	collogs.RegisterLogsServiceServer(g, logs{server: s})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() { _ = g.Serve(ln) })
	t.Cleanup(func() { g.Stop(); all.Wait() })
	return s, ln.Addr().String()
}

func one() []byte {
	e := mft.Event{Seq: 7, Time: time.Unix(1, 0), Kind: mft.EventOffered, Transfer: mft.TransferID{1}, Peer: "beta"}
	return otlp.Source{Version: "1"}.Logs([]otlp.Record{{Event: e, Role: mft.RoleSend, UID: "x-7"}}, true, time.Unix(2, 0))
}

func TestGRPC(t *testing.T) {
	s, address := serve(t)
	for _, zip := range []bool{true, false} {
		c := otlp.New(otlp.Options{
			Endpoint: "http://" + address, GRPC: true, Gzip: zip, Agent: "mft/1",
			Header: func() (http.Header, error) { return http.Header{"Api-Key": {"s3cret"}}, nil },
		})
		if _, err := c.Send(t.Context(), otlp.Logs, one()); err != nil {
			t.Fatalf("Send with gzip %t: %v", zip, err)
		}
		s.mu.Lock()
		s.partial = &collogs.ExportLogsPartialSuccess{RejectedLogRecords: 3, ErrorMessage: "full"}
		s.mu.Unlock()
		p, err := c.Send(t.Context(), otlp.Logs, one())
		if err != nil || p != (otlp.Partial{Rejected: 3, Says: "full"}) {
			t.Errorf("Send to one that takes a part: %+v, %v", p, err)
		}
		s.mu.Lock()
		s.partial = nil
		s.mu.Unlock()
		c.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.names) != 4 || s.names[0] != "mft.transfer.offered" || s.metadata.Get("api-key")[0] != "s3cret" ||
		!strings.HasPrefix(s.metadata.Get("user-agent")[0], "mft/1") {
		t.Errorf("the server got %q with %v", s.names, s.metadata)
	}
}

func TestGRPCErrors(t *testing.T) {
	s, address := serve(t, grpc.MaxRecvMsgSize(1<<20))
	c := otlp.New(otlp.Options{Endpoint: "http://" + address, GRPC: true, Header: func() (http.Header, error) { return http.Header{}, nil }})
	defer c.Close()
	for _, tt := range []struct {
		code codes.Code
		like int
	}{
		{codes.Unavailable, 503},
		{codes.ResourceExhausted, 429},
		{codes.DeadlineExceeded, 504},
		{codes.Unauthenticated, 401},
		{codes.PermissionDenied, 403},
		{codes.InvalidArgument, 400},
		{codes.Internal, 400},
		{codes.DataLoss, 503},
	} {
		s.mu.Lock()
		s.err = status.Error(tt.code, "näht")
		s.mu.Unlock()
		_, err := c.Send(t.Context(), otlp.Logs, one())
		var r *post.Refusal
		if !errors.As(err, &r) || r.Status != tt.like || !strings.Contains(r.Error(), "näht") {
			t.Errorf("%s: %v, want it like %d", tt.code, err, tt.like)
		}
	}
	// A signal that nobody registered, and a message that is too large.
	var r *post.Refusal
	if _, err := c.Send(t.Context(), otlp.Traces, nil); !errors.As(err, &r) || r.Status != 404 {
		t.Errorf("a signal without a service: %v", err)
	}
	if _, err := c.Send(t.Context(), otlp.Logs, make([]byte, 2<<20)); !errors.As(err, &r) || !r.Large {
		t.Errorf("a message that is too large: %v", err)
	}
}

// TestGRPCOverTLS has both ends show certificates.
func TestGRPCOverTLS(t *testing.T) {
	f := newFiles(t)
	s, address := serve(t, grpc.Creds(credentials.NewTLS(f.server())))
	for _, tt := range []struct {
		name          string
		ca, cert, key string
		arrives       bool
	}{
		{"both prove themselves", f.ca, f.cert, f.key, true},
		{"no certificate", f.ca, "", "", false},
		{"unknown roots", "", f.cert, f.key, false},
		{"no such file", f.ca + ".none", "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := otlp.New(otlp.Options{
				Endpoint: "https://" + address, GRPC: true, CA: tt.ca, Certificate: tt.cert, Key: tt.key,
				Header: func() (http.Header, error) { return http.Header{}, nil },
			})
			defer c.Close()
			_, err := c.Send(t.Context(), otlp.Logs, one())
			if (err == nil) != tt.arrives {
				t.Errorf("Send: %v, want it to arrive: %t", err, tt.arrives)
			}
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.names) != 1 {
		t.Errorf("%d events arrived", len(s.names))
	}
}

// TestNotGRPC speaks gRPC to a server for HTTP.
func TestNotGRPC(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	protocols.SetHTTP1(true)
	srv := &http.Server{Protocols: protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hello")) })}
	var all sync.WaitGroup
	all.Go(func() { _ = srv.Serve(ln) })
	defer all.Wait()
	defer srv.Close()
	c := otlp.New(otlp.Options{Endpoint: "http://" + ln.Addr().String(), GRPC: true, Header: func() (http.Header, error) { return http.Header{}, nil }})
	defer c.Close()
	if _, err := c.Send(t.Context(), otlp.Logs, one()); err == nil || !strings.Contains(err.Error(), "not of gRPC") {
		t.Errorf("Send: %v", err)
	}
}
