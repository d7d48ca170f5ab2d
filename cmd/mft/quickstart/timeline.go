package quickstart

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"mft.dev/mft"
	"mft.dev/mft/agent/localapi"
	"mft.dev/mft/cmd/mft/progress"
)

// settle is how long an event is held back, so that those of both agents can
// be told in the order in which they happened.
const settle = 150 * time.Millisecond

// A timeline tells what happened to each transfer, in seconds since its first
// file was detected. It is made of the events of both agents, in any order
// within the time that settle allows.
type timeline struct {
	tracks map[mft.TransferID]*track
	held   []heldEvent
	ended  []mft.TransferID // the oldest first
	last   string           // the last line
}

type heldEvent struct {
	localapi.Event
	due time.Time
}

// A track is what is known of one transfer.
type track struct {
	began time.Time
	files []string // below outbox and inbox; none for a transfer by command
	title string   // what stands for them in the lines
	told  map[mft.EventKind]bool
}

func newTimeline() *timeline {
	return &timeline{tracks: make(map[mft.TransferID]*track), last: "nothing"}
}

// stages lists what is told, and who is behind it.
var stages = [...]struct {
	kind mft.EventKind
	by   string
}{
	{mft.EventDetected, ""},
	{mft.EventStable, ""},
	{mft.EventOffered, "to beta"},
	{mft.EventAccepted, "by beta"},
	{mft.EventMoving, ""},
	{mft.EventVerified, "by beta"},
	{mft.EventDelivered, ""},
	{mft.EventWaiting, ""},
	{mft.EventItem, ""},
	{mft.EventRejected, ""},
	{mft.EventFailed, ""},
	{mft.EventCancelled, ""},
	{mft.EventPaused, ""},
	{mft.EventResumed, ""},
}

func stageOf(kind mft.EventKind) int {
	for i, s := range stages {
		if s.kind == kind {
			return i
		}
	}
	return -1
}

// add takes in an event that became known at now.
func (t *timeline) add(e localapi.Event, now time.Time) {
	if e.Transfer == nil || stageOf(e.Kind) < 0 {
		return
	}
	tr := t.tracks[*e.Transfer]
	if tr == nil {
		tr = &track{began: e.Time, told: make(map[mft.EventKind]bool), title: "a transfer by command"}
		t.tracks[*e.Transfer] = tr
	}
	if e.Time.Before(tr.began) {
		tr.began = e.Time
	}
	if e.Kind == mft.EventDetected && !slices.Contains(tr.files, e.Detail) {
		tr.files = append(tr.files, e.Detail)
	}
	t.held = append(t.held, heldEvent{e, now.Add(settle)})
}

// due returns the events whose time to be told has come, in the order in which
// they happened.
func (t *timeline) due(now time.Time) []localapi.Event {
	var out []localapi.Event
	keep := t.held[:0]
	for _, h := range t.held {
		if now.Before(h.due) {
			keep = append(keep, h)
		} else {
			out = append(out, h.Event)
		}
	}
	t.held = keep
	slices.SortStableFunc(out, func(a, b localapi.Event) int {
		return cmp.Or(a.Time.Compare(b.Time), stageOf(a.Kind)-stageOf(b.Kind))
	})
	return out
}

// line tells e, "" when the other agent told it already.
func (t *timeline) line(e localapi.Event) string {
	tr := t.tracks[*e.Transfer]
	if tr == nil {
		return "" // ended long ago
	}
	repeats := e.Kind == mft.EventWaiting || e.Kind == mft.EventItem || e.Kind == mft.EventPaused || e.Kind == mft.EventResumed
	if tr.told[e.Kind] && !repeats {
		return ""
	}
	tr.told[e.Kind] = true
	t.last = string(e.Kind)
	if e.Detail != "" {
		t.last += " " + progress.Plain(e.Detail)
	}
	says := tr.what()
	by := stages[stageOf(e.Kind)].by
	if e.Kind == mft.EventMoving {
		by = progress.Text(e.Detail) // the way
	}
	if by != "" {
		says += ", " + by
	}
	if !e.Code.OK() || (repeats && e.Detail != "") {
		why := progress.Text(e.Detail)
		if why == "" {
			why = e.Code.Sentence()
		}
		says += ": " + why
	}
	return fmt.Sprintf("%7.2f s  %-9s  %s", e.Time.Sub(tr.began).Seconds(), e.Kind, says)
}

// what names the files of the transfer.
func (tr *track) what() string {
	if len(tr.files) == 0 {
		return tr.title
	}
	text := progress.Plain(tr.files[0])
	if more := len(tr.files) - 1; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// maxTracks bounds what is remembered of transfers that have ended.
const maxTracks = 1000

// end forgets the files of a transfer that has ended. That it was told of is
// remembered: the other agent may yet report the same.
func (t *timeline) end(id mft.TransferID) {
	t.tracks[id].files = nil
	t.ended = append(t.ended, id)
	if len(t.ended) > maxTracks {
		delete(t.tracks, t.ended[0])
		t.ended = t.ended[1:]
	}
}
