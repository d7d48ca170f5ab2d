package otlp

import (
	"testing"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// FuzzPartial reads answers as a collector may send them, and holds what is read
// to the types of OpenTelemetry.
func FuzzPartial(f *testing.F) {
	for _, p := range []*coltrace.ExportTraceServiceResponse{
		{},
		{PartialSuccess: &coltrace.ExportTracePartialSuccess{}},
		{PartialSuccess: &coltrace.ExportTracePartialSuccess{RejectedSpans: 3, ErrorMessage: "full"}},
		{PartialSuccess: &coltrace.ExportTracePartialSuccess{RejectedSpans: -1}},
	} {
		b, err := proto.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Add([]byte{0x0b, 0x0c, 0x08})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readPartial(b)
		var want coltrace.ExportTraceServiceResponse
		if proto.Unmarshal(b, &want) != nil {
			return // what is no message may be read as anything, but not crash
		}
		if len(want.ProtoReflect().GetUnknown()) > 0 || len(want.GetPartialSuccess().ProtoReflect().GetUnknown()) > 0 {
			return
		}
		p := want.GetPartialSuccess()
		if err != nil || got.rejected != max(p.GetRejectedSpans(), 0) {
			t.Errorf("readPartial(%x) = %+v, %v; want %v", b, got, err, p)
		}
	})
}

// FuzzUnframe reads answers of gRPC.
func FuzzUnframe(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 2, 0x0a, 0})
	f.Add(append([]byte{1, 0, 0, 0, 5}, "no gz"...))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		if got := unframe(b); len(got) > max(64<<10, len(b)) {
			t.Errorf("unframe(%x) has %d bytes", b, len(got))
		}
	})
}
