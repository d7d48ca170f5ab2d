package span

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"mft.dev/mft"
)

var begin = time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)

// story makes events, a second apart, of words such as "offered" and
// "waiting:BUSY".
func story(words string) []mft.Event {
	var out []mft.Event
	for i, word := range strings.Fields(words) {
		kind, code, _ := strings.Cut(word, ":")
		out = append(out, mft.Event{
			Seq: int64(i + 1), Time: begin.Add(time.Duration(i) * time.Second), Kind: mft.EventKind(kind), Code: mft.Code(code), Transfer: mft.TransferID{1},
		})
	}
	return out
}

// tell writes spans as "move 3-4", with the code of those that failed.
func tell(spans []Span) string {
	var out []string
	for _, s := range spans {
		name := string(s.Phase)
		if s.Phase == Whole {
			name = "whole"
		}
		text := fmt.Sprintf("%s %.0f-%.0f", name, s.Start.Sub(begin).Seconds(), s.End.Sub(begin).Seconds())
		if s.Failed() {
			text += " " + string(s.Outcome.Code)
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func TestOf(t *testing.T) {
	for _, tt := range []struct{ name, events, want string }{
		{"nothing", "", ""},
		{"a quick one", "planned offered accepted moving verified delivered done", "queue 0-1, offer 1-2, compare 2-3, move 3-4, commit 4-5, finish 5-6, whole 0-6"},
		{"found by a channel", "detected stable planned offered", "queue 0-3"},
		{"nothing to move", "planned offered accepted verified delivered done", "queue 0-1, offer 1-2, compare 2-3, commit 3-4, finish 4-5, whole 0-5"},
		{"one that goes on", "planned offered accepted moving item:IO_ERROR", "queue 0-1, offer 1-2, compare 2-3"},
		{
			"two attempts", "planned offered accepted moving waiting:DISCONNECTED offered accepted moving",
			"queue 0-1, offer 1-2, compare 2-3, move 3-4 DISCONNECTED, wait 4-5, offer 5-6, compare 6-7",
		},
		{"offered twice at once", "planned offered offered accepted", "queue 0-1, offer 1-2, offer 2-3"},
		{"waits twice", "planned waiting:BUSY waiting:UNREACHABLE offered", "queue 0-1 BUSY, wait 1-3"},
		{"paused", "planned paused:PAUSED resumed offered", "queue 0-1, pause 1-2, queue 2-3"},
		{"refused", "rejected:NOT_ALLOWED", "whole 0-0 NOT_ALLOWED"},
		{"told afterwards", "planned cancelled:CANCELLED cancelled:CANCELLED", "queue 0-1, whole 0-1"},
		{"fails", "planned failed:NOT_FOUND failed:NOT_FOUND", "queue 0-1 NOT_FOUND, whole 0-1 NOT_FOUND"},
		{
			"exits", "offered accepted moving exit-started exit-ended verified delivered done exit-started exit-started exit-ended exit-ended:EXIT_FAILED",
			"offer 0-1, compare 1-2, exit 3-4, move 2-5, commit 5-6, finish 6-7, whole 0-7, exit 8-10, exit 9-11 EXIT_FAILED",
		},
		{"an exit that is told of once", "offered exit-ended:EXIT_FAILED", "exit 1-1 EXIT_FAILED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tell(Of(mft.RoleSend, story(tt.events))); got != tt.want {
				t.Errorf("Of(%s)\n got %s\nwant %s", tt.events, got, tt.want)
			}
		})
	}
}

func TestFailed(t *testing.T) {
	if s := (Span{Outcome: mft.Event{Code: mft.CodeBusy}}); !s.Failed() {
		t.Error("what waits because the peer is busy has not failed")
	}
	for _, code := range []mft.Code{"", mft.CodeOK, mft.CodePaused, mft.CodeCancelled, mft.CodeDelivered} {
		if s := (Span{Outcome: mft.Event{Code: code}}); s.Failed() {
			t.Errorf("%q is a failure", code)
		}
	}
}

// TestClock has the clock go back: no span ends before it begins.
func TestClock(t *testing.T) {
	events := story("planned offered accepted done")
	slices.Reverse(events)
	for i := range events {
		events[i].Kind, events[len(events)-1-i].Kind = events[len(events)-1-i].Kind, events[i].Kind
		if i >= len(events)/2-1 {
			break
		}
	}
	for _, s := range Of(mft.RoleSend, events) {
		if s.End.Before(s.Start) {
			t.Errorf("%s ends %s before it begins", s.Name(), s.Start.Sub(s.End))
		}
	}
}

// TestPrefix holds what makes a restart safe: more events add spans and change
// none, and ids are never given twice.
func TestPrefix(t *testing.T) {
	kinds := []string{
		"planned", "offered", "accepted", "moving", "verified", "delivered", "done", "waiting:BUSY", "paused", "resumed", "failed:IO_ERROR",
		"exit-started", "exit-ended", "item:IO_ERROR", "removed",
	}
	rapid.Check(t, func(t *rapid.T) {
		events := story(strings.Join(rapid.SliceOfN(rapid.SampledFrom(kinds), 0, 30).Draw(t, "kinds"), " "))
		all := Of(mft.RoleReceive, events)
		cut := rapid.IntRange(0, len(events)).Draw(t, "cut")
		first := Of(mft.RoleReceive, events[:cut])
		if len(first) > len(all) || !slices.Equal(first, all[:len(first)]) {
			t.Errorf("after %d events: %v\nafter all: %v", cut, first, all)
		}
		ids := map[ID]bool{}
		for i, s := range all {
			if ids[s.ID] || s.ID == (ID{}) {
				t.Errorf("%s has an id that is none or taken", s.Name())
			}
			ids[s.ID] = true
			if i < len(first) != (s.Outcome.Seq <= int64(cut)) {
				t.Errorf("%s is ended by event %d", s.Name(), s.Outcome.Seq)
			}
			if !Ends(s.Outcome.Kind) {
				t.Errorf("Ends(%s) is false, and it ended %s", s.Outcome.Kind, s.Name())
			}
		}
	})
}

// TestIDs holds ids to what they were: both ends make them on their own, whatever
// their versions.
func TestIDs(t *testing.T) {
	if got, want := fmt.Sprintf("%x", WholeID(mft.TransferID{1, 2, 3}, mft.RoleSend)), "992e8ed91b6dc053"; got != want {
		t.Errorf("WholeID = %s, want %s", got, want)
	}
	if WholeID(mft.TransferID{1}, mft.RoleSend) == WholeID(mft.TransferID{1}, mft.RoleReceive) {
		t.Error("both ends have one id")
	}
}
