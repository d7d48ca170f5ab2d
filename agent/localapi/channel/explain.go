package channel

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/conduct/explanation"
	"mft.dev/mft/agent/localapi/opaque"
	"mft.dev/mft/agent/localapi/route"
	"mft.dev/mft/trigger"
)

// namedAtMost is how many files are explained for each reason at most.
const namedAtMost = 1000

// An Explanation is what a run of a channel would decide now about the files of its
// source.
type Explanation struct {
	Channel Channel `json:"channel"`
	// Files and Bytes are what a run would send.
	Files   int64    `json:"files"`
	Bytes   int64    `json:"bytes"`
	Reasons []Reason `json:"reasons"`
}

// A Reason is why files move or not, how many there are, and the first of them.
type Reason struct {
	Why   trigger.Why `json:"why"`
	Moves bool        `json:"moves"`
	Files int64       `json:"files"`
	Bytes int64       `json:"bytes"`
	First []File      `json:"first"`
}

// A File is one at the source of a channel.
type File struct {
	Path     opaque.String `json:"path"` // below the source
	Bytes    int64         `json:"bytes"`
	Modified time.Time     `json:"modified,omitzero"`
	// Pattern is the one that excludes it.
	Pattern string `json:"pattern,omitempty"`
	// Until is when it has stayed the same for long enough to count as arrived.
	Until time.Time `json:"until,omitzero"`
	// Transfer sent what was sent last from this path, at At; it is in State.
	Transfer *mft.TransferID `json:"transfer,omitempty"`
	At       time.Time       `json:"at,omitzero"`
	State    mft.State       `json:"state,omitempty"`
	SentSize int64           `json:"sent_bytes,omitempty"` // its size then
	Problem  *route.Problem  `json:"problem,omitempty"`    // why it cannot be looked at, or read
}

// WhyUnseen is the reason of what cannot be looked at.
const WhyUnseen trigger.Why = "it cannot be looked at"

// Explain explains what a run would do with the files of a channel now, or with the one of a
// path, absolute or below the source; most is how many are named for each reason.
func (c Client) Explain(ctx context.Context, channel, file string, most int) (Explanation, error) {
	q := url.Values{"file": {file}, "most": {strconv.Itoa(most)}}
	return route.Get[Explanation](ctx, c.Client, path(channel, "/explain?"+q.Encode()))
}

func (d *desk) explain(r *http.Request) (any, error) {
	q := r.URL.Query()
	most, err := strconv.Atoi(q.Get("most"))
	if err != nil || most < 0 || most > namedAtMost {
		return nil, mft.Fail(mft.CodeUsage, "explain channel", q.Get("most"), errors.New("how many files are named for each reason is a number from 0 to 1000"))
	}
	v, err := d.Channels.View(r.Context(), r.PathValue("name"))
	if err != nil {
		return nil, err
	}
	e, err := d.Channels.Explain(r.Context(), v.Channel.Name, q.Get("file"), most)
	if err != nil {
		return nil, err
	}
	out := Explanation{Files: e.Moving.Items, Bytes: e.Moving.Bytes, Reasons: []Reason{}}
	if out.Channel, err = d.shown(r.Context(), v); err != nil {
		return nil, err
	}
	for _, why := range reasons {
		n := e.Counts[why]
		if n.Items == 0 {
			continue
		}
		one := Reason{Why: why, Moves: why == trigger.WhyNew || why == trigger.WhyChanged, Files: n.Items, Bytes: n.Bytes, First: []File{}}
		for _, f := range e.Files {
			if f.Choice.Why != why {
				continue
			}
			file, err := d.file(r.Context(), f)
			if err != nil {
				return nil, err
			}
			one.First = append(one.First, file)
		}
		if why == "" {
			one.Why = WhyUnseen
		}
		out.Reasons = append(out.Reasons, one)
	}
	return out, nil
}

// reasons are in the order in which they are told; that of what cannot be looked at is
// empty.
var reasons = [...]trigger.Why{
	trigger.WhyNew, trigger.WhyChanged, "", trigger.WhyBadPattern, trigger.WhyNotRegular, trigger.WhyRefused, trigger.WhySkipped, trigger.WhyLeadsOut, trigger.WhyAside, trigger.WhyMarker, trigger.WhyNotIncluded,
	trigger.WhyExcluded, trigger.WhyRule, trigger.WhyTooSmall, trigger.WhyTooLarge, trigger.WhyTooYoung, trigger.WhyTooOld, trigger.WhyNotLatest,
	trigger.WhyMirror, trigger.WhySent,
}

// file adds to a file what became of the transfer that sent it last.
func (d *desk) file(ctx context.Context, f explanation.File) (File, error) {
	out := File{Path: opaque.String(f.Path), Bytes: f.Size, Modified: f.MTime, Pattern: f.Choice.Pattern, Until: f.Until, Problem: route.ProblemOf(f.Unreadable)}
	if f.Err != nil {
		out.Problem = route.ProblemOf(f.Err)
	}
	if f.Sent == nil {
		return out, nil
	}
	out.Transfer, out.At, out.SentSize = &f.Sent.Transfer, f.Sent.At, f.Sent.Size
	t, ok, err := d.View.Journal.Transfer(ctx, f.Sent.Transfer)
	if ok {
		out.State = t.State
	}
	return out, err
}
