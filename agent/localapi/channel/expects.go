package channel

import (
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/conduct"
)

// An Expected is one thing that people count on of a channel, and how it stands.
type Expected struct {
	// Kind is "due_by", "silence", "size" or "count", as in the configuration.
	Kind string `json:"kind"`
	// Schedule, Zone and Grace are of due_by, Every of silence, Min and Max of the others: a
	// Max of 0 is no limit.
	Schedule string   `json:"schedule,omitempty"`
	Zone     string   `json:"zone,omitempty"`
	Grace    Duration `json:"grace,omitzero"`
	Every    Duration `json:"every,omitzero"`
	Min      int64    `json:"min,omitempty"`
	Max      int64    `json:"max,omitempty"`

	// Code says that it is not met: LATE, MISSING, SILENT, or UNUSUAL for the last run that
	// moved something.
	Code mft.Code `json:"code,omitempty"`
	// Overdue is since when content is late, Due when it is expected next, and Data when it
	// moved last, or when somebody began to count.
	Overdue time.Time `json:"overdue,omitzero"`
	Due     time.Time `json:"due,omitzero"`
	Data    time.Time `json:"data,omitzero"`
	// Last is what the last run moved that moved something.
	Last *int64 `json:"last,omitempty"`
}

// expectsOf returns all that is expected of a channel. Last is the last run that moved
// something, nil for none that is known.
func expectsOf(v conduct.View, last *Run) (out []Expected) {
	e, s := v.Channel.Expect, v.Status
	if e.DueBy != "" {
		one := Expected{Kind: "due_by", Schedule: e.DueBy, Zone: e.Zone, Grace: Duration(e.Grace), Due: v.Expected, Overdue: s.Hopes.Overdue}
		if code := s.Hopes.Code(); !code.OK() {
			one.Code = code
		}
		out = append(out, one)
	}
	if e.Silence > 0 {
		one := Expected{Kind: "silence", Every: Duration(e.Silence), Data: s.State.Data}
		if s.State.Silent {
			one.Code = mft.CodeSilent
		}
		out = append(out, one)
	}
	amount := func(kind string, r mft.Range, moved func(Run) int64) {
		if r == (mft.Range{}) {
			return
		}
		one := Expected{Kind: kind, Min: r.Min, Max: r.Max}
		if last != nil {
			n := moved(*last)
			if one.Last = &n; !r.Holds(n) {
				one.Code = mft.CodeUnusual
			}
		}
		out = append(out, one)
	}
	amount("size", e.Size, func(r Run) int64 { return r.Bytes })
	amount("count", e.Count, func(r Run) int64 { return r.Files })
	return out
}
