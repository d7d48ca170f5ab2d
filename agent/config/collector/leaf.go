package collector

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// oneOf reads one of the words.
func oneOf[T ~string](v *T, s string, words ...T) error {
	var list []string
	for _, w := range words {
		if T(s) == w {
			*v = w
			return nil
		}
		list = append(list, string(w))
	}
	return fmt.Errorf("want %s or %s", strings.Join(list[:len(list)-1], ", "), list[len(list)-1])
}

// A Protocol is how a collector is spoken to.
type Protocol string

// The protocols; the empty one is HTTP.
const (
	HTTP Protocol = "http"
	GRPC Protocol = "grpc"
)

// ReadText implements strict.Leaf.
func (v *Protocol) ReadText(s string) error { return oneOf(v, s, HTTP, GRPC) }

// Schema implements strict.Leaf.
func (*Protocol) Schema() map[string]any { return map[string]any{"enum": []Protocol{HTTP, GRPC}} }

// A Signal is a kind of telemetry.
type Signal string

// The signals.
const (
	Traces  Signal = "traces"
	Logs    Signal = "logs"
	Metrics Signal = "metrics"
)

// ReadText implements strict.Leaf.
func (v *Signal) ReadText(s string) error { return oneOf(v, s, Traces, Logs, Metrics) }

// Schema implements strict.Leaf.
func (*Signal) Schema() map[string]any {
	return map[string]any{"enum": []Signal{Traces, Logs, Metrics}}
}

// Signals may be written as the only one.
type Signals []Signal

// Lone implements strict.Lone.
func (*Signals) Lone() {}

// Details is whether sentences about events are sent.
type Details string

// The choices; the empty one is DetailsFull.
const (
	DetailsFull Details = "full"
	DetailsNone Details = "none"
)

// ReadText implements strict.Leaf.
func (v *Details) ReadText(s string) error { return oneOf(v, s, DetailsFull, DetailsNone) }

// Schema implements strict.Leaf.
func (*Details) Schema() map[string]any {
	return map[string]any{"enum": []Details{DetailsFull, DetailsNone}}
}

// Compression is how requests are compressed.
type Compression string

// The choices; the empty one is Gzip.
const (
	Gzip  Compression = "gzip"
	Plain Compression = "none"
)

// ReadText implements strict.Leaf.
func (v *Compression) ReadText(s string) error { return oneOf(v, s, Gzip, Plain) }

// Schema implements strict.Leaf.
func (*Compression) Schema() map[string]any {
	return map[string]any{"enum": []Compression{Gzip, Plain}}
}

// An Interval is a time as it stands in the file.
type Interval string

// ReadText implements strict.Leaf.
func (v *Interval) ReadText(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < 5*time.Second || d > time.Hour {
		return errors.New("want a time from 5s to 1h, such as 30s")
	}
	*v = Interval(s)
	return nil
}

// Schema implements strict.Leaf.
func (*Interval) Schema() map[string]any {
	return map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}
}

// Duration returns the time, one minute when the file does not say.
func (v Interval) Duration() time.Duration {
	if d, err := time.ParseDuration(string(v)); err == nil {
		return d
	}
	return time.Minute
}

// A Header is the name of a header of a request.
type Header string

// token is of what names of headers are made.
const token = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// ReadText implements strict.Leaf. What frames a request is not for others to
// set.
func (v *Header) ReadText(s string) error {
	if s == "" || len(s) > 64 || strings.Trim(s, token) != "" {
		return errors.New("want the name of a header, such as api-key")
	}
	switch lower := strings.ToLower(s); {
	case strings.HasPrefix(lower, "content-"), strings.HasPrefix(lower, "grpc-"), strings.HasPrefix(lower, "proxy-"),
		lower == "host", lower == "te", lower == "transfer-encoding", lower == "connection", lower == "trailer", lower == "upgrade":
		return fmt.Errorf("%s is a header that the protocol itself sets", lower)
	}
	*v = Header(strings.ToLower(s))
	return nil
}

// Schema implements strict.Leaf.
func (*Header) Schema() map[string]any {
	return map[string]any{"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"}
}

// An Attribute is the name of an attribute of OpenTelemetry.
type Attribute string

// ReadText implements strict.Leaf.
func (v *Attribute) ReadText(s string) error {
	if s == "" || len(s) > 128 || s[0] < 'a' || s[0] > 'z' || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789._") != "" {
		return errors.New("want the name of an attribute, such as deployment.environment.name: a-z, 0-9, dots and underscores")
	}
	*v = Attribute(s)
	return nil
}

// Schema implements strict.Leaf.
func (*Attribute) Schema() map[string]any {
	return map[string]any{"type": "string", "pattern": "^[a-z][a-z0-9._]{0,127}$"}
}

// A Value is that of an attribute.
type Value string

// ReadText implements strict.Leaf.
func (v *Value) ReadText(s string) error {
	if s == "" || len(s) > 256 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd }) {
		return errors.New("want up to 256 bytes of text on one line")
	}
	*v = Value(s)
	return nil
}

// Schema implements strict.Leaf.
func (*Value) Schema() map[string]any {
	return map[string]any{"type": "string", "minLength": 1, "maxLength": 256}
}
