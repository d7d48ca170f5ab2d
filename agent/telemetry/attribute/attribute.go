// Package attribute names what is said of transfers and their events, in the
// manner of OpenTelemetry's conventions. docs/telemetry.md lists the names.
//
// None of them has the name of a file as its value. Sentences about events, which
// may, are in [Body] alone.
package attribute

import (
	"strings"

	"mft.dev/mft"
	"mft.dev/mft/agent/telemetry/span"
)

// A Pair is one attribute: text, or a number when IsNumber is set.
type Pair struct {
	Key      string
	Text     string
	Number   int64
	IsNumber bool
}

// Text and Number return pairs.
func Text(key, value string) Pair         { return Pair{Key: key, Text: value} }
func Number(key string, value int64) Pair { return Pair{Key: key, Number: value, IsNumber: true} }

// The names. Those without mft are of OpenTelemetry.
const (
	ServiceName     = "service.name"
	ServiceVersion  = "service.version"
	ServiceInstance = "service.instance.id"
	HostName        = "host.name"
	OSType          = "os.type"
	Agent           = "mft.agent.name"

	ErrorType = "error.type" // a code of mft, when something went wrong
	RecordUID = "log.record.uid"
	Overflow  = "otel.metric.overflow"

	Transfer  = "mft.transfer.id"
	Role      = "mft.transfer.role"
	Phase     = "mft.transfer.phase"
	Outcome   = "mft.transfer.outcome"
	State     = "mft.transfer.state"
	Attempt   = "mft.transfer.attempt"
	Items     = "mft.transfer.items"
	Size      = "mft.transfer.size" // bytes
	Unchanged = "mft.transfer.items_unchanged"
	Removed   = "mft.transfer.items_removed"
	Requested = "mft.transfer.requested"
	Channel   = "mft.channel.name"
	Peer      = "mft.peer.name"
	Sequence  = "mft.event.sequence"

	Destination = "mft.telemetry.destination"
)

// A Severity says how much an event matters.
type Severity int

// The severities, with the numbers of OpenTelemetry.
const (
	Info  Severity = 9
	Warn  Severity = 13
	Error Severity = 17
)

// String returns "INFO", "WARN" or "ERROR".
func (s Severity) String() string {
	switch s {
	case Warn:
		return "WARN"
	case Error:
		return "ERROR"
	}
	return "INFO"
}

// SeverityOf returns how much an event matters: what needs a person is an
// error, what mends itself a warning.
func SeverityOf(e mft.Event) Severity {
	switch {
	case e.Kind == mft.EventFailed, e.Kind == mft.EventRejected:
		return Error
	case e.Code.OK(), e.Code == mft.CodeCancelled, e.Code == mft.CodePaused, e.Code == mft.CodeDelivered:
		return Info
	}
	return Warn
}

// EventName returns the name of an event: "mft.transfer.moving" for those of
// transfers, "mft.agent.started" and the like for others.
func EventName(e mft.Event) string {
	if e.Transfer.IsZero() {
		return "mft." + strings.ReplaceAll(string(e.Kind), "-", ".")
	}
	return "mft.transfer." + strings.ReplaceAll(string(e.Kind), "-", "_")
}

// maxBody bounds a sentence, in bytes.
const maxBody = 8 << 10

// Body returns an event as a sentence, with its detail if that is wanted.
func Body(e mft.Event, detail bool) string {
	text := string(e.Kind)
	if !e.Code.OK() {
		text += ": " + string(e.Code)
	}
	if detail && e.Detail != "" {
		text += ": " + e.Detail
	}
	return Clean(text, maxBody)
}

// Clean makes text valid UTF-8 of at most so many bytes.
func Clean(text string, most int) string {
	return strings.ToValidUTF8(text[:min(len(text), most)], "\uFFFD")
}

// OfEvent returns what is said of an event; role is "" when it is not known.
func OfEvent(e mft.Event, role mft.Role) []Pair {
	out := []Pair{Number(Sequence, e.Seq)}
	if !e.Transfer.IsZero() {
		out = append(out, Text(Transfer, e.Transfer.String()))
	}
	return append(append(out, optional(Role, string(role))...), about(e)...)
}

// about returns where an event belongs, and its code if something is wrong.
func about(e mft.Event) []Pair {
	out := append(optional(Peer, string(e.Peer)), optional(Channel, Clean(e.Channel, 256))...)
	if !e.Code.OK() {
		out = append(out, Text(ErrorType, CodeName(e.Code)))
	}
	return out
}

func optional(key, value string) []Pair {
	if value == "" {
		return nil
	}
	return []Pair{Text(key, value)}
}

// CodeName returns the name of a code, one name for all that this version does
// not know: peers say codes too.
func CodeName(c mft.Code) string {
	for _, known := range mft.Codes() {
		if c == known {
			return string(c)
		}
	}
	return "_OTHER"
}

// OfSpan returns what is said of a span; t is the row of the transfer, nil when
// it has none.
func OfSpan(s span.Span, t *mft.Transfer) []Pair {
	out := []Pair{Text(Transfer, s.Transfer.String()), Text(Role, string(s.Role))}
	if s.Phase != span.Whole {
		out = append(out, Text(Phase, string(s.Phase)))
	} else {
		out = append(out, Text(Outcome, string(s.Outcome.Kind)))
	}
	if s.Attempt > 0 {
		out = append(out, Number(Attempt, int64(s.Attempt)))
	}
	end := s.Outcome
	if !s.Failed() {
		end.Code = "" // cancelled or paused is no error
	}
	out = append(out, about(end)...)
	if t == nil || s.Phase != span.Whole {
		return out
	}
	out = append(out, Number(Items, t.Moved.Items), Number(Size, t.Moved.Bytes), Number(Unchanged, t.Unchanged.Items))
	if t.Mirror.On {
		out = append(out, Number(Removed, t.Removed))
	}
	if t.Requested {
		out = append(out, Text(Requested, "true"))
	}
	return out
}
