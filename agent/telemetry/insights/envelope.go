package insights

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/telemetry/attribute"
	"mft.dev/mft/agent/telemetry/span"
)

// The forms are those of the schema of Application Insights, version 2.

// An envelope is one item of telemetry.
type envelope struct {
	Name       string            `json:"name"`
	Time       string            `json:"time"`
	SampleRate int               `json:"sampleRate"`
	Key        string            `json:"iKey"`
	Tags       map[string]string `json:"tags"`
	Data       content           `json:"data"`
}

type content struct {
	Type string `json:"baseType"`
	Form form   `json:"baseData"`
}

// A form is what the kinds of items have, each a part of it.
type form struct {
	Ver          int               `json:"ver"`
	ID           string            `json:"id,omitempty"`
	Name         string            `json:"name,omitempty"`
	Message      string            `json:"message,omitempty"`
	Severity     string            `json:"severityLevel,omitempty"`
	Duration     string            `json:"duration,omitempty"`
	ResponseCode string            `json:"responseCode,omitempty"`
	ResultCode   string            `json:"resultCode,omitempty"`
	Success      *bool             `json:"success,omitempty"`
	Type         string            `json:"type,omitempty"`
	Target       string            `json:"target,omitempty"`
	Source       string            `json:"source,omitempty"`
	Properties   map[string]string `json:"properties,omitempty"`
	Measurements map[string]int64  `json:"measurements,omitempty"`
}

// A Source is who sends.
type Source struct {
	Agent   mft.AgentName
	Host    string
	Version string
	// Properties go with every item.
	Properties []attribute.Pair
}

// An Item is an envelope that lacks only the key of the resource.
type Item struct{ e envelope }

// Event returns the items of an event: a custom event with all that is known, and
// a trace besides when something is wrong. uid is the same whenever the event is
// sent.
func (s Source) Event(e mft.Event, role mft.Role, uid string, details bool) []Item {
	properties, measurements := s.split(attribute.OfEvent(e, role))
	properties[attribute.RecordUID] = uid
	if details && e.Detail != "" {
		properties["detail"] = attribute.Clean(e.Detail, 8<<10)
	}
	parent, operation := "", ""
	if !e.Transfer.IsZero() {
		properties["id"] = e.Transfer.String() // as azure-mft called it
		if role != "" {
			id := span.WholeID(e.Transfer, role)
			parent, operation = hex.EncodeToString(id[:]), "mft "+string(role)
		}
	}
	f := form{Ver: 2, Name: attribute.EventName(e), Properties: properties, Measurements: measurements}
	out := []Item{s.item("Event", e.Time, e.Transfer, operation, parent, f)}
	if severity := attribute.SeverityOf(e); severity != attribute.Info {
		f = form{Ver: 2, Message: attribute.Body(e, details), Severity: "Warning", Properties: properties, Measurements: measurements}
		if severity == attribute.Error {
			f.Severity = "Error"
		}
		out = append(out, s.item("Message", e.Time, e.Transfer, operation, parent, f))
	}
	return out
}

// Span returns the item of a span: a request at the receiver of a transfer, a
// dependency at its sender and for each phase. row is nil for a transfer that
// has none.
func (s Source) Span(one span.Span, row *mft.Transfer) Item {
	properties, measurements := s.split(attribute.OfSpan(one, row))
	properties["id"] = one.Transfer.String()
	success := !one.Failed() && one.Outcome.Kind != mft.EventCancelled
	code := string(one.Outcome.Kind)
	if !one.Outcome.Code.OK() {
		code = attribute.CodeName(one.Outcome.Code)
	}
	f := form{
		Ver: 2, ID: hex.EncodeToString(one.ID[:]), Name: one.Name(), Duration: duration(one.End.Sub(one.Start)), Success: &success,
		Properties: properties, Measurements: measurements,
	}
	kind := "RemoteDependency"
	switch {
	case one.Phase == span.Whole && one.Role == mft.RoleReceive:
		kind, f.ResponseCode, f.Source = "Request", code, string(one.Outcome.Peer)
	case one.Phase == span.Whole:
		f.ResultCode, f.Type, f.Target = code, "mft", string(one.Outcome.Peer)
	default:
		f.ResultCode, f.Type = code, "InProc"
	}
	parent := ""
	if one.Parent != (span.ID{}) {
		parent = hex.EncodeToString(one.Parent[:])
	}
	return s.item(kind, one.Start, one.Transfer, "mft "+string(one.Role), parent, f)
}

func (s Source) item(kind string, at time.Time, transfer mft.TransferID, operation, parent string, f form) Item {
	tags := map[string]string{
		"ai.cloud.role": string(s.Agent), "ai.cloud.roleInstance": s.Host, "ai.application.ver": s.Version,
		"ai.internal.sdkVersion": attribute.Clean("mft:"+s.Version, 64),
	}
	if !transfer.IsZero() {
		tags["ai.operation.id"] = transfer.String()
	}
	if operation != "" {
		tags["ai.operation.name"] = operation
	}
	if parent != "" {
		tags["ai.operation.parentId"] = parent
	}
	return Item{envelope{
		Name: "Microsoft.ApplicationInsights." + kind, Time: at.UTC().Format("2006-01-02T15:04:05.000000Z"), SampleRate: 100, Tags: tags,
		Data: content{Type: kind + "Data", Form: f},
	}}
}

// split makes texts properties and numbers measurements.
func (s Source) split(pairs []attribute.Pair) (map[string]string, map[string]int64) {
	properties := map[string]string{"agent": string(s.Agent), "hostname": s.Host}
	measurements := map[string]int64{}
	for _, p := range append(s.Properties[:len(s.Properties):len(s.Properties)], pairs...) {
		if p.IsNumber {
			measurements[p.Key] = p.Number
		} else {
			properties[p.Key] = p.Text
		}
	}
	return properties, measurements
}

// duration writes a time as DDD.HH:MM:SS.ffffff; Azure knows none of 1,000 days.
func duration(d time.Duration) string {
	d = min(max(d, 0), 1000*24*time.Hour-time.Microsecond)
	us := d.Microseconds()
	const second = 1_000_000
	return fmt.Sprintf("%d.%02d:%02d:%02d.%06d", us/(86400*second), us/(3600*second)%24, us/(60*second)%60, us/second%60, us%second)
}

// marshal returns items as what Azure takes, with the key of a resource.
func marshal(items []Item, key string) ([]byte, error) {
	bare := strings.ReplaceAll(key, "-", "")
	list := make([]envelope, len(items))
	for i, one := range items {
		e := one.e
		e.Key = key
		kind := strings.TrimPrefix(e.Name, "Microsoft.ApplicationInsights.")
		e.Name = "Microsoft.ApplicationInsights." + bare + "." + kind
		list[i] = e
	}
	return json.Marshal(list)
}
